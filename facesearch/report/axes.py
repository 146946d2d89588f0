"""Axes of charts: the range that values need, round ticks, and where a value falls. Pure; no drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tick:
    """A value on an axis and how it is written."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """A range with its ticks (ascending, within the range) and a title that names quantity and unit."""

    title: str
    low: float
    high: float
    ticks: tuple[Tick, ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value falls: 0 at the low end, 1 at the high end; values outside are put at the nearest end."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)


_FINEST = 1e-6  # of the values: steps much finer than that cannot be told apart in floating point


def linear_axis(
    values: Iterable[float],
    *,
    title: str,
    wanted: int = 5,
    least: float = 1e-6,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Axis:
    """About `wanted` round steps over all values; a range narrower than `least` is widened, none leaves `bounds`."""
    shown = [min(max(value, bounds[0]), bounds[1]) for value in values if math.isfinite(value)] or [0.0]
    low, high = min(shown), max(shown)
    least = max(least, _FINEST * abs(low), _FINEST * abs(high))
    if high - low < least:
        middle = min(max((low + high) / 2, bounds[0] + least / 2), bounds[1] - least / 2)
        low, high = middle - least / 2, middle + least / 2
    step = _round_step((high - low) / wanted)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    inside = [
        number * step
        for number in range(first, last + 1)
        if bounds[0] - step * 1e-6 <= number * step <= bounds[1] + step * 1e-6
    ]
    ticks = tuple(Tick(value, _plain(value, decimals)) for value in inside)
    return Axis(title, max(first * step, bounds[0]), min(last * step, bounds[1]), ticks)


def log_axis(values: Iterable[float], *, title: str, base: int = 10, wanted: int = 6) -> Axis:
    """Powers of `base` over all positive values (for 10 also 2 and 5 times these where there are few)."""
    shown = [value for value in values if value > 0 and math.isfinite(value)] or [1.0]
    steps = _steps(min(shown), max(shown), base, mantissas=(1,) if base != 10 else (1, 2, 5))
    if base == 10 and len(steps) > wanted:
        steps = _steps(min(shown), max(shown), base, mantissas=(1,))
    every = math.ceil((len(steps) - 1) / max(wanted - 1, 1))
    ticks = tuple(Tick(value, _short(value)) for value in steps[:: max(every, 1)])
    return Axis(title, steps[0], steps[-1], ticks, logarithmic=True)


def _steps(low: float, high: float, base: int, mantissas: tuple[int, ...]) -> list[float]:
    """The fewest neighbouring steps that enclose low and high, at least two."""
    first = math.floor(math.log(low, base) + 1e-9) - 1
    last = math.ceil(math.log(high, base) - 1e-9) + 1
    steps = [_power(base, power) * mantissa for power in range(first, last + 1) for mantissa in mantissas]
    start = max(number for number, step in enumerate(steps) if step <= low * (1 + 1e-9))
    end = min(number for number, step in enumerate(steps) if step >= high * (1 - 1e-9))
    if start == end:
        start, end = max(start - 1, 0), min(end + 1, len(steps) - 1)
    return steps[start : end + 1]


def _power(base: int, power: int) -> float:
    return float(base**power) if power >= 0 else 1 / base**-power


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, the first that is not below `least`."""
    power = math.floor(math.log10(least))
    for exponent in (power, power + 1):
        for mantissa in (1, 2, 5):
            step = mantissa * 10.0**exponent
            if step >= least * (1 - 1e-9):
                return step
    raise AssertionError(least)


def _plain(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text.replace(",", "")) else text.lstrip("-")


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _short(value: float) -> str:
    """1000 -> 1,000; 0.001 -> 0.001; 0.00001 -> 10⁻⁵."""
    power = math.floor(math.log10(value) + 1e-9)
    if -4 <= power < 7:
        return f"{value:,.{max(0, -power)}f}" if value < 1 else f"{value:,.10g}"
    mantissa = round(value / 10.0**power)
    return ("" if mantissa == 1 else f"{mantissa}·") + f"10{str(power).translate(_RAISED)}"
