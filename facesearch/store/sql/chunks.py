"""Long lists of values for SQL's IN, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

_CHUNK = 500  # values in one IN list; old builds of SQLite allow 999

T = TypeVar("T")


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in their order, at most 500 at a time."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def padded(values: Sequence[T]) -> list[T]:
    """The values, the last one as often as it takes to a power of two: SQL of few lengths is prepared once each."""
    wanted = 1 << max(len(values) - 1, 0).bit_length()
    return [*values, *[values[-1]] * (wanted - len(values))]
