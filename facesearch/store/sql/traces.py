"""Bytes by which copies of stored values are recognised, after the rows that held them are deleted."""

from __future__ import annotations

_PIECE = 32


def traces_of(value: bytes) -> set[bytes]:
    """Pieces of a stored value by which a copy of it is recognised, also where a part has been overwritten."""
    middle = max(0, len(value) // 2 - _PIECE // 2)
    return {value[:_PIECE], value[middle : middle + _PIECE], value[-_PIECE:]} - {b""}


def stored_integer(value: int) -> tuple[int, bytes]:
    """The serial type of a positive integer in a record, and its bytes there."""
    if value <= 1:
        return 8 + value, b""
    length = (value.bit_length() + 8) // 8
    kind, size = next((kind, size) for kind, size in ((1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (6, 8)) if size >= length)
    return kind, value.to_bytes(size, "big")
