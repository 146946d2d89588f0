"""Rates over searches and pairs: pure functions on arrays.

Terms are those of ISO/IEC 19795-1:2021. A *rank* counts identities, not templates: 1 where the right identity is first,
0 where it is not among the candidates or the search failed (a failure to enrol is a miss).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facesearch.evaluation.results import AcceptRate, DetPoint, Histogram, RankRate, TemplateFidelity
from facesearch.evaluation.statistics import RULE_OF_THREE

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_BINS = 50  # of a histogram
_LEAST_PAIRS_PER_KIND = 1


def identification_rates(ranks: Ints, at: Sequence[int]) -> tuple[RankRate, ...]:
    """The CMC: share of mated searches with the right identity within rank r, for each r of `at`.

    ranks: (n,), 0 for a miss. Source: ISO/IEC 19795-1, true-positive identification rate at threshold 0.
    """
    found = ranks[ranks > 0]
    return tuple(RankRate(rank, float((found <= rank).sum() / max(len(ranks), 1))) for rank in at)


def fpir_floor(non_mated: int) -> float:
    """The least FPIR that so many non-mated searches can show: 3/n, the rule of three."""
    return RULE_OF_THREE / non_mated if non_mated else 1.0


def threshold_at(impostors: Floats, rate: float) -> float:
    """The lowest threshold that at most a share `rate` of the scores (n,) reaches; a score equal to it is a match.

    Just above the ⌊rate · n⌋-th score from the top that must not match. Source: ISO/IEC 19795-1, FPIR(T), FMR(T).
    """
    ordered = np.sort(np.asarray(impostors))  # ascending
    allowed = int(np.floor(rate * len(ordered) + 1e-9))
    if allowed >= len(ordered):
        return -1.0
    barred = ordered[len(ordered) - 1 - allowed]
    return float(np.nextafter(barred, np.inf, dtype=ordered.dtype))


def share_at_or_above(scores: Floats, threshold: float) -> float:
    """The share of scores (n,) that reach the threshold; 0 where there are none."""
    return float((scores >= threshold).mean()) if len(scores) else 0.0


def false_negative_rate(scores: Floats, first: Bools, threshold: float) -> float:
    """FNIR: the share of mated searches whose right identity is not first with at least the threshold.

    scores: (n,) of the first candidate, −inf where the search failed; first: (n,) whether that is the right one.
    Source: ISO/IEC 19795-1, FNIR(N, R = 1, T).
    """
    return float(1 - (first & (scores >= threshold)).mean()) if len(scores) else 0.0


def det(mated: Floats, first: Bools, non_mated: Floats, points: int = 100) -> tuple[DetPoint, ...]:
    """The DET curve, FNIR against FPIR, at thresholds where FPIR is spread evenly on a logarithmic axis.

    mated, first: as for `false_negative_rate`; non_mated: (m,) the first candidate's score.
    """
    if not len(non_mated) or not len(mated):
        return ()
    rates = np.geomspace(1 / len(non_mated), 1, points)
    curve = {}
    for rate in rates:
        threshold = threshold_at(non_mated, float(rate))
        observed = share_at_or_above(non_mated, threshold)
        curve[observed] = DetPoint(threshold, observed, false_negative_rate(mated, first, threshold))
    return tuple(curve[observed] for observed in sorted(curve))


def best_threshold(scores: Floats, mated: Bools) -> float:
    """The threshold that divides pairs (n,) best; the lowest of several, midway between two neighbouring scores."""
    order = np.argsort(scores, kind="stable")
    ordered, labels = np.asarray(scores, np.float64)[order], mated[order]
    # with the threshold before place i: pairs from i on match
    right = np.concatenate([[0], np.cumsum(~labels)]) + labels.sum() - np.concatenate([[0], np.cumsum(labels)])
    possible = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])  # not between two equal scores
    place = int(np.argmax(np.where(possible, right, -1)))
    if place == 0:
        return float(np.nextafter(ordered[0], -np.inf))
    if place == len(ordered):
        return float(np.nextafter(ordered[-1], np.inf))
    return float((ordered[place - 1] + ordered[place]) / 2)


def right_in_folds(scores: Floats, mated: Bools, folds: Ints) -> Bools:
    """Which pairs (n,) are decided rightly, each fold with the threshold that divides the others best.

    A pair of which an image failed to enrol has score NaN; it is decided wrongly and takes no part in choosing.
    Source: LFW (Huang et al. 2007), image-restricted View 2.
    """
    scores = np.asarray(scores, np.float64)
    right = np.zeros(len(scores), np.bool_)
    valid = ~np.isnan(scores)
    for fold in np.unique(folds):
        learn, test = (folds != fold) & valid, (folds == fold) & valid
        threshold = best_threshold(scores[learn], mated[learn]) if learn.any() else 0.0
        right[test] = (scores[test] >= threshold) == mated[test]
    return right


def accept_rates(scores: Floats, mated: Bools, at: Sequence[float]) -> tuple[AcceptRate, ...]:
    """TAR at FAR over pairs (n,): 1 − FNMR where FMR is at most the rate; None below what the impostors can show."""
    valid = ~np.isnan(scores)
    impostors, genuine = scores[valid & ~mated], scores[mated]
    rates = []
    for far in at:
        if far * len(impostors) < _LEAST_PAIRS_PER_KIND:
            rates.append(AcceptRate(far, None, None))
            continue
        threshold = threshold_at(impostors, far)
        rates.append(AcceptRate(far, threshold, share_at_or_above(genuine, threshold)))  # NaN reaches nothing
    return tuple(rates)


def row_cosines(a: Floats, b: Floats) -> Doubles:
    """The cosine of each row of a (n, d) with the same row of b, (n,)."""
    a64, b64 = np.asarray(a, np.float64), np.asarray(b, np.float64)
    lengths = np.linalg.norm(a64, axis=1) * np.linalg.norm(b64, axis=1)
    cosines: Doubles = np.vecdot(a64, b64) / np.maximum(lengths, 1e-12)
    return np.clip(cosines, -1.0, 1.0)


def fidelity(original: Floats, stored: Floats) -> TemplateFidelity:
    """Cosine fidelity: cosines between templates (n, d) and what stands for them: mean, first percentile, histogram."""
    cosines = row_cosines(original, stored)
    low = min(float(cosines.min()), 1.0 - 1e-6)  # the narrower they lie, the finer the bins
    edges = np.linspace(low, 1.0, _BINS + 1)
    counts, _ = np.histogram(cosines, edges)
    return TemplateFidelity(
        float(cosines.mean()),
        float(np.percentile(cosines, 1)),
        Histogram(tuple(float(edge) for edge in edges), tuple(int(count) for count in counts)),
    )
