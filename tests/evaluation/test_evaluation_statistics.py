from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from facesearch.evaluation import metrics, statistics
from facesearch.evaluation.statistics import Resamples


def test_means_of_resamples_are_those_of_drawing_people_one_by_one() -> None:
    rng = np.random.default_rng(0)
    values, owners = rng.random(40), np.sort(rng.integers(0, 8, 40))
    resamples = Resamples.draw(8, resamples=50, seed=3)
    means = resamples.means(values, owners)
    for weights, mean in zip(resamples.weights, means, strict=True):
        drawn = np.concatenate([np.tile(values[owners == person], int(count)) for person, count in enumerate(weights)])
        assert mean == pytest.approx(drawn.mean())
        assert weights.sum() == 8


def test_intervals_are_as_wide_as_those_of_independent_trials_where_everybody_has_one() -> None:
    hits = (np.arange(400) < 300).astype(np.float64)
    low, high = statistics.interval(Resamples.draw(400).means(hits, np.arange(400)))
    exact = binomtest(300, 400).proportion_ci(0.95)
    np.testing.assert_allclose([low, high], [exact.low, exact.high], atol=0.01)


def test_intervals_are_wider_where_a_persons_searches_go_wrong_together() -> None:
    people = np.repeat(np.arange(40), 10)
    together = (people < 30).astype(np.float64)
    apart = (np.arange(400) % 4 != 0).astype(np.float64)
    spans = [np.diff(statistics.interval(Resamples.draw(40).means(values, people))) for values in (together, apart)]
    assert spans[0] > 3 * spans[1]


@pytest.mark.parametrize("hits", [0, 50])
def test_intervals_never_claim_certainty_where_all_is_right_or_all_wrong(hits: int) -> None:
    values = (np.arange(50) < hits).astype(np.float64)
    found = statistics.share_interval(Resamples.draw(50).means(values, np.arange(50)), 50)
    exact = binomtest(hits, 50).proportion_ci(0.95)
    np.testing.assert_allclose(found, [exact.low, exact.high])


def test_the_same_resamples_come_again() -> None:
    np.testing.assert_array_equal(Resamples.draw(20).weights, Resamples.draw(20).weights)


@pytest.mark.parametrize("lost, gained", [(0, 0), (3, 0), (10, 4), (4, 10), (700, 650), (0, 2000)])
def test_mcnemar_agrees_with_scipys_sign_test(lost: int, gained: int) -> None:
    expected = binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert statistics.mcnemar(lost, gained) == pytest.approx(expected)


def test_a_paired_difference_counts_what_only_one_got_right() -> None:
    before = np.array([True, True, False, False, True])
    after = np.array([True, False, True, False, False])
    found = statistics.paired("base", before, after, np.arange(5), Resamples.draw(5))
    assert (found.lost, found.gained) == (2, 1)
    assert found.delta == pytest.approx(-0.2)
    assert found.delta_ci[0] <= found.delta <= found.delta_ci[1]
    assert statistics.paired("base", before, before, np.arange(5), Resamples.draw(5)).delta_ci == (0.0, 0.0)


def test_intervals_of_fnir_are_those_of_setting_the_threshold_anew_each_time() -> None:
    rng = np.random.default_rng(5)
    mated, mated_owners = rng.normal(0.6, 0.1, 60).astype(np.float32), np.sort(rng.integers(0, 20, 60))
    mated[:5] = -np.inf
    foreign, foreign_owners = rng.normal(0.4, 0.1, 80).astype(np.float32), np.sort(rng.integers(0, 30, 80))
    mated_owners, foreign_owners = (np.unique(each, return_inverse=True)[1] for each in (mated_owners, foreign_owners))
    rates = [0.1, 0.05]
    found = statistics.fnir_intervals(mated, mated_owners, foreign, foreign_owners, rates, resamples=200, seed=1)
    own = Resamples.draw(int(mated_owners.max()) + 1, 200, 1).weights.astype(int)
    other = Resamples.draw(int(foreign_owners.max()) + 1, 200, 2).weights.astype(int)
    for rate, interval in zip(rates, found, strict=True):
        figures = []
        for mine, theirs in zip(own, other, strict=True):
            threshold = metrics.threshold_at(np.repeat(foreign, theirs[foreign_owners]), rate)
            scores = np.repeat(mated, mine[mated_owners])
            figures.append(1 - metrics.share_at_or_above(scores, threshold))
        assert interval == pytest.approx(statistics.interval(np.array(figures)))
