"""The frame of a chart: size, axes with grid, and where values fall in pixels."""

from __future__ import annotations

from dataclasses import dataclass

from facesearch.report.axes import Axis
from facesearch.report.labels import FONT, Box, text_width
from facesearch.report.markup import Markup, joined, tag


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels of a chart; text is drawn at its real size, so there is one for phones and one for desks."""

    name: str  # class of the style sheet that shows it where it fits
    width: int
    height: int


PHONE = Size("narrow", 328, 280)
DESK = Size("wide", 540, 340)

_TOP = 30.0  # the title of the y axis
_BOTTOM = 46.0  # ticks and title of the x axis
_RIGHT = 16.0
_GAP = 8.0  # between ticks and axis


@dataclass(frozen=True, slots=True)
class Frame:
    """Two axes in a chart of a size."""

    size: Size
    x: Axis
    y: Axis
    inset: float = 0.0  # px between the ends of the x axis and its first and last value

    @property
    def area(self) -> Box:
        """The rectangle in which values are drawn."""
        left = max(text_width(tick.text) for tick in self.y.ticks) + _GAP + 2
        return Box(left, _TOP, self.size.width - _RIGHT, self.size.height - _BOTTOM)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A value in pixels."""
        return self.at_x(x), self.at_y(y)

    def at_x(self, value: float) -> float:
        left, right = self.area.left + self.inset, self.area.right - self.inset
        return left + self.x.share(value) * (right - left)

    def at_y(self, value: float) -> float:
        return self.area.bottom - self.y.share(value) * (self.area.bottom - self.area.top)

    def drawn(self) -> Markup:
        """Grid, ticks and titles."""
        area = self.area
        parts = []
        for tick in self.y.ticks:
            y = self.at_y(tick.value)
            parts.append(tag("line", class_="grid", x1=area.left, x2=area.right, y1=y, y2=y))
            parts.append(_text(tick.text, area.left - _GAP, y + FONT * 0.35, anchor="end"))
        parts.append(tag("line", class_="axis", x1=area.left, x2=area.right, y1=area.bottom, y2=area.bottom))
        free_from = 0.0
        for tick in self.x.ticks:
            x = self.at_x(tick.value)
            parts.append(tag("line", class_="axis", x1=x, x2=x, y1=area.bottom, y2=area.bottom + 4))
            half = text_width(tick.text) / 2
            middle = min(max(x, half), self.size.width - half)
            if middle - half >= free_from:
                parts.append(_text(tick.text, middle, area.bottom + 18, anchor="middle"))
                free_from = middle + half + 4
        parts.append(_text(self.y.title, 0.0, FONT, class_="title"))
        parts.append(_text(self.x.title, area.right, float(self.size.height - 6), anchor="end", class_="title"))
        return joined(parts)


def _text(text: str, x: float, y: float, *, anchor: str | None = None, class_: str = "tick") -> Markup:
    return tag("text", text, class_=class_, x=x, y=y, text_anchor=anchor)


def chart(size: Size, description: str, *parts: Markup, height: float | None = None) -> Markup:
    """An SVG image with a description for those who do not see it."""
    box = f"0 0 {size.width} {size.height if height is None else round(height)}"
    return tag("svg", tag("title", description), *parts, class_=f"chart {size.name}", viewBox=box, role="img")
