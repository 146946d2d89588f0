"""How encoders and kinds of index look in every chart: a colour for the encoder, a shape for the index.

Colours are CSS classes (`c0` … `c7`) that the style sheet fills for light and dark; they stay apart for people who
do not see red or green, and the shapes tell the kinds apart without any colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from facesearch.encoders.spec import EncoderSpec
from facesearch.evaluation.results import Row
from facesearch.report.markup import Markup, tag
from facesearch.report.measures import encoders_of

COLOURS = 8  # classes of the style sheet
RADIUS = 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """A colour's number, a shape's number, and whether it is drawn hollow."""

    colour: int
    shape: int
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Looks:
    """The looks of a page: the same encoder and index look the same in all of its charts."""

    encoders: tuple[str, ...]
    indexes: tuple[str, ...]
    by_model: bool

    @staticmethod
    def of(rows: Iterable[Row]) -> Looks:
        """A colour for each encoder while there are enough; else one for each model, hollow below FP32."""
        known = list(rows)
        names = tuple(dict.fromkeys(map(encoders_of, known)))
        return Looks(names, tuple(dict.fromkeys(row.index for row in known)), len(names) > COLOURS)

    @property
    def colour_names(self) -> tuple[str, ...]:
        """What has a colour of its own, in the order of the colours."""
        return tuple(dict.fromkeys(map(_model, self.encoders))) if self.by_model else self.encoders

    def of_row(self, row: Row) -> Look:
        name = encoders_of(row)
        reduced = any(
            EncoderSpec.parse(each).precision != "fp32" for each in (row.encoder, row.probe_encoder or row.encoder)
        )
        colour = self.colour_names.index(_model(name) if self.by_model else name) % COLOURS
        return Look(colour, self.indexes.index(row.index) % len(_SHAPES), self.by_model and reduced)


def _model(encoders: str) -> str:
    return EncoderSpec.parse(encoders.partition(" ")[0]).model


def mark(look: Look, x: float, y: float, tells: str, row: str) -> Markup:
    """The mark of a look at (x, y) in pixels; `tells` is shown where it is pointed at, `row` is what it belongs to."""
    classes = f"mark c{look.colour}" + (" hollow" if look.hollow else "")
    shift = f"translate({x:.2f} {y:.2f})"
    return tag("path", tag("title", tells), class_=classes, d=_SHAPES[look.shape], transform=shift, data_row=row)


def whisker(look: Look, x: float, low: float, high: float, row: str) -> Markup:
    """The 95 % interval of a mark, from `low` to `high` in pixels."""
    return tag("line", class_=f"whisker c{look.colour}", x1=x, x2=x, y1=low, y2=high, data_row=row)


def key_mark(shape: int, colour: int | None, *, hollow: bool = False) -> Markup:
    """A mark beside its name; without a colour in that of the text."""
    classes = f"mark {'plain' if colour is None else f'c{colour}'}" + (" hollow" if hollow else "")
    path = tag("path", class_=classes, d=_SHAPES[shape % len(_SHAPES)])
    return tag("svg", path, viewBox="-8 -8 16 16", aria_hidden="true")


def _polygon(corners: int, radius: float, turn: float) -> str:
    points = []
    for corner in range(corners):
        angle = 2 * math.pi * corner / corners + turn
        points.append(f"{radius * math.sin(angle):.2f} {-radius * math.cos(angle):.2f}")
    return "M" + "L".join(points) + "Z"


def _cross(turn: float) -> str:
    """A thick plus sign."""
    arm, half = 1.25 * RADIUS, 0.42 * RADIUS
    corners = [(half, arm), (half, half), (arm, half), (arm, -half), (half, -half), (half, -arm)]
    corners += [(-x, -y) for x, y in corners]
    turned = [(x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)) for x, y in corners]
    return "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in turned) + "Z"


def _star() -> str:
    points = []
    for corner in range(10):
        radius = RADIUS * (1.4 if corner % 2 == 0 else 0.6)
        points.append(f"{radius * math.sin(math.pi * corner / 5):.2f} {-radius * math.cos(math.pi * corner / 5):.2f}")
    return "M" + "L".join(points) + "Z"


# Of about equal area, so that none looks more important.
_SHAPES = (
    f"M{RADIUS} 0A{RADIUS} {RADIUS} 0 1 1 {-RADIUS} 0A{RADIUS} {RADIUS} 0 1 1 {RADIUS} 0Z",
    _polygon(4, 1.25 * RADIUS, math.pi / 4),
    _polygon(4, 1.3 * RADIUS, 0.0),
    _polygon(3, 1.4 * RADIUS, 0.0),
    _polygon(3, 1.4 * RADIUS, math.pi),
    _cross(0.0),
    _cross(math.pi / 4),
    _star(),
    _polygon(6, 1.15 * RADIUS, 0.0),
)
