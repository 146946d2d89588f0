"""What a score means is said as how often strangers reach it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from facesearch.encoders import find_model
from facesearch.encoders.background import RATES, Background
from facesearch.gallery.stranger_rates import StrangerRates
from facesearch.store import Calibration

MEASURED = Background((100,), (0.3,), (0.2, 0.3, 0.4))
CALIBRATION = Calibration(0.35, 0.01, 0.01, 0.3, 0.4, 1000, 900, None, 0, "x", "0" * 64, "e", 50, 100, 0)


def test_the_rate_of_pairs_is_between_those_measured() -> None:
    assert [MEASURED.false_match_rate(value) for value in MEASURED.reached] == pytest.approx(RATES[:3])
    assert MEASURED.false_match_rate(0.25) == pytest.approx(math.sqrt(RATES[0] * RATES[1]))
    assert MEASURED.false_match_rate(0.2 - 1e-9) == pytest.approx(RATES[0], abs=1e-6)
    assert MEASURED.false_match_rate(-1.0) == pytest.approx(1.0)
    # one decade beyond what was measured, and no further
    assert MEASURED.false_match_rate(0.45) == pytest.approx(math.sqrt(1e-3 * 1e-4))
    assert MEASURED.false_match_rate(0.5) == MEASURED.false_match_rate(1.0) == pytest.approx(1e-4)


def test_what_was_not_measured_is_not_said() -> None:
    assert Background((100,), (0.3,)).false_match_rate(0.9) is None
    assert StrangerRates(Background((100,), (0.3,)), 10).of(0.9) is None
    assert StrangerRates(Background((100,), (0.3,)), 10).in_words(0.9) == ""


@pytest.mark.parametrize("reached", [(0.3, 0.2), (0.2, math.nan), (math.inf,)])
def test_rates_that_cannot_be(reached: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="no background"):
        Background((100,), (0.3,), reached)


def test_more_templates_are_reached_more_often() -> None:
    few, many = StrangerRates(MEASURED, 10), StrangerRates(MEASURED, 1000)
    assert few.of(0.4) == pytest.approx(1 - (1 - 1e-3) ** 10)
    assert many.of(0.4) == pytest.approx(1 - (1 - 1e-3) ** 1000)


@pytest.mark.parametrize(
    ("templates", "score", "said"),
    [
        (1, 0.2, "a stranger reaches this in 1 of 10 searches"),
        (1, 0.3, "a stranger reaches this in 1 of 100 searches"),
        (10, 0.4, "a stranger reaches this in 1 of 100 searches"),
        (100, 0.2, "most strangers reach this"),
        (1, 0.9, "a stranger reaches this in less than 1 of 10,000 searches"),
        (1, 1.5, "a stranger reaches this in less than 1 of 10,000 searches"),
        (1, -1.0, "most strangers reach this"),
        (1_000_000, 1.0, ""),  # it may be rare or not
    ],
)
def test_it_is_said_in_words(templates: int, score: float, said: str) -> None:
    assert StrangerRates(MEASURED, templates).in_words(score) == said


def test_a_calibrated_gallery_says_what_was_observed() -> None:
    rates = StrangerRates(MEASURED, 100, CALIBRATION)
    assert rates.of(0.35) == pytest.approx(0.01)
    assert rates.in_words(0.35) == "a stranger reaches this in 1 of 100 searches"
    plain = StrangerRates(MEASURED, 100)
    ordered = [rates.of(score) or 0.0 for score in (0.2, 0.3, 0.34, 0.35, 0.36, 0.4)]
    assert ordered == sorted(ordered, reverse=True)
    assert ordered[2] / ordered[4] < 2  # nothing happens at the threshold
    assert ordered[-1] < (plain.of(0.4) or 0.0)
    assert rates.of(1.0) == plain.of(1.0)  # nobody has seen rarer things than were measured
    grown = replace(rates, templates=1000).of(0.35)
    assert grown == pytest.approx(1 - 0.99**10)


@pytest.mark.parametrize("model", ["mobilefacenet", "dlib-resnet"])
def test_the_encoders_that_come_along_were_measured(model: str) -> None:
    found = find_model(model)
    assert found.background is not None
    assert len(found.background.reached) == 5
    assert 1e-5 < (found.background.false_match_rate(found.threshold) or 0) < 1e-2
