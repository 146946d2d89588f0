"""Whole numbers of 2 to 8 bits in bytes without gaps: the first number in the lowest bits of the first byte."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_BLOCK = 1 << 20  # numbers at a time, a multiple of 8: their bits lie apart while they are packed


def packed_size(count: int, bits: int) -> int:
    """Bytes for `count` numbers."""
    return -(-count * bits // 8)


def pack(codes: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint8]:
    """Codes (n,) uint8, each below 2^bits -> bytes (packed_size,) uint8. Raises `ValueError` for larger codes."""
    if len(codes) and int(codes.max()) >> bits:
        raise ValueError(f"a code does not fit in {bits} bits")
    if bits == 8:
        return codes.copy()
    parts = []
    for start in range(0, len(codes), _BLOCK):
        apart = codes[start : start + _BLOCK, None] >> np.arange(bits, dtype=np.uint8) & np.uint8(1)  # (n, bits)
        parts.append(np.packbits(apart.reshape(-1), bitorder="little"))
    return np.concatenate(parts) if parts else np.zeros(0, np.uint8)


def unpack(data: npt.NDArray[np.uint8], count: int, bits: int) -> npt.NDArray[np.uint8]:
    """The `count` codes (count,) uint8 in bytes that `pack` made. Raises `ValueError` for another number of bytes."""
    if data.shape != (packed_size(count, bits),):
        raise ValueError(f"{count} codes of {bits} bits take {packed_size(count, bits)} bytes, not {data.size}")
    if bits == 8:
        return data.copy()
    parts = []
    weights = (np.uint8(1) << np.arange(bits, dtype=np.uint8)).astype(np.uint8)
    for start in range(0, count, _BLOCK):
        some = min(_BLOCK, count - start)
        place = start * bits // 8
        apart = np.unpackbits(data[place : place + packed_size(some, bits)], count=some * bits, bitorder="little")
        parts.append((apart.reshape(some, bits) * weights).sum(axis=1, dtype=np.uint8))
    return np.concatenate(parts) if parts else np.zeros(0, np.uint8)
