"""Bars: what is stored, piece by piece, and how often values fall where (histograms)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facesearch.report.axes import Axis, linear_axis
from facesearch.report.frame import Frame, Size, chart
from facesearch.report.labels import FONT, text_width
from facesearch.report.markup import Markup, joined, tag

_ROW = 42.0  # px from bar to bar
_THICK = 14.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of pieces (size, number of its colour, what it says), its name and its total in words."""

    name: str
    pieces: tuple[tuple[float, int, str], ...]
    total: str


def stacked_bars(bars: Sequence[Bar], longest: float, size: Size, description: str) -> Markup:
    """Horizontal bars from zero, the name above each, the total behind it; `longest` would take the whole width."""
    room = size.width - max((text_width(bar.total) for bar in bars), default=0.0) - 12
    parts = []
    for number, bar in enumerate(bars):
        top = number * _ROW
        parts.append(tag("text", bar.name, class_="name", x=0.0, y=top + FONT))
        left = 0.0
        for amount, colour, tells in bar.pieces:
            width = amount / longest * room
            box = {"x": left, "y": top + FONT + 6, "width": max(width, 0.5), "height": _THICK}
            parts.append(tag("rect", tag("title", tells), class_=f"piece p{colour}", **box))
            left += width
        parts.append(tag("text", bar.total, class_="tick", x=left + 8, y=top + FONT + 6 + _THICK * 0.5 + FONT * 0.35))
    return chart(size, description, joined(parts), height=len(bars) * _ROW)


@dataclass(frozen=True, slots=True)
class Line:
    """A value that is marked in a histogram, and its name."""

    value: float
    text: str


def histogram(
    edges: Sequence[float], counts: Sequence[int], x: Axis, lines: Sequence[Line], size: Size, description: str
) -> Markup:
    """Share of all values in each bin, in percent; `edges` are one more than `counts`."""
    total = sum(counts) or 1
    shares = [100 * count / total for count in counts]
    y = linear_axis([0.0, *shares], title="share of templates, %", wanted=4, least=1.0, bounds=(0.0, 100.0))
    frame = Frame(size, x, y)
    parts = []
    for number, (share, count) in enumerate(zip(shares, counts, strict=True)):
        left, right = (frame.at_x(edge) for edge in edges[number : number + 2])
        top, bottom = frame.at_y(share), frame.at_y(0.0)
        if count:
            told = tag("title", f"{edges[number]:.5f} to {edges[number + 1]:.5f}: {count:,}")
            box = {"x": left, "y": top, "width": max(right - left - 0.5, 0.5), "height": bottom - top}
            parts.append(tag("rect", told, class_="bin", **box))
    for line in lines:
        px = frame.at_x(line.value)
        parts.append(
            tag("line", tag("title", line.text), class_="marked", x1=px, x2=px, y1=frame.area.top, y2=frame.area.bottom)
        )
    return chart(size, description, frame.drawn(), joined(parts))
