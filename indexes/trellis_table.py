"""The table that every trellis code reads values from, and what it was measured to leave of a Gaussian source.

`trellis_table.safetensors` is written by `python -m scripts.build_trellis_table`: `values.1`, `gains.1`, `error.1` for
steps one component wide, `values.2`, … for pairs, see `Quantizer`, all float32. Its numbers belong to the format of
codes: codes that were written with a table are read with that same table, for ever.
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
TABLE_PATH = Path(__file__).parent / "trellis_table.safetensors"
_SHA256 = "bc27a3ae83cd8fe98ff0e0f5b15248222ff3db518d6f7756c8f9a085817356f2"

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
    from safetensors.numpy import load  # here: most kinds of index need no table

    try:
        content = TABLE_PATH.read_bytes()
    except OSError as error:
        raise VectorIndexError(f"{TABLE_PATH.name} is missing: install facesearch anew") from error
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise VectorIndexError(f"{TABLE_PATH.name} is damaged: install facesearch anew")
    numbers = load(content)
    return {
        width: Quantizer(
            numbers[f"values.{width}"], numbers[f"gains.{width}"], numbers[f"error.{width}"].astype(np.float64)
        )
        for width in WIDTHS
    }
