"""How sure a figure is: bootstrap over identities, paired differences, McNemar's test. Seeds are fixed.

Photos of one person are no independent trials. Resampling draws people, with all their searches (the subject-specific
bootstrap: Bolle, Ratha, Pankanti 2004; ISO/IEC 19795-1 names it).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb

import numpy as np
import numpy.typing as npt

from facesearch.evaluation.results import Interval, Paired

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

RESAMPLES = 2000
SEED = 0
LEVEL = 0.95
RULE_OF_THREE = 3  # none in n trials: the rate is below 3/n with 95 % confidence (Jovanovic, Levy 1997)


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """How often each person is drawn in each resample: weights (resamples, people) float32."""

    weights: npt.NDArray[np.float32]

    @staticmethod
    def draw(people: int, resamples: int = RESAMPLES, seed: int = SEED) -> Resamples:
        """As many people as there are, with replacement; the same for the same arguments."""
        return _drawn(people, resamples, seed)

    def means(self, values: Floats, owners: Ints) -> Doubles:
        """The mean of values (n,) in every resample, (resamples,); owners: (n,) whose search each is, 0..people − 1."""
        people = self.weights.shape[1]
        sums = np.bincount(owners, np.asarray(values, np.float64), minlength=people)
        counts = np.bincount(owners, minlength=people)
        totals = self.weights @ np.stack([sums, counts], axis=1)  # (resamples, 2)
        means: Doubles = totals[:, 0] / np.maximum(totals[:, 1], 1)
        return means


@lru_cache(maxsize=4)
def _drawn(people: int, resamples: int, seed: int) -> Resamples:
    if people == 0:
        return Resamples(np.zeros((resamples, 0), np.float32))
    drawn = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), size=resamples)
    weights = drawn.astype(np.float32)
    weights.setflags(write=False)
    return Resamples(weights)


def interval(figures: Doubles) -> Interval:
    """The middle 95 % of the figures of all resamples (percentile bootstrap, Efron 1979)."""
    low, high = np.percentile(figures, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def share_interval(figures: Doubles, people: int) -> Interval:
    """`interval` of a share; where no resample differs from 0 or 1, the exact bound for so many people instead.

    All right or all wrong, every resample is too, and the percentiles would claim certainty (Clopper, Pearson 1934).
    """
    low, high = interval(figures)
    unseen = 1 - ((1 - LEVEL) / 2) ** (1 / max(people, 1))
    if high <= 0.0:
        return 0.0, unseen
    return (1 - unseen, 1.0) if low >= 1.0 else (low, high)


def pairs_interval(hits: Doubles, pairs: Doubles) -> Interval:
    """95 % interval of the share of pairs that are hits; hits, pairs: (n,) those in which each photo takes part.

    Pairs that share a photo are not independent: the jackknife leaves out a photo with all its pairs (Tukey 1958;
    normal approximation). Without a hit it would claim certainty; then the rule of three, over photos.
    """
    n, every, hit = len(pairs), float(pairs.sum()), float(hits.sum())
    if hit == 0 or every == 0:
        return 0.0, min(1.0, RULE_OF_THREE / max(n, 1))
    # a pair counts in both its photos: leaving one out takes its pairs twice
    left = every - 2 * pairs
    if (left > 0).sum() < 2:
        return 0.0, 1.0
    without = (hit - 2 * hits)[left > 0] / left[left > 0]
    spread = 1.96 * float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
    return max(0.0, hit / every - spread), min(1.0, hit / every + spread)


def mcnemar(lost: int, gained: int) -> float:
    """The two-sided exact p-value of McNemar's test: the sign test on the searches that differ (McNemar 1947)."""
    differ, fewer = lost + gained, min(lost, gained)
    if differ == 0:
        return 1.0
    tail: int = sum(comb(differ, count) for count in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**differ))  # whole numbers: no overflow


def paired(baseline: str, before: Bools, after: Bools, owners: Ints, resamples: Resamples) -> Paired:
    """How `after` (n,) differs from `before` on the same searches; owners: (n,) whose search each is."""
    difference = after.astype(np.float64) - before.astype(np.float64)
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    return Paired(
        baseline=baseline,
        delta=float(difference.mean()) if len(difference) else 0.0,
        delta_ci=interval(resamples.means(difference, owners)),
        lost=lost,
        gained=gained,
        p_value=mcnemar(lost, gained),
    )


def fnir_intervals(
    mated: Floats,
    mated_owners: Ints,
    non_mated: Floats,
    non_mated_owners: Ints,
    rates: list[float],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> list[Interval]:
    """95 % intervals of FNIR at each FPIR: both kinds of people drawn anew, the threshold set anew in every resample.

    mated: (n,) score of the right identity where it is first, −inf where it is not. Owners number people from 0.
    """
    own = Resamples.draw(int(mated_owners.max(initial=-1)) + 1, resamples, seed)
    foreign = Resamples.draw(int(non_mated_owners.max(initial=-1)) + 1, resamples, seed + 1)
    order = np.argsort(non_mated)[::-1]  # best first
    counts = np.cumsum(foreign.weights[:, non_mated_owners[order]], axis=1)  # (resamples, m)
    totals = counts[:, -1:]
    ordered = np.asarray(non_mated)[order]
    up = np.argsort(mated)
    below = np.cumsum(own.weights[:, mated_owners[up]], axis=1)  # (resamples, n)
    ascending = np.asarray(mated)[up]
    every = below[:, -1]
    found = []
    for rate in rates:
        barred = (counts <= rate * totals + 1e-9).sum(axis=1)  # how many places from the top may match
        # the first score that must not match; where all may, everything matches
        limit = np.where(barred < len(ordered), ordered[np.minimum(barred, len(ordered) - 1)], -np.inf)
        missed = np.searchsorted(ascending, limit, side="right")  # scores up to and with it are missed
        misses = np.where(missed > 0, below[np.arange(len(below)), np.maximum(missed, 1) - 1], 0.0)
        found.append(share_interval(np.asarray(misses / np.maximum(every, 1), np.float64), own.weights.shape[1]))
    return found
