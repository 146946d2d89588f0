"""Axes: round ticks over all values, and where values fall."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facesearch.report.axes import Axis, linear_axis, log_axis

numbers = st.floats(-1e9, 1e9, allow_nan=False)
positive = st.floats(1e-7, 1e9)


def check(axis: Axis, values: list[float]) -> None:
    ticks = [tick.value for tick in axis.ticks]
    assert ticks == sorted(ticks)
    assert len(ticks) >= 2
    texts = [tick.text for tick in axis.ticks]
    assert len(set(texts)) == len(texts)
    for value in [*values, *ticks]:
        assert 0.0 <= axis.share(value) <= 1.0
    assert axis.share(axis.low) == 0.0
    assert axis.share(axis.high) == 1.0


@given(st.lists(numbers, min_size=1))
def test_a_linear_axis_encloses_all_values_with_few_distinct_ticks(values: list[float]) -> None:
    least = max(1e-6, max(map(abs, values)) * 1e-6)
    axis = linear_axis(values, title="x", least=least)
    check(axis, values)
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert axis.low <= min(values) + slack
    assert max(values) <= axis.high + slack
    assert len(axis.ticks) <= 9


@given(st.lists(positive, min_size=1), st.sampled_from([2, 10]))
def test_a_log_axis_encloses_all_values_with_few_distinct_ticks(values: list[float], base: int) -> None:
    axis = log_axis(values, title="x", base=base)
    check(axis, values)
    assert axis.low <= min(values) * (1 + 1e-9)
    assert max(values) <= axis.high * (1 + 1e-9)
    assert len(axis.ticks) <= 8


@given(st.lists(positive, min_size=2, max_size=2, unique=True), st.booleans())
@example([1e9, 999999999.9999999], False)
def test_a_greater_value_falls_further(pair: list[float], logarithmic: bool) -> None:
    axis = log_axis(pair, title="x") if logarithmic else linear_axis(pair, title="x", least=1e-9)
    assert axis.share(min(pair)) <= axis.share(max(pair))


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.0, 100.0], ["0", "20", "40", "60", "80", "100"]),
        ([98.61, 99.4], ["98.6", "98.8", "99.0", "99.2", "99.4"]),
        ([-0.3, 0.2], ["−0.3", "−0.2", "−0.1", "0.0", "0.1", "0.2"]),
        ([1000.0, 3000.0], ["1,000", "1,500", "2,000", "2,500", "3,000"]),
    ],
)
def test_ticks_of_a_linear_axis_are_round(values: list[float], texts: list[str]) -> None:
    assert [tick.text for tick in linear_axis(values, title="x").ticks] == texts


@pytest.mark.parametrize(
    ("values", "base", "texts"),
    [
        ([64, 2048], 2, ["64", "128", "256", "512", "1,024", "2,048"]),
        ([0.1, 100], 10, ["0.1", "1", "10", "100"]),
        ([3, 40], 10, ["2", "5", "10", "20", "50"]),
        ([1e-6, 1], 10, ["10⁻⁶", "0.0001", "0.01", "1"]),
    ],
)
def test_ticks_of_a_log_axis_are_powers(values: list[float], base: int, texts: list[str]) -> None:
    assert [tick.text for tick in log_axis(values, title="x", base=base).ticks] == texts


def test_an_axis_of_rates_never_leaves_zero_to_a_hundred() -> None:
    for values in ([100.0], [0.0], [99.99, 100.0], [0.0, 0.01]):
        axis = linear_axis(values, title="x", least=1.0, bounds=(0.0, 100.0))
        assert axis.low >= 0.0
        assert axis.high <= 100.0
        assert axis.high - axis.low >= 1.0


def test_an_axis_of_nothing_or_of_what_has_no_logarithm_still_has_ticks() -> None:
    check(linear_axis([], title="x"), [])
    check(log_axis([], title="x"), [])
    check(log_axis([0.0, -1.0, math.inf], title="x"), [])
    assert log_axis([1.0, 10.0], title="x").share(0.0) == 0.0
