"""New templates that are probably not of the person they were enrolled as, and people who probably are one.

A template is taken for somebody else's where it would be answered with that name if its own person were not enrolled,
and is less like its own person's other templates than like that one's. A person is taken for another one where more
than half of the templates would be answered with that one's name, and the two are as alike as the templates of each are
among themselves. Nothing is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from facesearch.gallery.answers import Candidate, Document
from facesearch.gallery.parts import Parts
from facesearch.gallery.scoring import DEPTH
from facesearch.gallery.view import View
from facesearch.store import GalleryState, Moment, Owner

Vectors = npt.NDArray[np.float32]

_BATCH = 256  # templates searched for at once
_CLEARLY = 0.05  # so much more like somebody else than like its own person's others
_AS_ONE = 0.12  # so much less alike than the templates of each are among themselves two people may be one
_ALONE = 0.15  # so far above the threshold two people with one template each have to be to be taken for one
_FEW = 3  # other people: with fewer there is nothing to normalise scores with


@dataclass(frozen=True, slots=True)
class Suspect:
    """A template, or with `template_id` None a person, that looks like `other`.

    similarity: to the other person's most alike template. own: mean similarity to its own person's other templates;
    None where there are none.
    """

    kind: Literal["wrong-person", "same-person"]
    template_id: int | None
    identity: str
    other: str
    path: str | None
    similarity: float
    own: float | None

    def __str__(self) -> str:
        if self.kind == "same-person":
            return f"{self.identity} is probably {self.other}, who is enrolled too (similarity {self.similarity:.2f})"
        own = "" if self.own is None else f", less like {self.identity} ({self.own:.2f})"
        photo = f"{self.path} (template {self.template_id}) of {self.identity}"
        return f"{photo} looks like {self.other} (similarity {self.similarity:.2f}){own}"

    def document(self) -> Document:
        return {
            "kind": self.kind,
            "template_id": self.template_id,
            "identity": self.identity,
            "other": self.other,
            "path": self.path,
            "similarity": round(self.similarity, 4),
            "own_similarity": None if self.own is None else round(self.own, 4),
        }


def suspects(parts: Parts, templates: Mapping[int, str]) -> list[Suspect]:
    """What is suspicious of templates, id -> path of the photo: first those that are least like their own people."""
    ids, found = sorted(templates), list[_Likeness]()
    sizes = Counter[int]()
    for start in range(0, len(ids), _BATCH):
        found += _likenesses(parts, ids[start : start + _BATCH], sizes)
    found.sort(key=lambda item: -item.excess)
    alike = Counter(item.pair for item in found if item.as_one)
    one = {frozenset(pair) for pair, count in alike.items() if 2 * count > sizes[pair[0]]}
    wrong = [item for item in found if item.wrong and frozenset(item.pair) not in one]
    result = [item.suspect("wrong-person", templates[item.template_id]) for item in wrong]
    for item in found:
        if item.as_one and frozenset(item.pair) in one:
            one.remove(frozenset(item.pair))  # it is told once
            result.append(item.suspect("same-person", None))
    return result


@dataclass(frozen=True, slots=True)
class _Likeness:
    """One template and the person but its own whom it is most like.

    own: mean similarity to its person's other templates, alien: to the other person's, without the most alike one.
    """

    template_id: int
    owner: Owner
    other: Owner
    similarity: float
    own: float | None
    alien: float
    as_its_own: bool  # its person's other templates are as much like it as all are among each other
    as_other: bool  # it is as much like the other person's templates as these are among each other
    as_own: bool  # and as its own person's are
    established: bool  # the other person has several templates
    alone: bool  # neither person has

    @classmethod
    def of(cls, number: int, owner: Owner, own: _Person, nearest: Candidate, other: Owner, rest: _Person) -> _Likeness:
        """Of the template `number` of one person and another person's nearest template."""
        probe = own.templates[own.ids == number][0]
        of_own = own.templates[own.ids != number] @ probe
        of_rest = rest.templates[rest.ids != nearest.template_id] @ probe
        alien = float(of_rest.mean()) if len(of_rest) else nearest.similarity
        mean = float(of_own.mean()) if len(of_own) else None
        return cls(
            template_id=number,
            owner=owner,
            other=other,
            similarity=nearest.similarity,
            own=mean,
            alien=alien,
            as_its_own=mean is not None and mean >= own.within - _AS_ONE,
            as_other=alien >= rest.within - _AS_ONE,
            as_own=alien >= own.within - _AS_ONE,
            established=len(rest.ids) > 1,
            alone=len(own.ids) == len(rest.ids) == 1,
        )

    @property
    def wrong(self) -> bool:
        """Whether it is more like the other person than like its own.

        Of somebody with one template it may be the very photo; then it also has to be unlike its own person's others.
        """
        return self.own is not None and self.excess > _CLEARLY and (self.established or not self.as_its_own)

    @property
    def as_one(self) -> bool:
        """Whether the two people may be one, as far as it shows."""
        return self.as_other and self.as_own

    @property
    def pair(self) -> tuple[int, int]:
        return self.owner.identity_id, self.other.identity_id

    @property
    def excess(self) -> float:
        """By how much it is more like the other person than like its own."""
        return self.alien - (self.own or 0.0)

    def suspect(self, kind: Literal["wrong-person", "same-person"], path: str | None) -> Suspect:
        number = self.template_id if kind == "wrong-person" else None
        return Suspect(kind, number, self.owner.identity, self.other.identity, path, self.similarity, self.own)


