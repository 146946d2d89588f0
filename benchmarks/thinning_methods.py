"""Ways to choose which templates of a person stay: those that `benchmarks.thinning` compares with `gallery thin`'s.

Each takes templates (n, d) of unit length in the order of enrolment, their qualities (n,), how many are to stay, and
returns the templates that stay, (m, d).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from facesearch.gallery.representatives import representatives

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Method = Callable[[Floats, Floats, int], Floats]

_ROUNDS = 20


def at_random(templates: Floats, qualities: Floats, keep: int) -> Floats:
    """Any."""
    rows = np.random.default_rng(len(templates)).permutation(len(templates))[:keep]
    return templates[rows]


def first(templates: Floats, qualities: Floats, keep: int) -> Floats:
    """Those enrolled first."""
    return templates[:keep]


def best(templates: Floats, qualities: Floats, keep: int) -> Floats:
    """Those of the best quality."""
    return templates[np.argsort(-qualities, kind="stable")[:keep]]


def most_central(templates: Floats, qualities: Floats, keep: int) -> Floats:
    """Those most like all others."""
    return templates[np.argsort(-(templates @ templates.sum(axis=0)), kind="stable")[:keep]]


def farthest_points(templates: Floats, qualities: Floats, keep: int) -> Floats:
    """The most central one, then each time the one least like those chosen (Gonzalez 1985)."""
    chosen = [int((templates @ templates.sum(axis=0)).argmax())]
    nearest = templates @ templates[chosen[0]]
    while len(chosen) < min(keep, len(templates)):
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, templates @ templates[chosen[-1]])
    return templates[chosen]


def medoids(templates: Floats, qualities: Floats, keep: int) -> Floats:
    """k-medoids (Park, Jun 2009), begun with farthest points."""
    alike = templates @ templates.T
    chosen = [int(alike.sum(axis=1).argmax())]
    while len(chosen) < min(keep, len(templates)):
        chosen.append(int(alike[chosen].max(axis=0).argmin()))
    for _ in range(_ROUNDS):
        group = alike[chosen].argmax(axis=0)
        before, chosen = chosen, []
        for number in range(len(before)):
            members = np.flatnonzero(group == number)
            chosen.append(int(members[alike[np.ix_(members, members)].sum(axis=1).argmax()]))
        if chosen == before:
            break
    return templates[chosen]


def covering(templates: Floats, qualities: Floats, keep: int) -> Floats:
    """Facility location, greedy (Nemhauser, Wolsey, Fisher 1978): the sum of the similarities of all templates to the
    most alike one that stays is as large as can be."""
    alike = np.maximum(templates @ templates.T, 0.0)
    covered = np.zeros(len(templates), np.float32)
    chosen: list[int] = []
    while len(chosen) < min(keep, len(templates)):
        gain = np.maximum(alike - covered, 0.0).sum(axis=1)
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
        covered = np.maximum(covered, alike[chosen[-1]])
    return templates[chosen]


def mean(templates: Floats, qualities: Floats, keep: int) -> Floats:
    """The mean of all, alone."""
    total = templates.sum(axis=0, keepdims=True)
    return np.asarray(total / np.linalg.norm(total), np.float32)


def with_mean(method: Method) -> Method:
    """The mean of all, and one less by another method."""

    def choose(templates: Floats, qualities: Floats, keep: int) -> Floats:
        fused = mean(templates, qualities, 1)
        return fused if keep == 1 else np.concatenate([fused, method(templates, qualities, keep - 1)])

    return choose


def representing(templates: Floats, qualities: Floats, keep: int) -> Floats:
    """As `gallery thin` does."""
    return templates[representatives(templates, qualities, keep)]


METHODS: Mapping[str, Method] = {
    "random": at_random,
    "first": first,
    "best quality": best,
    "most central": most_central,
    "farthest points": farthest_points,
    "k-medoids": medoids,
    "covering": covering,
    "gallery thin": representing,
    "mean": mean,
    "mean and gallery thin": with_mean(representing),
}
