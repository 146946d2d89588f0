"""Protocol `false-match`: every photo against all photos of other people, in total and within groups.

FMR is the share of comparisons of two people whose score reaches the encoder's threshold; within a group, both are of
it. All photos are the gallery, and each in turn is the probe, so that normalised scores have the others to compare
with. Comparisons above a cosine of 0.999 are the same photo twice and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from facesearch.encoders.background import NEAREST
from facesearch.evaluation.groups import Group
from facesearch.evaluation.results import GroupRate
from facesearch.evaluation.statistics import pairs_interval
from facesearch.gallery.scoring import DEPTH, NORMALISED, Rule

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SAME_PHOTO = 0.999  # cosine
_BLOCK = 512  # probes at once


def false_matches(
    probes: Floats,
    stored: Floats,
    identity: Ints,
    groups: Sequence[Group],
    threshold: float,
    rule: Rule,
) -> tuple[GroupRate, ...]:
    """Rates of all comparisons (label "all") and within each group in which there is one.

    probes, stored: templates (n, d) as computed and as the gallery holds them. identity: (n,) whose each is, rows of
    one person together. rule: of normalised scores, if there can be such.
    """
    n = len(probes)
    everyone = Group("all", "", np.ones(n, np.bool_))
    tallies = [(group, np.zeros((3, n))) for group in (everyone, *groups)]
    for block, compared, cosine, score in _compared(probes, stored, identity, rule):
        matches = (cosine >= threshold, score >= threshold)
        for group, tally in tallies:
            rows = np.arange(n)[block][group.members[block]]
            inside = compared[group.members[block]] & group.members
            for line, hit in enumerate((inside, *(match[group.members[block]] & inside for match in matches))):
                tally[line, rows] += hit.sum(axis=1)
                tally[line] += hit.sum(axis=0)
    return tuple(
        _rate(group, tally[:, group.members], rule.score == NORMALISED)
        for group, tally in tallies
        if group is everyone or tally[0].any()
    )


def _rate(group: Group, tally: Doubles, normalised: bool) -> GroupRate:
    """tally: (3, photos) comparisons in which each photo takes part, on either side, and how many of them match by
    cosine and by score."""
    pairs, by_cosine, by_score = tally
    every = max(float(pairs.sum()), 1.0)
    return GroupRate(
        group.label,
        group.value,
        tally.shape[1],
        int(pairs.sum()) // 4,  # each pair is compared from both sides and counted in both photos
        float(by_cosine.sum()) / every,
        float(by_score.sum()) / every if normalised else None,
        pairs_interval(by_cosine, pairs),
        pairs_interval(by_score, pairs) if normalised else None,
    )


def _compared(
    probes: Floats, stored: Floats, identity: Ints, rule: Rule
) -> Iterator[tuple[slice, Bools, Floats, Floats]]:
    """Per block of probes: which templates are compared with (b, n), and their cosines and normalised scores."""
    people, starts = np.unique(identity, return_index=True)
    person = np.searchsorted(people, identity)  # (n,)
    for start in range(0, len(probes), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(probes)))
        cosine = probes[block] @ stored.T
        compared = (person[block, None] != person) & (cosine <= SAME_PHOTO)
        score = cosine
        if rule.score == NORMALISED:
            masked = np.where(compared, cosine, -np.inf)
            best = np.maximum.reduceat(masked, starts, axis=1)  # (b, people)
            score = cosine - _taken(probes[block], best, len(stored) - 1, rule)[:, person]
        yield block, compared, cosine, score


def _taken(probes: Floats, best: Floats, others: int, rule: Rule) -> Floats:
    """What is taken off for each person as candidate (b, people) of probes (b, d), from the best similarity to each."""
    depth = min(DEPTH, best.shape[1])
    nearest = np.argsort(-best, axis=1, kind="stable")[:, :depth]
    similarity = np.take_along_axis(best, nearest, 1)
    far = rule.by_people(similarity[:, :NEAREST], others)
    taken = np.repeat(far[:, None], best.shape[1], axis=1)
    for place in range(depth):
        near = rule.by_people(np.delete(similarity, place, axis=1), others)
        np.put_along_axis(taken, nearest[:, place : place + 1], near[:, None], 1)
    return np.maximum(taken, rule.by_cohorts(probes)[:, None]).astype(np.float32)
