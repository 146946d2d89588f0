"""Line charts with a logarithmic scale upwards, as SVG for the documentation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#3ca951", "#a463f2", "#97bbf5", "#9c6b4e", "#6cc5b0", "#9498a0")

Point = tuple[float, float]

_LEFT, _TOP, _WIDTH, _HEIGHT = 64, 20, 520, 300
_WHOLE_WIDTH = 800


@dataclass(slots=True)
class Chart:
    """Lines and dots over a grid of powers of ten, with names beside them.

    across: the ends of the scale to the right, which is linear. up: the least and the largest value that is drawn, both
    positive; the scale has the powers of ten around them.
    """

    title: str
    across: Point
    up: Point
    unit: str = ""
    _parts: list[str] = field(default_factory=list)
    _names: int = 0

    def line(self, points: Iterable[Point], colour: str) -> None:
        placed = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self._at, points))
        self._parts.append(f'<polyline points="{placed}" fill="none" stroke="{colour}" stroke-width="2"/>')

    def dots(self, points: Iterable[Point], colour: str) -> None:
        for x, y in map(self._at, points):
            self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')

    def name(self, text: str, colour: str) -> None:
        """The next name of the list to the right."""
        x, y = _LEFT + _WIDTH + 14, _TOP + 14 + 20 * self._names
        self._names += 1
        self._parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        self._parts.append(f'<text x="{x + 16}" y="{y}">{text}</text>')

    def svg(self, ticks: Sequence[tuple[float, str]], below: str) -> str:
        """The whole chart. ticks: places and words of the scale to the right, named `below`."""
        bottom = _TOP + _HEIGHT
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WHOLE_WIDTH} {bottom + 50}" '
            'font-family="sans-serif" font-size="12" role="img">',
            f"<title>{self.title}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
        ]
        low, high = self._powers
        for power in range(low, high + 1):
            _, y = self._at((self.across[0], 10.0**power))
            parts.append(f'<line x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
            parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}{self.unit}</text>')
        for place, text in ticks:
            x, _ = self._at((place, 10.0**low))
            parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{text}</text>')
        parts.append(f'<text x="{_LEFT + _WIDTH / 2}" y="{bottom + 38}" text-anchor="middle">{below}</text>')
        return "\n".join([*parts, *self._parts, "</svg>", ""])

    @property
    def _powers(self) -> tuple[int, int]:
        return math.floor(math.log10(self.up[0])), math.ceil(math.log10(self.up[1]))

    def _at(self, point: Point) -> Point:
        (first, last), (low, high) = self.across, self._powers
        return (
            _LEFT + _WIDTH * (point[0] - first) / (last - first),
            _TOP + _HEIGHT * (high - max(math.log10(point[1]), low)) / (high - low),
        )
