"""People whose templates are of two: on arrays, without a gallery.

A person's own templates are joined by average linkage: the two groups with the highest mean similarity first, until
they are one. Two groups of two templates or more that are joined late are of two people, or of one who looks
different in them. A logistic function of how alike the two groups are, and each one in itself, gives the *confidence*:
the share of such findings that are right where one of fifty names that fall into two such groups stands for two people.
Its weights were fitted on people drawn around portraits, whose photos are of several occasions
(`benchmarks.two_people_weights`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facesearch.gallery.likeness import Doubles, Flags, Ids, Neighbourhood, Scale, Vectors
from facesearch.gallery.logistic import Logistic

FEWEST = 4  # templates of people who are looked at: two groups of two
_MOST = 64  # templates of a person that are joined; the rest go to the group that they are more like
_SHRINK = 3.0  # templates that a group's own spread is mixed with, as if they had the usual one
_MANY = 6  # templates from which on more of them in a group make it no more certain

TWO = Logistic((9.2578, -55.348, -11.6115, -18.5852, 20.5056, -9.3757, 8.0471, 3.9524), 2.9683)
"""Of `Parting.features`."""


@dataclass(frozen=True, slots=True, eq=False)
class Parting:
    """Two groups of the rows of one person: the smaller one, of equal ones the one that begins later, and the larger
    one, each ascending; features (8,)."""

    smaller: Ids
    larger: Ids
    features: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class TwoPeople:
    """A parting, and how sure it is that its groups are two people."""

    parting: Parting
    confidence: float


def two_people(hood: Neighbourhood, scale: Scale, kept: Flags, least: float) -> list[TwoPeople]:
    """The partings of people of `hood` in two, from a confidence on.

    kept (n,): the rows that are not told of by themselves; only people of whom a row was judged are looked at.
    """
    looked_at = np.zeros(int(hood.people.max(initial=-1)) + 1, bool)
    looked_at[hood.people[hood.judged]] = True
    rows = np.flatnonzero(kept & looked_at[hood.people])
    rows = rows[np.argsort(hood.people[rows], kind="stable")]
    found = []
    for own in np.split(rows, np.flatnonzero(np.diff(hood.people[rows])) + 1):
        partings = list(partings_of(hood.templates, own, scale)) if len(own) >= FEWEST else []
        if not partings:
            continue
        confidence = TWO(np.stack([parting.features for parting in partings]))
        found += [
            TwoPeople(parting, sure)
            for parting, sure in zip(partings, confidence.tolist(), strict=True)
            if sure >= least
        ]
    return found


def partings_of(templates: Vectors, rows: Ids, scale: Scale) -> Iterator[Parting]:
    """The partings of one person's rows (m,), ascending, of templates (n, d): the last joint first, then those within
    the larger group, as long as both have two templates; single ones are left out on the way."""
    sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST)).astype(np.int64)]
    vectors = templates[sample]
    alike = scale.standing((vectors @ vectors.T).astype(np.float64))
    joints = _joined(alike)
    node = 2 * len(sample) - 2
    while node >= len(sample):
        children = [(_leaves(joints, each, len(sample)), each) for each in joints[node - len(sample)]]
        (smaller, _), (larger, node) = sorted(children, key=lambda child: (len(child[0]), -int(child[0][0])))
        if len(smaller) >= 2:
            yield _parting(templates, rows, sample, smaller, larger, alike)


def _joined(alike: Doubles) -> list[tuple[int, int]]:
    """The joints of average linkage of (m, m) similarities, in order: of two nodes each, of which the first m are
    single templates and joint i is m + i."""
    number = len(alike)
    sums = alike.copy()
    np.fill_diagonal(sums, -np.inf)
    sizes, nodes = np.ones(number), list(range(number))
    joints = []
    for step in range(number - 1):
        means = sums / (sizes[:, None] * sizes)
        one, other = divmod(int(means.argmax()), number)
        one, other = min(one, other), max(one, other)
        joints.append((nodes[one], nodes[other]))
        nodes[one] = number + step
        sums[one] += sums[other]
        sums[:, one] += sums[:, other]
        sums[other] = sums[:, other] = -np.inf
        sums[one, one] = -np.inf
        sizes[one] += sizes[other]
    return joints


def _leaves(joints: list[tuple[int, int]], node: int, number: int) -> Ids:
    """The single templates below a node, ascending."""
    open_, found = [node], []
    while open_:
        node = open_.pop()
        if node < number:
            found.append(node)
        else:
            open_ += joints[node - number]
    return np.sort(np.array(found, np.int64))


def _parting(templates: Vectors, rows: Ids, sample: Ids, smaller: Ids, larger: Ids, alike: Doubles) -> Parting:
    between = alike[np.ix_(smaller, larger)]
    mean, best = float(between.mean()), float(between.max())
    of_smaller, of_larger = _within(alike, smaller), _within(alike, larger)
    few, many = min(len(smaller), _MANY), min(len(larger), _MANY)
    features = np.array(
        [
            mean,
            best,
            mean - min(of_smaller, of_larger),
            mean - max(of_smaller, of_larger),
            1.0 / few,
            1.0 / many,
            mean * np.log(few),
            best * np.log(few * many),
        ]
    )
    low, high = sample[smaller], sample[larger]
    if len(left := np.setdiff1d(rows, sample)):
        nearer = templates[left] @ templates[low].mean(axis=0) > templates[left] @ templates[high].mean(axis=0)
        low, high = np.union1d(low, left[nearer]), np.union1d(high, left[~nearer])
    return Parting(low, high, features)


def _within(alike: Doubles, rows: Ids) -> float:
    """Mean similarity of the templates of a group among each other, mixed with the usual one, which is 1."""
    pairs = len(rows) * (len(rows) - 1)
    among = alike[np.ix_(rows, rows)]
    known = (among.sum() - np.trace(among)) / pairs
    return float((len(rows) * known + _SHRINK) / (len(rows) + _SHRINK))
