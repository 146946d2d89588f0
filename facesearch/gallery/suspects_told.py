"""From what was judged of a neighbourhood to suspects with names and photos, each told once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.gallery.likeness import Doubles, Ids, Neighbourhood
from facesearch.gallery.neighbourhood import Surroundings
from facesearch.gallery.parts import Parts
from facesearch.gallery.suspect import Kind, Suspect
from facesearch.gallery.suspicion import SURE, Judgement
from facesearch.pipeline.quality import FAIR
from facesearch.store import KeptSuspect, TemplateInfo

_HUB = 3  # other people whom a template that is unlike its own person resembles, from which on it is called poor


def told(
    parts: Parts, around: Surroundings, judgement: Judgement, asked: Collection[int] | None, least: float
) -> list[Suspect]:
    """The suspects from a confidence on. asked: ids of the templates that are to be told of, with their people."""
    threshold = parts.known_threshold(parts.settings())
    attracted = _attracted(around.hood, 2.0 if threshold is None else threshold)
    asked_rows = None if asked is None else np.isin(around.ids, list(asked))
    found = _Found(around, judgement, asked_rows, least, 0.0 if threshold is None else threshold)
    templates = list(found.templates(attracted, _poor(parts, around, attracted)))
    pairs = list(found.pairs())
    rows = {row for each in templates for row in (each.row, each.compared)} | {
        row for pair in pairs for row in pair[1:]
    }
    infos = parts.store.corrections.known([int(around.ids[row]) for row in sorted(rows) if row >= 0])
    known = {row: infos.get(int(around.ids[row])) for row in rows if row >= 0}
    suspects = [found.suspect(each, known.get(each.row), known.get(each.compared)) for each in templates]
    suspects += [found.pair(confidence, known[one], known[other], one, other) for confidence, one, other in pairs]
    return [suspect for suspect in suspects if suspect is not None]


def told_alone(around: Surroundings, judgement: Judgement, found: Sequence[Suspect]) -> Ids:
    """The rows that are probably wrong by themselves, whoever asked."""
    sure = np.maximum(judgement.wrong, judgement.stray) >= SURE
    numbers = [each.template_id for each in found if each.template_id is not None and each.confidence >= SURE]
    return np.union1d(around.hood.judged[sure], np.flatnonzero(np.isin(around.ids, numbers)))


@dataclass(frozen=True, slots=True)
class _Template:
    """A row that is suspicious, for one reason; compared: the other person's row that it is most like, −1 for none."""

    kind: Kind
    row: int
    compared: int
    confidence: float
    own: float | None


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    around: Surroundings
    judgement: Judgement
    asked: npt.NDArray[np.bool_] | None
    least: float
    alone: float  # how well the only photo of a person fits, beside others' similarity to their people

    @property
    def hood(self) -> Neighbourhood:
        return self.around.hood

    def templates(self, attracted: Ids, poor: Doubles) -> Iterator[_Template]:
        """attracted (m,): how many others each template judged is as like as to be taken for them; poor (m,): how sure
        it is that it is poor."""
        hood, judgement = self.hood, self.judgement
        own, alike = _own_similarities(hood), _foreign(hood)
        copies = self._copies(own)
        strays: set[int] = set()
        confident = np.maximum(judgement.wrong, judgement.stray) >= self.least
        for place in np.flatnonzero(confident | (poor >= self.least)).tolist():
            row = int(hood.judged[place])
            if row in copies or not self._is_asked(row):
                continue
            mean = None if np.isnan(own[place]) else float(own[place])
            wrong, stray = float(judgement.wrong[place]), float(judgement.stray[place])
            if poor[place] > max(wrong, stray):
                yield _Template("poor", row, int(alike[place]), float(poor[place]), mean)
            elif wrong >= stray:
                compared = _nearest_of(hood, row, int(judgement.other[place]))
                yield _Template("wrong-person", row, compared, wrong, mean)
            elif int(hood.people[row]) not in strays or np.sum(hood.people == hood.people[row]) > 2:
                strays.add(int(hood.people[row]))  # of two photos that are unlike, one is told
                hub = attracted[place] >= _HUB
                yield _Template("poor" if hub else "wrong-person", row, int(alike[place]) if hub else -1, stray, mean)
        yield from copies.values()

    def pairs(self) -> Iterator[tuple[float, int, int]]:
        """Confidence and the two most alike rows of two people each who share more than a photo."""
        hood, judgement = self.hood, self.judgement
        copied = {
            frozenset((int(hood.people[row]), int(hood.people[other])))
            for row, other, sure in zip(hood.judged, judgement.copied, judgement.copy, strict=True)
            if sure >= max(self.least, SURE)
        }
        for place in np.flatnonzero(judgement.one >= self.least).tolist():
            these = np.flatnonzero(hood.people == judgement.these[place])
            those = np.flatnonzero(hood.people == judgement.those[place])
            pair = frozenset((int(judgement.these[place]), int(judgement.those[place])))
            if pair in copied and min(len(these), len(those)) == 1:
                continue
            if self.asked is not None and not (self.asked[these].any() or self.asked[those].any()):
                continue
            alike = hood.templates[these] @ hood.templates[those].T
            one, other = np.unravel_index(int(alike.argmax()), alike.shape)
            yield float(judgement.one[place]), int(these[one]), int(those[other])

    def suspect(self, found: _Template, info: TemplateInfo | None, other: TemplateInfo | None) -> Suspect | None:
        """None where the template, or what it was compared with, has been taken out meanwhile."""
        if info is None or info.state != "active" or (found.compared >= 0 and other is None):
            return None
        whose = None if found.compared < 0 else self._identity(found.compared)
        return Suspect(
            found.kind,
            info.id,
            info.identity,
            None if other is None else other.identity,
            info.path,
            found.confidence,
            None if other is None else self._alike(found.row, found.compared),
            found.own,
            None if other is None else other.id,
            None if other is None else other.path,
            info.quality,
            KeptSuspect(info.id, None, whose),
        )

    def pair(
        self, confidence: float, one: TemplateInfo | None, other: TemplateInfo | None, row: int, other_row: int
    ) -> Suspect | None:
        if one is None or other is None:
            return None
        low, high = sorted((self._identity(row), self._identity(other_row)))
        return Suspect(
            "same-person",
            None,
            one.identity,
            other.identity,
            None,
            confidence,
            self._alike(row, other_row),
            other_template_id=other.id,
            other_path=other.path,
            key=KeptSuspect(None, low, high),
        )

    def _copies(self, own: Doubles) -> dict[int, _Template]:
        """By row, photos that two people have: told of the one whose it fits less, else of the later one."""
        hood, judgement = self.hood, self.judgement
        place_of = {row: place for place, row in enumerate(hood.judged.tolist())}
        found: dict[int, _Template] = {}
        for place in np.flatnonzero(judgement.copy >= max(self.least, SURE)).tolist():
            row, other = int(hood.judged[place]), int(judgement.copied[place])
            if not (self._is_asked(row) or self._is_asked(other)):
                continue
            there = place_of.get(other)
            fits = [np.nan_to_num(own[each], nan=self.alone) if each is not None else 0.0 for each in (place, there)]
            if fits[0] > fits[1] or (fits[0] == fits[1] and row < other):
                row, other, place = other, row, place if there is None else there
            mean = None if np.isnan(own[place]) else float(own[place])
            found.setdefault(row, _Template("same-photo", row, other, float(judgement.copy[place]), mean))
        return found

    def _is_asked(self, row: int) -> bool:
        return self.asked is None or bool(self.asked[row])

    def _identity(self, row: int) -> int:
        return int(self.around.identity_ids[self.hood.people[row]])

    def _alike(self, row: int, other: int) -> float:
        return float(np.clip(self.hood.templates[row] @ self.hood.templates[other], -1.0, 1.0))


