"""Accuracy against what it costs: a mark with a 95 % whisker for each encoder and index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facesearch.report.axes import Axis
from facesearch.report.frame import Frame, Size, chart
from facesearch.report.labels import FONT, Box, Wish, place
from facesearch.report.looks import RADIUS, Look, mark, whisker
from facesearch.report.markup import Markup, joined, tag

_BESIDE = 9.0  # px between marks that would cover one another


@dataclass(frozen=True, slots=True)
class Point:
    """A value with its 95 % interval (None: not known), a short label, what it says when it is pointed at, its row."""

    x: float
    y: float
    interval: tuple[float, float] | None
    look: Look
    label: str
    tells: str
    row: str


def scatter(points: Sequence[Point], x: Axis, y: Axis, size: Size, description: str) -> Markup:
    """Points that nothing beats in both directions (less x, more y) are labelled, as far as there is room."""
    frame = Frame(size, x, y, inset=12.0)
    places = _beside_each_other([frame.at(point.x, point.y) for point in points], frame.area)
    taken = [Box(px - RADIUS - 1, py - RADIUS - 1, px + RADIUS + 1, py + RADIUS + 1) for px, py in places]
    parts = []
    for point, (px, _) in zip(points, places, strict=True):
        if point.interval is not None:
            low, high = (frame.at_y(value) for value in point.interval)
            taken.append(Box(px - 2, high, px + 2, low))
            parts.append(whisker(point.look, px, low, high, point.row))
    for point, (px, py) in zip(points, places, strict=True):
        parts.append(mark(point.look, px, py, point.tells, point.row))
    best = unbeaten([(point.x, point.y) for point in points])
    wishes = [Wish(points[number].label, *places[number], radius=RADIUS) for number in best]
    for wish, box in zip(wishes, place(wishes, taken, frame.area), strict=True):
        if box is not None:
            parts.append(tag("text", wish.text, class_="label", x=box.left, y=box.bottom - FONT * 0.3))
    return chart(size, description, frame.drawn(), joined(parts))


def unbeaten(values: Sequence[tuple[float, float]]) -> list[int]:
    """Numbers of the points for which no other has less x and as much y, or more y for as much x; by x, each x once."""
    order = sorted(range(len(values)), key=lambda number: (values[number][0], -values[number][1]))
    best: list[int] = []
    for number in order:
        if not best or values[number][1] > values[best[-1]][1]:
            best.append(number)
    return best


def _beside_each_other(places: Sequence[tuple[float, float]], area: Box) -> list[tuple[float, float]]:
    """Marks with nearly the same x side by side instead of on top of one another, in the order given."""
    moved = list(places)
    order = sorted(range(len(places)), key=lambda number: places[number][0])
    groups: list[list[int]] = []
    for number in order:
        if groups and places[number][0] - places[groups[-1][0]][0] < _BESIDE * 0.7:
            groups[-1].append(number)
        else:
            groups.append([number])
    for group in groups:
        beside = min(_BESIDE, 60.0 / len(group))
        for place_, number in enumerate(sorted(group)):
            x, y = places[number]
            shifted = x + (place_ - (len(group) - 1) / 2) * beside
            moved[number] = (min(max(shifted, area.left + RADIUS), area.right - RADIUS), y)
    return moved
