"""Frozen dataclasses to JSON and back, without loss.

Values are what JSON knows: None, bool, int, float, str, tuples, and dataclasses of these. A float is written so that
reading gives the same bits (Python's `repr`); one that is not finite is refused, JSON has no word for it.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_LARGEST = 2.0**63  # of a number: no count, size or time is larger, and sums of such are finite


def to_document(value: object) -> Any:
    """Dictionaries, tuples and plain values for `json.dumps(…, allow_nan=False)`."""
    return msgspec.to_builtins(value)


def from_document(kind: type[T], document: Any) -> T:
    """An object of the dataclass `kind`; fields that it does not have are passed over.

    Raises `ValueError` where the document is not of that shape: what was expected, and at which path.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def check_numbers(document: Any) -> None:
    """Raises `ValueError`, with the path, for a number beyond ±2⁶³: figures that are added, divided and drawn."""
    waiting = [(document, "$")]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, dict):
            waiting += [(each, f"{path}.{key}") for key, each in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [(each, f"{path}[...]") for each in value]
        elif isinstance(value, int | float) and not abs(value) <= _LARGEST:
            raise ValueError(f"Expected a number within ±2⁶³ - at `{path}`")
