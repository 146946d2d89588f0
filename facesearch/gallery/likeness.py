"""What says that a template is somebody else's, or that two people are one: on arrays, without a gallery.

All similarities are told in units of the gallery: 0 is what two different people have on average, 1 what two photos of
one person have. Of a template t enrolled as A, and of the other person B whose templates it is most like on average:

    excess     mean similarity to B's templates − that to A's others
    own        mean similarity to A's others − that among A's others
    alien      mean similarity to B's templates − that among B's

and of two people, the mean similarity of their templates less what the templates of each have among each other, and
less what other people have.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

OTHERS = 4  # other people whom a template is compared with: those of its nearest templates
_CROWD = 5  # other people of whom a person is nearest, whose mean a pair is compared with
_SHRINK = 3.0  # templates that a person's own spread is mixed with, as if they had the usual one
_MANY = 6  # templates from which on more of them make two people no more certain: half of what was learnt from
_STRANGER = 0.3  # similarity to the next person where nobody else was found
_NOBODY = -1


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean similarity (cosine) of templates of different people, and of one person."""

    different: float
    same: float

    def standing(self, similarity: Doubles) -> Doubles:
        """Similarities in the units above."""
        return (similarity - self.different) / max(self.same - self.different, 1e-3)


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """Templates that are judged, and what they are judged by.

    templates (n, d), people (n,): a number from 0 for each person. judged (m,): the rows whose neighbours were searched
    for; near (m, k): rows of their nearest templates, best first, −1 for none, with their similarities (m, k).
    """

    templates: Vectors
    people: Ids
    judged: Ids
    near: Ids
    similarities: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Sums of templates per person, without those that are left out: what all mean similarities are made of.

    count (p,), sums (p, d), within (p,): mean similarity of a person's templates among each other, mixed with the
    usual one, which is 1.
    """

    templates: Vectors
    people: Ids
    kept: Flags
    scale: Scale
    count: Ids = field(init=False)
    sums: Vectors = field(init=False)
    within: Doubles = field(init=False)

    def __post_init__(self) -> None:
        number = int(self.people.max(initial=-1)) + 1
        sums = np.zeros((number, self.templates.shape[1]), np.float32)
        order = np.flatnonzero(self.kept)
        order = order[np.argsort(self.people[order], kind="stable")]
        first = np.flatnonzero(np.diff(self.people[order], prepend=-1))
        if len(order):
            sums[self.people[order[first]]] = np.add.reduceat(self.templates[order], first, axis=0)
        count = np.bincount(self.people[order], minlength=number).astype(np.int64)
        object.__setattr__(self, "count", count)
        object.__setattr__(self, "sums", sums)
        object.__setattr__(self, "within", self._within(np.vecdot(sums, sums).astype(np.float64), count))

    def _within(self, squared: Doubles, count: Ids) -> Doubles:
        pairs = count * (count - 1.0)
        known = np.where(pairs > 0, self.scale.standing((squared - count) / np.maximum(pairs, 1.0)), 0.0)
        weight = np.where(pairs > 0, count, 0)
        mixed: Doubles = (weight * known + _SHRINK) / (weight + _SHRINK)
        return mixed

    def own(self, rows: Ids) -> tuple[Doubles, Ids, Doubles]:
        """Of templates: mean similarity to their people's others, how many these are, and `within` of these."""
        person, templates = self.people[rows], self.templates[rows]
        counted = self.kept[rows].astype(np.int64)
        sums = self.sums[person] - counted[:, None] * templates
        count = self.count[person] - counted
        mean = np.vecdot(sums, templates).astype(np.float64) / np.maximum(count, 1)
        return self.scale.standing(mean), count, self._within(np.vecdot(sums, sums).astype(np.float64), count)

    def to(self, rows: Ids, others: Ids) -> Doubles:
        """Mean similarity of templates to the templates of other people."""
        sums = np.vecdot(self.sums[others], self.templates[rows]).astype(np.float64)
        return self.scale.standing(sums / np.maximum(self.count[others], 1))

    def between(self, these: Ids, those: Ids) -> Doubles:
        """Mean similarity of the templates of two people each."""
        sums = np.vecdot(self.sums[these], self.sums[those]).astype(np.float64)
        return self.scale.standing(sums / np.maximum(self.count[these] * self.count[those], 1))


def nearest_others(hood: Neighbourhood, people: Ids, kept: Flags) -> Ids:
    """The `OTHERS` people (m, OTHERS) but its own whose templates are nearest to each template judged; −1 for none.

    people: as `Neighbourhood.people`, where some may be taken as one.
    """
    whose = people[hood.near]
    open_ = (hood.near >= 0) & kept[hood.near] & (whose != people[hood.judged][:, None])
    found = np.full((len(hood.judged), OTHERS), _NOBODY, np.int64)
    rows = np.arange(len(found))
    if hood.near.shape[1] == 0:
        return found
    for place in range(OTHERS):
        first = open_.argmax(axis=1)
        there = open_[rows, first]
        person = whose[rows, first]
        found[there, place] = person[there]
        open_ &= whose != person[:, None]
    return found


