"""How sure it is that a template is somebody else's, or that two people are one: on arrays, without a gallery.

A logistic function of what `facesearch.gallery.likeness` measures gives the *confidence*: the share of such suspects
that are right, where one label of fifty is wrong. Its weights were fitted on drawn people, those for two people who are
one on people drawn around portraits (`benchmarks.suspect_weights`). What was found is left out, people found to be one
are taken as one, and the rest is judged again: one wrong photo hides another one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facesearch.gallery.likeness import (
    Doubles,
    Ids,
    Neighbourhood,
    People,
    Scale,
    nearest_others,
    pair_features,
    template_features,
)
from facesearch.gallery.logistic import Logistic

SURE = 0.5  # what is as sure as that is left out, or taken as one, when the rest is judged
_ROUNDS = 3

WRONG = Logistic((6.4505, -11.5055, 11.8681, -12.4642, -4.4843, 4.6007), -3.3449)
STRAY = Logistic((10.0474, -6.3475, -3.262, -3.9938, 0.1707, -6.5489), -5.4472)
ONE = Logistic(
    (6.7834, 16.3174, -3.9483, -26.6833, 1.6041, -14.784, 43.8548, -28.4392, 24.9614, 17.7062, -10.3331, 0.0612),
    26.1805,
)
COPY = Logistic((-35.0,), 7.0)
"""Of `template_features` (two), of `pair_features`, and of (1 − similarity) / (1 − usual similarity of one person)."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What was found, each with its confidence: arrays in the order of `Neighbourhood.judged`, or of pairs.

    wrong (m,): that a template is `other`'s (m,), a person. stray (m,): that it is not its person's, and nobody's who
    is there. copy (m,): that the photo is that of the row `copied` (m,), of another person; −1: none. these, those,
    one (q,): that two people are one.
    """

    wrong: Doubles
    other: Ids
    stray: Doubles
    copy: Doubles
    copied: Ids
    these: Ids
    those: Ids
    one: Doubles


def judged(hood: Neighbourhood, scale: Scale) -> Judgement:
    """Judge the templates of a neighbourhood and their people."""
    every = np.ones(len(hood.people), bool)
    copy, copied = _copies(hood, scale)
    kept = every.copy()
    for _ in range(_ROUNDS):
        pairs = pair_features(
            hood, People(hood.templates, hood.people, kept, scale), nearest_others(hood, hood.people, kept)
        )
        one = ONE(pairs.features)
        as_one = _merged(hood.people, pairs.these, pairs.those, one)
        people = People(hood.templates, as_one, kept, scale)
        features, other, comparable = template_features(hood, people, nearest_others(hood, as_one, kept))
        wrong = np.where(comparable & (other >= 0), WRONG(features), 0.0)
        stray = np.where(comparable, STRAY(features), 0.0)
        out = every.copy()
        out[hood.judged[np.maximum(wrong, stray) >= SURE]] = False
        if np.array_equal(out, kept):
            break
        kept = out
    return Judgement(wrong, other, stray, copy, copied, pairs.these, pairs.those, one)


def _copies(hood: Neighbourhood, scale: Scale) -> tuple[Doubles, Ids]:
    """How sure it is that each template's photo is also somebody else's, and the row of that one."""
    whose = hood.people[hood.near]
    foreign = (hood.near >= 0) & (whose != hood.people[hood.judged][:, None])
    alike = np.where(foreign, hood.similarities, -1.0)
    first = alike.argmax(axis=1)
    rows = np.arange(len(first))
    distance = (1.0 - alike[rows, first]) / max(1.0 - scale.same, 1e-3)
    found = foreign[rows, first]
    return np.where(found, COPY(distance[:, None]), 0.0), np.where(found, hood.near[rows, first], -1)


def _merged(people: Ids, these: Ids, those: Ids, one: Doubles) -> Ids:
    """The people where those who are one have one number: the most certain pairs first."""
    leader = np.arange(int(people.max(initial=-1)) + 1)
    for place in np.argsort(-one):
        if one[place] < SURE:
            break
        a, b = leader[these[place]], leader[those[place]]
        leader[leader == max(a, b)] = min(a, b)
    merged: Ids = leader[people]
    return merged
