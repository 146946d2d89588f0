"""Colours of the page: text is readable, marks stand out, and people who do not see red or green tell them apart."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from importlib import resources

import pytest

from facesearch.report.looks import COLOURS, Looks

from .report_samples import ENCODERS, KINDS, sample_row

CSS = resources.files("facesearch.report").joinpath("page.css").read_text(encoding="utf-8")
RGB = tuple[float, float, float]

# Machado, Oliveira & Fernandes (2009), severity 1.0, for linear RGB
SIGHT = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
}


def themes() -> dict[str, dict[str, RGB]]:
    light, dark, paper = (
        dict(re.findall(r"--([\w]+): (#[0-9a-f]+);", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    )
    return {
        name: {key: linear(value) for key, value in {**light, **theme}.items()}
        for name, theme in (("light", light), ("dark", dark), ("print", paper))
    }


def linear(code: str) -> RGB:
    digits = code[1:] if len(code) == 7 else "".join(digit * 2 for digit in code[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return red, green, blue


def contrast(one: RGB, other: RGB) -> float:
    """WCAG 2.2: 1 to 21."""
    light, dark = sorted((0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(colour: RGB) -> RGB:
    red, green, blue = (min(max(part, 0.0), 1.0) for part in colour)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def difference(one: RGB, other: RGB, sight: str) -> float:
    """CIE76 as somebody with that sight sees it; about 2 is just noticeable."""
    first, second = (
        lab(tuple(sum(w * c for w, c in zip(line, colour, strict=True)) for line in SIGHT[sight]))  # type: ignore[arg-type]
        for colour in (one, other)
    )
    return math.dist(first, second)


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_text_and_marks_stand_out_from_the_paper(theme: str) -> None:
    colours = themes()[theme]
    for paper in ("paper", "raised"):
        for ink in ("ink", "muted"):
            assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)
    for number in range(COLOURS):
        assert contrast(colours[f"c{number}"], colours["paper"]) >= 3.0, number
    for name in ("p0", "p1", "p2", "p3", "bin"):
        assert contrast(colours[name], colours["paper"]) >= 2.5, name


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("sight", list(SIGHT))
def test_all_colours_differ_for_everybody(theme: str, sight: str) -> None:
    colours = themes()[theme]
    for kind, count, least in (("c", COLOURS, 20.0), ("p", 4, 10.0)):
        for one, other in itertools.combinations(range(count), 2):
            apart = difference(colours[f"{kind}{one}"], colours[f"{kind}{other}"], sight)
            assert apart > least, (kind, one, other)


def test_an_encoder_and_a_kind_look_the_same_wherever_they_are_drawn() -> None:
    rows = [sample_row("leave-one-out", encoder, index) for encoder in ENCODERS for index in KINDS]
    crossed = replace(rows[0], probe_encoder="dlib-resnet:int8@onnx")
    looks = Looks.of([*rows, crossed, rows[0]])
    assert looks.of_row(rows[0]) == looks.of_row(replace(rows[0], top1=0.1))
    assert len({looks.of_row(row) for row in [*rows, crossed]}) == len(rows) + 1
