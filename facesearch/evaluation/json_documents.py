"""Frozen dataclasses to JSON and back, without loss.

Values are what JSON knows: None, bool, int, float, str, tuples, and dataclasses of these. A float is written so that
reading gives the same bits (Python's `repr`); one that is not finite is refused, JSON has no word for it.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


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
