from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from facesearch.evaluation import metrics

SCORES = arrays.arrays(np.float32, st.integers(2, 40), elements=st.floats(-1, 1, width=32))


def test_identification_rates_of_a_worked_case() -> None:
    ranks = np.array([1, 1, 3, 0, 6])  # 0: a miss, a failure to enrol among them
    rates = metrics.identification_rates(ranks, (1, 5, 10))
    assert [(point.rank, point.rate) for point in rates] == [(1, 0.4), (5, 0.6), (10, 0.8)]


def test_the_rule_of_three_is_the_rate_that_no_event_in_n_trials_leaves_possible() -> None:
    floor = metrics.fpir_floor(300)
    assert floor == 0.01
    assert (1 - floor) ** 300 == pytest.approx(0.05, abs=0.002)  # P(no event | rate = floor)
    assert metrics.fpir_floor(0) == 1.0


@given(SCORES, st.floats(0, 1))
def test_a_threshold_is_the_lowest_that_keeps_the_rate(scores: np.ndarray, rate: float) -> None:
    threshold = metrics.threshold_at(scores, rate)
    assert metrics.share_at_or_above(scores, threshold) <= rate + 1e-9
    for lower in np.unique(scores[scores < threshold]):
        assert metrics.share_at_or_above(scores, float(lower)) > rate


def test_false_negatives_are_misses_wrong_names_and_scores_below_the_threshold() -> None:
    scores = np.array([0.9, 0.8, 0.3, -np.inf], np.float32)
    first = np.array([True, False, True, False])
    assert metrics.false_negative_rate(scores, first, 0.5) == 0.75
    assert metrics.false_negative_rate(scores, first, 0.2) == 0.5


def test_det_agrees_with_scikit_learn_where_every_first_candidate_is_right() -> None:
    from sklearn.metrics import det_curve

    rng = np.random.default_rng(0)
    mated, foreign = rng.normal(0.7, 0.1, 400).astype(np.float32), rng.normal(0.4, 0.1, 300).astype(np.float32)
    curve = metrics.det(mated, np.ones(400, np.bool_), foreign)
    fpr, fnr, _ = det_curve(np.r_[np.ones(400), np.zeros(300)], np.r_[mated, foreign], drop_intermediate=False)
    assert len(curve) > 30
    assert [point.fpir for point in curve] == sorted(point.fpir for point in curve)
    # scikit-learn lists every threshold between its ends: the same FPIR is there, with no lower FNIR
    shared = [point for point in curve if fpr.min() <= point.fpir <= fpr.max()]
    assert len(shared) > 20
    for point in shared:
        assert point.fnir == pytest.approx(fnr[np.isclose(fpr, point.fpir)].min(), abs=1e-9)


def test_tar_at_far_agrees_with_scikit_learns_roc() -> None:
    from sklearn.metrics import roc_curve

    rng = np.random.default_rng(1)
    mated = np.r_[np.ones(500, np.bool_), np.zeros(1000, np.bool_)]
    scores = np.r_[rng.normal(0.6, 0.1, 500), rng.normal(0.3, 0.1, 1000)]
    fpr, tpr, _ = roc_curve(mated, scores, drop_intermediate=False)
    for rate in metrics.accept_rates(scores, mated, (0.1, 0.01, 0.001)):
        assert rate.tar == pytest.approx(tpr[fpr <= rate.far + 1e-12].max())


def test_no_rate_is_claimed_that_so_few_impostors_cannot_show_and_failures_are_never_accepted() -> None:
    mated = np.array([True] * 4 + [False] * 100)
    scores = np.r_[[0.9, 0.8, np.nan, 0.7], np.linspace(0, 0.5, 100)]
    at_hundredth, at_thousandth = metrics.accept_rates(scores, mated, (0.01, 0.001))
    assert at_hundredth.tar == 0.75
    assert (at_thousandth.tar, at_thousandth.threshold) == (None, None)


@given(SCORES, st.randoms())
def test_the_best_threshold_divides_as_well_as_any_other(scores: np.ndarray, random: object) -> None:
    scores = scores.astype(np.float64)  # a threshold midway between two float32 need not be one
    mated = np.array([random.random() < 0.5 for _ in scores])  # type: ignore[attr-defined]
    right = ((scores >= metrics.best_threshold(scores, mated)) == mated).sum()
    candidates = [-2.0, *np.unique(scores).astype(float), 2.0]
    assert right == max(((scores >= threshold) == mated).sum() for threshold in candidates)


def test_folds_are_judged_by_the_threshold_of_the_others() -> None:
    scores = np.array([0.9, 0.1, 0.9, 0.1, 0.5, 0.6])
    mated = np.array([True, False, True, False, True, False])
    folds = np.array([0, 0, 1, 1, 2, 2])
    # fold 2 alone would set the threshold at 0.5; the others set 0.5 midway between 0.1 and 0.9
    np.testing.assert_array_equal(metrics.right_in_folds(scores, mated, folds), [True, True, True, True, True, False])
    scores[0] = np.nan  # a failure to enrol
    assert not metrics.right_in_folds(scores, mated, folds)[0]


def test_cosines_and_fidelity_agree_with_scipy() -> None:
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(500, 16)), rng.normal(size=(500, 16))
    expected = 1 - np.diag(cdist(a, b, "cosine"))
    np.testing.assert_allclose(metrics.row_cosines(a, b), expected, atol=1e-12)
    found = metrics.fidelity(a, b)
    assert found.mean == pytest.approx(expected.mean())
    assert found.p1 == pytest.approx(np.percentile(expected, 1))
    assert sum(found.histogram.counts) == 500
    assert len(found.histogram.edges) == len(found.histogram.counts) + 1


def test_the_fidelity_of_what_is_unchanged_is_one() -> None:
    a = np.random.default_rng(3).normal(size=(9, 8)).astype(np.float32)
    found = metrics.fidelity(a, 2 * a)
    assert found.mean == pytest.approx(1.0)
    assert found.histogram.counts[-1] == 9