@dataclass(frozen=True, slots=True, eq=False)
class _Person:
    """The ids (n,) and templates (n, d) of one person."""

    ids: npt.NDArray[np.int64]
    templates: Vectors

    @property
    def within(self) -> float:
        """The mean similarity of the templates among each other; −1 for a single one."""
        if len(self.ids) < 2:
            return -1.0
        total = self.templates.sum(axis=0, dtype=np.float64)
        return float((total @ total - len(self.ids)) / (len(self.ids) * (len(self.ids) - 1)))


def _likenesses(parts: Parts, template_ids: Sequence[int], sizes: Counter[int]) -> list[_Likeness]:
    """The templates that are like somebody else, in one moment; counts the templates of their people in `sizes`."""
    while True:
        with parts.store.moment() as moment:
            state = moment.state()
            view = None if state is None else parts.index.at(moment, state)
            if state is not None and view is not None:
                return list(_in_moment(parts, moment, state, view, template_ids, sizes))
        if state is None:
            return []
        parts.index.open()


def _in_moment(
    parts: Parts, moment: Moment, state: GalleryState, view: View, template_ids: Sequence[int], sizes: Counter[int]
) -> Iterator[_Likeness]:
    owners = moment.owners(template_ids)
    people = _people(parts, moment, state, {owner.identity_id for owner in owners.values()})
    asked = [number for number, owner in owners.items() if owner.identity_id in people]
    if not asked:
        return
    probes = np.stack([_template(people[owners[number].identity_id], number) for number in asked])
    nearest = parts.ranking.nearest(moment, view, probes, 1, DEPTH)
    others = [
        [candidate for candidate in candidates if candidate.identity != owners[number].identity]
        for number, candidates in zip(asked, nearest, strict=True)
    ]
    firsts = moment.owners([candidates[0].template_id for candidates in others if candidates])
    people |= _people(parts, moment, state, {owner.identity_id for owner in firsts.values()} - set(people))
    rule, limit = parts.rule(state.settings, state.cohort), parts.threshold(state.settings)
    for number, probe, candidates in zip(asked, probes, others, strict=True):
        owner = owners[number]
        own = people[owner.identity_id]
        sizes[owner.identity_id] = len(own.ids)
        other = firsts.get(candidates[0].template_id) if candidates else None
        if other is None or other.identity_id not in people:
            continue
        found = _Likeness.of(number, owner, own, candidates[0], other, people[other.identity_id])
        score = rule.scored([candidates], len(view) - len(own.ids) - 1, probe[None])[0][0].score
        if len(candidates) < _FEW and people[other.identity_id].within > -1:
            score = found.similarity if found.as_other else -1.0
        if score >= limit + _ALONE * found.alone and (found.wrong or found.as_one):
            yield found


def _people(parts: Parts, moment: Moment, state: GalleryState, identity_ids: set[int]) -> dict[int, _Person]:
    """Those with these ids, without who has been taken out meanwhile."""
    stored = parts.store.templates.codes(moment.template_ids(sorted(identity_ids)).tolist())
    vectors = parts.codecs.decode(stored.codes, stored.codecs, state.settings.dimension)
    owners = moment.owners(stored.ids.tolist())
    whose = np.array([owners[number].identity_id for number in stored.ids.tolist()], np.int64)
    return {
        identity_id: _Person(stored.ids[whose == identity_id], vectors[whose == identity_id])
        for identity_id in np.unique(whose).tolist()
    }


def _template(person: _Person, number: int) -> Vectors:
    chosen: Vectors = person.templates[person.ids == number][0]
    return chosen
