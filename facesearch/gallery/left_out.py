"""Who is left out of an answer: people who are to be ignored, and people whose negatives a face is too much like.

A negative is a face of which was said: this is not Ada. Ada is no candidate for a probe that is as much like one of her
negatives as like her, or more. The others keep their scores, so that a face which matched nobody matches nobody then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.gallery.answers import Candidate
from facesearch.gallery.groups import Group
from facesearch.gallery.nearest import Nearest
from facesearch.store import GalleryState, Negative, PeopleMoment, PeopleState

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """The negatives of a gallery at one moment, by people's names: who it is, and their negatives (n, d)."""

    people: dict[str, tuple[int, Vectors]]

    def of(self, probe: Vectors, candidates: Sequence[Candidate]) -> list[int]:
        """Those of the candidates for a probe (d,), by identity id, that one of their negatives speaks against."""
        found = []
        for candidate in candidates:
            known = self.people.get(candidate.identity)
            if known is not None and float((known[1] @ probe).max()) >= candidate.similarity:
                found.append(known[0])
        return found


_NOBODY = Refused({})


class Negatives:
    """The negatives of one gallery, read and decoded once for all searches until it changes. Safe between threads."""

    def __init__(self, codecs: GalleryCodecs) -> None:
        self._codecs = codecs
        self._known: tuple[PeopleState, Refused] | None = None

    def at(self, moment: PeopleMoment, state: GalleryState) -> Refused:
        """Those of a moment; no statement where there are none."""
        if state.last_negative is None:
            return _NOBODY
        now, known = state.of_people, self._known
        if known is None or known[0] != now:
            known = self._known = (now, self._read(moment.negatives(), state.settings.dimension))
        return known[1]

    def _read(self, found: Sequence[Negative], dimension: int) -> Refused:
        if not found:
            return _NOBODY
        vectors = self._codecs.decode([each.code for each in found], [each.codec for each in found], dimension)
        rows: dict[str, list[int]] = {}
        for row, each in enumerate(found):
            rows.setdefault(each.identity, []).append(row)
        return Refused({name: (found[theirs[0]].identity_id, vectors[theirs]) for name, theirs in rows.items()})


def without(
    people: list[list[Candidate]],
    probes: Vectors,
    k: int,
    moment: PeopleMoment,
    *,
    ignored: Group | None,
    refused: Refused,
    nearest: Nearest,
) -> tuple[list[list[Candidate]], list[Candidate | None]]:
    """The people found for probes (m, d), the first k of which count, but those who are left out; and who of those to
    be ignored each probe is most like of all. nearest: who found them."""
    hidden: list[Candidate | None] = [None] * len(people)
    hiding = ignored is not None and ignored.templates.size > 0
    if not hiding and not refused.people:
        return people, hidden
    kept = list(people)
    for row, probe in enumerate(probes):
        gone: Group | None = None
        to_hide = ignored if hiding else None
        while True:
            if ids := refused.of(probe, kept[row][:k]):
                gone = _joined(gone, Group(np.array(sorted(ids), np.int64), moment.template_ids(ids)))
            elif to_hide is not None and (theirs := _are_of(kept[row], to_hide)).any():
                hidden[row] = kept[row][0] if theirs[0] else None
                gone, to_hide = _joined(gone, to_hide), None
            else:
                break
            (kept[row],) = nearest(probes[row : row + 1], left_out=gone)
    return kept, hidden


def _are_of(candidates: Sequence[Candidate], group: Group) -> npt.NDArray[np.bool_]:
    return np.isin([each.template_id for each in candidates], group.templates)


def _joined(one: Group | None, other: Group) -> Group:
    if one is None:
        return other
    return Group(np.union1d(one.identities, other.identities), np.union1d(one.templates, other.templates))
