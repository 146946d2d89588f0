"""The chart of docs/low-bit.md: what a budget of bits costs in identity similarity, shared out and uniform."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from benchmarks.common import read_results

_RESULTS, _ROW = "low_bit_edgeface_xs", "w4a4"
_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 620, 20, 310
_COLOURS = {"weights": "#0b62a8", "activations": "#b3471d"}


def chart() -> str:
    """The chart of the results as SVG."""
    row = next(row for row in read_results(_RESULTS)["rows"] if row["row"] == _ROW)
    return drawn(row["pareto"])


def drawn(curves: dict[str, list[list[Any]]]) -> str:
    """The chart as SVG: a line with bits shared out, and dots with the same bits everywhere."""
    values = [value for points in curves.values() for _, *both in points for value in both if value]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def at(bits: float, value: float) -> tuple[float, float]:
        across = (bits - 3) / 5
        up = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return _LEFT + across * (_RIGHT - _LEFT), _BOTTOM - up * (_BOTTOM - _TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="13" role="img">',
        "<title>Fall of identity similarity over average bits</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for power in range(low, high + 1):
        _, y = at(3, 10.0**power)
        parts.append(f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for bits in range(3, 9):
        x, _ = at(bits, 1)
        parts.append(f'<text x="{x:.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{bits}</text>')
    parts.append(f'<text x="{_RIGHT}" y="{_BOTTOM + 38}" text-anchor="end">average bits</text>')
    for number, (side, points) in enumerate(curves.items()):
        colour = _COLOURS[side]
        shared = " ".join(f"{x:.1f},{y:.1f}" for x, y in _placed(at, [(bits, value) for bits, value, _ in points]))
        parts.append(f'<polyline points="{shared}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in _placed(at, [(bits, same) for bits, _, same in points if same is not None]):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        parts.append(
            f'<text x="{_RIGHT}" y="{_TOP + 16 + 18 * number}" text-anchor="end" fill="{colour}">'
            f"{side}: line shared out, dots the same everywhere</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _placed(at: Any, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [at(bits, value) for bits, value in points]
