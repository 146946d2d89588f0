"""What an ONNX file does not say of itself: colour order, normalisation, kind of crop."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from facesearch.errors import UsageError, WeightsError
from facesearch.faces import CROPS

Layout = Literal["nchw", "nhwc"]
Colour = Literal["rgb", "bgr"]
Channels = tuple[float, float, float]

CROP_SIZES: dict[str, int] = {crop.name: crop.size for crop in CROPS.values()}
"""Side in pixels where the file leaves it open."""

_MAX_SIZE = 1024
_MAX_SIDECAR = 64 * 1024
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class OnnxOptions:
    """How a model takes its input; the defaults are those of models trained with ArcFace's recipe.

    layout, size (side in pixels): None takes what the file declares. mean, scale: the model gets (x − mean) · scale,
    in its own channel order. crop: the kind of crop it was trained on. output: None takes the first that is one
    vector per crop.
    """

    layout: Layout | None = None
    size: int | None = None
    colour: Colour = "rgb"
    mean: Channels = (127.5, 127.5, 127.5)
    scale: Channels = (1 / 127.5, 1 / 127.5, 1 / 127.5)
    crop: str = "arcface"
    output: str | None = None


def sidecar_of(path: Path) -> Path:
    """Where options for an ONNX file are looked for: `<file>.json` beside it."""
    return path.with_name(path.name + ".json")


def read_options(path: Path) -> OnnxOptions:
    """The options beside an ONNX file, the defaults where there are none; raises `WeightsError` for a wrong value."""
    sidecar = sidecar_of(path)
    if not sidecar.exists():
        return OnnxOptions()
    try:
        if sidecar.stat().st_size > _MAX_SIDECAR:
            raise WeightsError(f"'{sidecar}' is too large for options: write one JSON object with them")
        values = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"'{sidecar}' cannot be read as JSON: correct or remove it") from error
    if not isinstance(values, dict):
        raise WeightsError(f"'{sidecar}' is not a JSON object: write the options as {{\"layout\": ..., ...}}")
    try:
        return parse_options(values)
    except ValueError as error:
        raise WeightsError(f"'{sidecar}': {error}") from error


def parse_options(values: dict[str, Any]) -> OnnxOptions:
    """Options from values of unknown type; mean and scale are one number or three. Raises `ValueError`."""
    known = [field.name for field in fields(OnnxOptions)]
    unknown = [key for key in values if key not in known]
    if unknown:
        raise ValueError(f"no option '{unknown[0]}'; there are: {', '.join(known)}")
    defaults = OnnxOptions()
    size, output = values.get("size"), values.get("output")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 16 <= size <= _MAX_SIZE):
        raise ValueError(f"size is {size!r}; give the side of the crop in pixels, 16 to {_MAX_SIZE}")
    if output is not None and not isinstance(output, str):
        raise ValueError(f"output is {output!r}; give the name of an output")
    layout = values.get("layout")
    return OnnxOptions(
        layout=None if layout is None else cast(Layout, _one_of("layout", layout, get_args(Layout))),
        size=size,
        colour=cast(Colour, _one_of("colour", values.get("colour", defaults.colour), get_args(Colour))),
        mean=_channels("mean", values.get("mean", defaults.mean)),
        scale=_channels("scale", values.get("scale", defaults.scale), nonzero=True),
        crop=_one_of("crop", values.get("crop", defaults.crop), tuple(CROP_SIZES)),
        output=output,
    )


def options_from_words(**given: str | int | None) -> OnnxOptions | None:
    """Options from the words of a command; None where none is given.

    mean and scale are one number or three, divided by commas; a number may be a fraction, as 1/127.5. Raises
    `UsageError`.
    """
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        for name in ("mean", "scale"):
            if name in values:
                values[name] = _numbers(str(values[name]))
        return parse_options(values) if values else None
    except ValueError as error:
        raise UsageError(f"the option {error}") from error


def _numbers(text: str) -> float | list[float]:
    try:
        parts = [part.partition("/") for part in text.split(",")]
        found = [float(top) / float(bottom) if sign else float(top) for top, sign, bottom in parts]
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"'{text}' is not one number, or three divided by commas") from error
    return found[0] if len(found) == 1 else found


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in allowed:
        return value
    raise ValueError(f"{name} is {value!r}; it can be {' or '.join(allowed)}")


def _channels(name: str, value: object, *, nonzero: bool = False) -> Channels:
    numbers = list(value) if isinstance(value, list | tuple) else [value] * 3
    plain = all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers)
    if len(numbers) != 3 or not plain or (nonzero and not all(numbers)):
        kind = "number other than 0" if nonzero else "number"
        raise ValueError(f"{name} is {value!r}; give one {kind}, or three, one per channel")
    first, second, third = (float(cast(float, number)) for number in numbers)
    return first, second, third