def template_features(hood: Neighbourhood, people: People, others: Ids) -> tuple[Doubles, Ids, Flags]:
    """Of each template judged: features (m, 6), the person (m,) but its own whom it is most like, and whether its own
    person and another one have templates to compare it with."""
    rows, count = hood.judged, len(hood.judged)
    alien = np.full((count, OTHERS), -9.0)
    for place in range(OTHERS):
        there = np.flatnonzero(others[:, place] >= 0)
        there = there[people.count[others[there, place]] > 0]
        alien[there, place] = people.to(rows[there], others[there, place])
    best = alien.argmax(axis=1)
    found = alien.max(axis=1) > -9.0
    other = np.where(found, others[np.arange(count), best], _NOBODY)
    alike = np.where(found, alien[np.arange(count), best], 0.0)
    own, own_count, own_within = people.own(rows)
    features = np.stack(
        [
            alike - own,
            own - own_within,
            alike - np.where(found, people.within[other], 1.0),
            1.0 / np.maximum(own_count, 1),
            1.0 / np.maximum(np.where(found, people.count[other], 0), 1),
            alike,
        ],
        axis=1,
    )
    return features, other, own_count > 0


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Two people each: `these` and `those` (q,), with features (q, 12)."""

    these: Ids
    those: Ids
    features: Doubles


def pair_features(hood: Neighbourhood, people: People, others: Ids) -> Pairs:
    """The pairs of people of whom one is among the nearest others of a template of the other one."""
    own = np.repeat(people.people[hood.judged], OTHERS)
    other = others.ravel()
    there = (other >= 0) & (people.count[own] > 0)
    own, other = own[there], other[there]
    there = people.count[other] > 0
    number = len(people.count)
    keys = np.unique(np.minimum(own, other)[there] * number + np.maximum(own, other)[there])
    these, those = keys // number, keys % number
    alike = people.between(these, those)
    crowd = _Crowd.of(number, these, those, alike)
    next_best = np.maximum(crowd.next_best(these, alike), crowd.next_best(those, alike))
    usual = (crowd.mean(these, alike) + crowd.mean(those, alike)) / 2
    low = np.minimum(people.within[these], people.within[those])
    high = np.maximum(people.within[these], people.within[those])
    fewer = np.minimum(people.count[these], people.count[those])
    size = np.log(np.minimum(fewer, _MANY))
    features = np.stack(
        [
            alike - low,
            alike - high,
            alike - next_best,
            alike,
            1.0 / people.count[these] + 1.0 / people.count[those],
            1.0 / fewer,
            alike - usual,
            (alike - usual) * size,
            (alike - low) * size,
            alike * size,
            size,
            (alike - next_best) * size,
        ],
        axis=1,
    )
    return Pairs(these, those, features)


@dataclass(frozen=True, slots=True, eq=False)
class _Crowd:
    """For each person the `_CROWD` best similarities to other people (p, _CROWD), best first, NaN for none."""

    best: Doubles

    @classmethod
    def of(cls, number: int, these: Ids, those: Ids, alike: Doubles) -> _Crowd:
        person, similarity = np.concatenate([these, those]), np.concatenate([alike, alike])
        order = np.lexsort((-similarity, person))
        person, similarity = person[order], similarity[order]
        first = np.flatnonzero(np.diff(person, prepend=-1))
        place = np.arange(len(person)) - np.repeat(first, np.diff(np.append(first, len(person))))
        best = np.full((number, _CROWD), np.nan)
        best[person[place < _CROWD], place[place < _CROWD]] = similarity[place < _CROWD]
        return cls(best)

    def next_best(self, people: Ids, alike: Doubles) -> Doubles:
        """The best similarity of each of people (q,) to others than the one whom it has `alike` to."""
        best = np.nan_to_num(self.best[people, :2], nan=-1.0)
        return np.where(alike >= best[:, 0] - 1e-9, best[:, 1], best[:, 0])

    def mean(self, people: Ids, alike: Doubles) -> Doubles:
        """The mean of the best similarities to others than that one."""
        best = self.best[people]
        known = ~np.isnan(best)
        inside = alike >= np.where(known, best, np.inf).min(axis=1) - 1e-9
        total = np.where(known, best, 0.0).sum(axis=1) - np.where(inside, alike, 0.0)
        count = known.sum(axis=1) - inside
        return np.where(count > 0, total / np.maximum(count, 1), _STRANGER)
