"""The table that every trellis code reads values from, and what it was measured to leave of a Gaussian source.

`trellis_table.bin` is written by `python -m scripts.build_trellis_table` and belongs to the format of codes: codes that
were written with a table are read with that same table, for ever.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.errors import VectorIndexError

MEMORY = 10  # bits that a value depends on
STATES = 1 << MEMORY
LARGEST_STEP = 8  # bits read at once
WIDTHS = (1, 2)  # components per step
TABLE_PATH = Path(__file__).parent / "trellis_table.bin"
_SHA256 = "075cc522ceb88115b1cf4b3764cac0ef4379b1cfd853525cd7ff2bc6414210e4"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Quantizer:
    """Steps of some width, for Gaussian components of unit variance.

    values: (width, STATES) float32, of unit variance. gains: (LARGEST_STEP + 1,), by which values are scaled for a
    number of bits per step. error: (LARGEST_STEP + 1,), mean square error of a component that is left; 1 for no bits.
    """

    values: Floats
    gains: Floats
    error: NDArray[np.float64]

    def scaled(self, bits: int) -> Floats:
        """Values for steps of so many bits, (width, STATES)."""
        scaled: Floats = self.values * self.gains[bits]
        return scaled


@cache
def quantizers() -> dict[int, Quantizer]:
    """The quantizers by width. Raises VectorIndexError where the table's file is missing or altered."""
    try:
        content = TABLE_PATH.read_bytes()
    except OSError as error:
        raise VectorIndexError(f"{TABLE_PATH.name} is missing: install facesearch anew") from error
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise VectorIndexError(f"{TABLE_PATH.name} is damaged: install facesearch anew")
    return read_table(content)


def read_table(content: bytes) -> dict[int, Quantizer]:
    """The quantizers in the table's bytes: per width values, gains, errors, all little-endian float32."""
    numbers = np.frombuffer(content, "<f4").astype(np.float32)
    found, at, rates = {}, 0, LARGEST_STEP + 1
    for width in WIDTHS:
        values = numbers[at : at + width * STATES].reshape(width, STATES)
        gains, error = numbers[at + values.size :][: 2 * rates].reshape(2, rates)
        found[width] = Quantizer(values, gains, error.astype(np.float64))
        at += values.size + 2 * rates
    return found


def table_bytes(tables: dict[int, Quantizer]) -> bytes:
    """What `read_table` reads."""
    parts = [part for width in WIDTHS for part in (tables[width].values, tables[width].gains, tables[width].error)]
    return b"".join(part.astype("<f4").tobytes() for part in parts)
