"""What an ONNX file does not say of itself: colour order, normalisation, kind of crop; threshold and licence."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from facesearch.errors import UsageError, WeightsError
from facesearch.faces import CROPS

Layout = Literal["nchw", "nhwc"]
Colour = Literal["rgb", "bgr"]
Channels = tuple[float, float, float]

CROP_SIZES: dict[str, int] = {crop.name: crop.size for crop in CROPS.values()}
"""Side in pixels where the file leaves it open."""

MAX_SIZE = 1024
"""The largest side in pixels."""

_MAX_SIDECAR = 64 * 1024
_MAX_LICENCE = 200  # characters
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class OnnxOptions:
    """How a model takes its input, and what may be done with it; the defaults are those of ArcFace's recipe.

    layout, size (side in pixels): None takes what the file declares. mean, scale: the model gets (x − mean) · scale,
    in its own channel order. crop: the kind of crop it was trained on. output: None takes the first that is one
    vector per crop. threshold: the cosine from which two templates count as the same person, None: not known. licence:
    a line, None: not known. commercial: whether commercial use is allowed.
    """

    layout: Layout | None = None
    size: int | None = None
    colour: Colour = "rgb"
    mean: Channels = (127.5, 127.5, 127.5)
    scale: Channels = (1 / 127.5, 1 / 127.5, 1 / 127.5)
    crop: str = "arcface"
    output: str | None = None
    threshold: float | None = None
    licence: str | None = None
    commercial: bool = False


def sidecar_of(path: Path) -> Path:
    """Where options for an ONNX file are looked for: `<file>.json` beside it."""
    return path.with_name(path.name + ".json")


def read_options(path: Path) -> OnnxOptions:
    """The options beside an ONNX file, the defaults where there are none; raises `WeightsError` for a wrong value."""
    return parse_options(_beside(path))


def _beside(path: Path) -> dict[str, Any]:
    """The options in the file beside an ONNX file, each of them possible; none where there is no such file."""
    sidecar = sidecar_of(path)
    if not sidecar.exists():
        return {}
    try:
        if sidecar.stat().st_size > _MAX_SIDECAR:
            raise WeightsError(f"'{sidecar}' is too large for options: write one JSON object with them")
        values = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"'{sidecar}' cannot be read as JSON: correct or remove it") from error
    if not isinstance(values, dict):
        raise WeightsError(f"'{sidecar}' is not a JSON object: write the options as {{\"layout\": ..., ...}}")
    try:
        parse_options(values)
    except ValueError as error:
        raise WeightsError(f"'{sidecar}': {error}") from error
    return values


def parse_options(values: dict[str, Any]) -> OnnxOptions:
    """Options from values of unknown type; mean and scale are one number or three. Raises `ValueError`."""
    known = [field.name for field in fields(OnnxOptions)]
    unknown = [key for key in values if key not in known]
    if unknown:
        raise ValueError(f"no option '{unknown[0]}'; there are: {', '.join(known)}")
    defaults = OnnxOptions()
    size, output = values.get("size"), values.get("output")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 16 <= size <= MAX_SIZE):
        raise ValueError(f"size is {size!r}; give the side of the crop in pixels, 16 to {MAX_SIZE}")
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
        threshold=_threshold(values.get("threshold")),
        licence=_licence(values.get("licence")),
        commercial=_yes_or_no("commercial", values.get("commercial", defaults.commercial)),
    )


def options_from_words(path: Path | None = None, **given: str | float | None) -> OnnxOptions | None:
    """Options from the words of a command; None where none is given.

    path: the ONNX file; what the words leave open is taken from the file beside it. mean and scale are one number or
    three, divided by commas; a number may be a fraction, as 1/127.5. Raises `UsageError`, for the file beside it
    `WeightsError`.
    """
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not values:
        return None
    others = {} if path is None else _beside(path)
    try:
        for name in ("mean", "scale"):
            if name in values:
                values[name] = _numbers(str(values[name]))
        return parse_options(others | values)
    except ValueError as error:
        raise UsageError(f"the option {error}") from error


def check_options(options: OnnxOptions) -> None:
    """Raises `UsageError` for a value that is not possible."""
    try:
        parse_options(asdict(options))
    except ValueError as error:
        raise UsageError(f"the option {error}") from error


def _numbers(text: str) -> float | list[float]:
    try:
        parts = [part.partition("/") for part in text.split(",")]
        found = [float(top) / float(bottom) if sign else float(top) for top, sign, bottom in parts]
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"'{text}' is not one number, or three divided by commas") from error
    return found[0] if len(found) == 1 else found


def _threshold(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1 <= value <= 1:
        raise ValueError(f"threshold is {value!r}; give a number between -1 and 1")
    return float(value)


def _licence(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > _MAX_LICENCE:
        raise ValueError(f"licence is not a text of one line; give one of at most {_MAX_LICENCE} characters")
    return value.strip()


def _yes_or_no(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; it can be true or false")
    return value


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
