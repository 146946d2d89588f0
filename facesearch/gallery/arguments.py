"""What programs hand to a gallery, looked over before anything is read or changed; raises `UsageError` in one line."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facesearch.errors import UsageError
from facesearch.gallery.scoring import SCORES
from facesearch.photos.photo import composed

_LENGTH = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|m|min|h|d)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_OFF = 0.1  # how far from 1 the length of a template may be


def threshold(value: Any) -> float:
    """A threshold, as a number."""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not -1 <= number <= 1:  # NaN is no such number
        raise UsageError(f"a threshold is a similarity between -1 and 1, not {shown(value)}")
    return number


def each_of(values: Any) -> list[Any]:
    """What was named, one by one: a single number, name or path stands for itself."""
    if isinstance(values, str | os.PathLike | Integral):
        return [values]
    try:
        return list(values)
    except TypeError:
        raise UsageError(f"name numbers, names or paths, not {shown(values)}") from None


def rate(value: Any, what: str) -> float:
    """A number from 0 to 1; what: as in "least"."""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not 0 <= number <= 1:
        raise UsageError(f"{what} is {shown(value)}: a number between 0 and 1 is needed")
    return number


def count(value: Any, what: str) -> int:
    """A number of things, at least one; what: as in "k" or "workers"."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{what} is {shown(value)}: a whole number from 1 on is needed")
    return int(value)


def one_of(value: Any, what: str, known: Sequence[str]) -> str:
    """One of some words; what: as in "search"."""
    if value not in known:
        raise UsageError(f"{what} is {shown(value)}: there are {', '.join(known)}")
    return str(value)


def names(values: Any, what: str) -> list[str]:
    """Names or tags in the form in which they are kept; what: as in "tags"."""
    if isinstance(values, str) or not isinstance(values, Sequence) or not all(isinstance(each, str) for each in values):
        raise UsageError(f"{what} are a list of words, not {shown(values)}")
    return [composed(each) for each in values]


def number_or_path(value: Any, what: str) -> int | Path:
    """What something stored of a photo is named by; what: as in "a template"."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and not value.strip():
        raise UsageError(f"{what} is named by its number or its photo's path, not by nothing")
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"{what} is named by its number or its photo's path, not by {shown(value)}")
    return Path(value)


def score(value: Any) -> str:
    """What is compared with the threshold."""
    if not isinstance(value, str) or value not in SCORES:
        raise UsageError(f"a score is {' or '.join(SCORES)}, not {shown(value)}")
    return str(value)


def probes(values: Any) -> npt.NDArray[np.float32]:
    """Templates (m, d) of about unit length."""
    try:
        found = np.asarray(values)
    except ValueError as error:
        raise UsageError(f"templates are an array (m, dimension) of floats: {error}") from error
    if found.ndim != 2 or found.dtype.kind != "f":
        raise UsageError(f"templates are (m, dimension) floats, not {found.shape} {found.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.vecdot(found, found))
    if wrong := np.flatnonzero(~(np.abs(lengths - 1) <= _OFF)).tolist():
        raise UsageError(f"template {wrong[0] + 1} has length {lengths[wrong[0]]:.3g}: templates have unit length")
    return found.astype(np.float32, copy=False)


def shown(value: Any) -> str:
    """A value in a message: one short line."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{float(value):g}" if math.isfinite(value) else str(float(value))
    text = repr(value) if isinstance(value, str | bytes | bool | None) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "…"


def seconds(value: Any, what: str) -> float:
    """A length of time: seconds as a number, or a text as in 500ms, 2s, 10m, 1h; what: as in "the bound"."""
    if isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < math.inf:
        return float(value)
    found = _LENGTH.fullmatch(value.strip()) if isinstance(value, str) else None
    length = 0.0 if found is None else float(found[1]) * _UNITS[found[2] or "s"]
    if length <= 0:
        raise UsageError(f"{what} is {shown(value)}: a length of time is needed, as in 500ms, 2s, 10m or 1h")
    return length
