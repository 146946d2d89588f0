"""Numbers as people read them."""

from __future__ import annotations

import pytest

from facesearch.text import figures


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(1234.5, 1, "1,234.5"), (-0.25, 2, "−0.25"), (-0.001, 2, "0.00"), (0.0, 1, "0.0"), (-1234.0, 0, "−1,234")],
)
def test_numbers_have_real_minus_signs_and_no_negative_zero(value: float, decimals: int, text: str) -> None:
    assert figures.fixed(value, decimals) == text


@pytest.mark.parametrize(("value", "text"), [(0.5, "+0.50"), (-0.5, "−0.50"), (0.001, "0.00"), (-0.001, "0.00")])
def test_differences_show_their_sign_unless_they_round_to_zero(value: float, text: str) -> None:
    assert figures.signed(value, 2) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.0123"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (1234.0, "1,234")]
)
def test_milliseconds_have_three_digits(value: float, text: str) -> None:
    assert figures.milliseconds(value) == text


def test_shares_intervals_sizes_and_counts() -> None:
    assert figures.percent(0.9912) == "99.12"
    assert figures.interval(-0.002, 0.0, 1) == "−0.2…0.0"
    assert (figures.size(64.0), figures.size(78.62), figures.size(2048.0)) == ("64", "78.6", "2,048")
    assert (figures.counted(1, "photo"), figures.counted(1200, "photo")) == ("1 photo", "1,200 photos")
