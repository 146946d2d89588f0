"""The first directory of a TIFF file or an EXIF block (TIFF 6.0, section 2); no value that it names is read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MOST_VALUES = 8 << 20  # bytes that all entries name; they may name the same ones again and again
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # bytes, by kind
_BYTES = {1, 2, 6, 7}


@dataclass(frozen=True, slots=True)
class Entry:
    """tag; kind of values and how many there are; number: where they begin, or the value where that is one number."""

    tag: int
    kind: int
    count: int
    number: int

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return self.count * _SIZES.get(self.kind, 0)

    @property
    def is_numbers(self) -> bool:
        """Whether the values are numbers, each of which is an object of its own once it is read."""
        return self.kind not in _BYTES


def entries(data: bytes) -> Iterator[Entry]:
    """The entries; none where this is no TIFF file."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return
    (start,) = struct.unpack_from(order + "I", data, 4)
    if start + 2 > len(data):
        return
    (count,) = struct.unpack_from(order + "H", data, start)
    for place in range(start + 2, min(start + 2 + 12 * count, len(data) - 11), 12):
        tag, kind, number = struct.unpack_from(order + "HHI", data, place)
        (value,) = struct.unpack_from(order + ("H" if (kind, number) == (3, 1) else "I"), data, place + 8)
        yield Entry(tag, kind, number, value)


def values_fit(data: bytes) -> bool:
    """Whether the values are of about the size of the file or block together."""
    most, total = _MOST_VALUES + 2 * len(data), 0
    for entry in entries(data):
        if entry.size > 4:
            total += max(0, min(entry.size, len(data) - entry.number))
        if total > most:
            return False
    return True