def _poor(parts: Parts, around: Surroundings, attracted: Ids) -> Doubles:
    """How sure it is of each template judged, (m,), that others are like it because it is poor: by its quality."""
    places = np.flatnonzero(attracted > 0)
    ids = around.ids[around.hood.judged[places]].tolist()
    infos = parts.store.corrections.known(ids)
    quality = np.array([infos[number].quality if number in infos else 1.0 for number in ids])
    poor = np.zeros(len(attracted))
    poor[places] = np.where(quality < FAIR, 1.0 - quality, 0.0)
    return poor


def _own_similarities(hood: Neighbourhood) -> Doubles:
    """Mean similarity (m,) of each template judged to its person's others; NaN where there are none."""
    sums = np.zeros((int(hood.people.max()) + 1, hood.templates.shape[1]))
    np.add.at(sums, hood.people, hood.templates)
    count = np.bincount(hood.people)[hood.people[hood.judged]] - 1
    probes = hood.templates[hood.judged]
    total = np.vecdot(sums[hood.people[hood.judged]] - probes, probes)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _foreign(hood: Neighbourhood) -> Ids:
    """The nearest row (m,) of somebody else; −1 for none."""
    foreign = (hood.near >= 0) & (hood.people[hood.near] != hood.people[hood.judged][:, None])
    first = foreign.argmax(axis=1)
    rows = np.arange(len(first))
    return np.where(foreign[rows, first], hood.near[rows, first], -1)


def _attracted(hood: Neighbourhood, similarity: float) -> Ids:
    """How many other people have a template that is so similar to each template judged, (m,)."""
    foreign = (hood.near >= 0) & (hood.people[hood.near] != hood.people[hood.judged][:, None])
    foreign &= hood.similarities >= similarity
    found = np.zeros(len(hood.judged), np.int64)
    for place in np.flatnonzero(foreign.any(axis=1)).tolist():
        found[place] = len(np.unique(hood.people[hood.near[place][foreign[place]]]))
    return found


def _nearest_of(hood: Neighbourhood, row: int, person: int) -> int:
    """The row of a person that is most like another row."""
    theirs = np.flatnonzero(hood.people == person)
    return int(theirs[(hood.templates[theirs] @ hood.templates[row]).argmax()])
