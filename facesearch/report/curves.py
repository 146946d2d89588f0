"""Curves: identification rate against rank (CMC), error against error (DET)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facesearch.report.axes import Axis
from facesearch.report.frame import Frame, Size, chart
from facesearch.report.looks import Look, mark, whisker
from facesearch.report.markup import Markup, joined, tag


@dataclass(frozen=True, slots=True)
class Stop:
    """A point of a curve that is marked, with its 95 % interval (None: not known) and what it says."""

    x: float
    y: float
    interval: tuple[float, float] | None
    tells: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points (x ascending), and the stops on it."""

    points: tuple[tuple[float, float], ...]
    stops: tuple[Stop, ...]
    look: Look
    tells: str
    row: str
    stepped: bool = False


def curves(lines: Sequence[Curve], x: Axis, y: Axis, size: Size, description: str) -> Markup:
    """Lines in the colours of their encoders, stops with the shapes of their kinds of index."""
    frame = Frame(size, x, y, inset=8.0)
    parts = []
    for line in lines:
        classes = f"curve c{line.look.colour}"
        parts.append(tag("path", tag("title", line.tells), class_=classes, d=_path(line, frame), data_row=line.row))
    for line in lines:
        for stop in line.stops:
            px, py = frame.at(stop.x, stop.y)
            if stop.interval is not None:
                low, high = (frame.at_y(value) for value in stop.interval)
                parts.append(whisker(line.look, px, low, high, line.row))
            parts.append(mark(line.look, px, py, stop.tells, line.row))
    return chart(size, description, frame.drawn(), joined(parts))


def _path(line: Curve, frame: Frame) -> str:
    steps = []
    before = None
    for x, y in line.points:
        px, py = frame.at(x, y)
        if line.stepped and before is not None:
            steps.append(f"{px:.1f} {before:.1f}")
        steps.append(f"{px:.1f} {py:.1f}")
        before = py
    return "M" + "L".join(steps) if steps else ""
