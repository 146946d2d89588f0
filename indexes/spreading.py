"""A fixed rotation in front of codes with one range for all components: nothing is learnt, and nothing is clipped.

Whatever a unit vector is like, signs drawn once and Hadamard transforms spread it over all its components, which then
look like a normal distribution of variance 1/d (Ailon and Chazelle, "The Fast Johnson-Lindenstrauss Transform", SIAM J.
Computing 39(1), 2009). So one range suits every encoder and every face, and no statistics of anybody's are needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indexes.codes import Codes, Floats
from indexes.container import SectionReader, SectionWriter
from indexes.rotation import TurnedCodes

_ROUNDS = 2
_SECTION = "spread"
_CHUNK = 1024  # vectors rounded at once

Rounding = Callable[[Floats], Floats]


def spread(x: Floats) -> Floats:
    """The rotation of x (n, d), always the same one of a dimension. A row's result does not depend on other rows."""
    y = np.array(x, np.float32)
    width = _block(y.shape[1])
    for first, second in _rounds(y.shape[1]):
        y *= first
        y[:, :width] = _hadamard(y[:, :width])
        if width < y.shape[1]:  # the last components, too: blocks overlap, and the second must not undo the first
            y *= second
            y[:, -width:] = _hadamard(y[:, -width:])
    return y


def gathered(y: Floats) -> Floats:
    """The vectors x (n, d) whose rotation is y (n, d)."""
    x = np.array(y, np.float32)
    width = _block(x.shape[1])
    for first, second in _rounds(x.shape[1])[::-1]:
        if width < x.shape[1]:
            x[:, -width:] = _hadamard(x[:, -width:])
            x *= second
        x[:, :width] = _hadamard(x[:, :width])
        x *= first
    return x


def rounded_in_direction(y: Floats, half: float, bits: int) -> Floats:
    """Vectors y (n, d) on the grid of 2^bits steps from −half to half, so chosen that y·rounded is y·y nearly.

    Each component is rounded to the nearest step, then some, those that cost least, to the second nearest, until the
    errors cancel along y. Faces that resemble each other are then found alike as they should be, although the steps are
    coarse: an error along what all have in common would make some of them alike to everybody (compare Guo et al.,
    "Accelerating Large-Scale Inference with Anisotropic Vector Quantization", ICML 2020).
    """
    chunks = [_rounded(y[start : start + _CHUNK], half, bits) for start in range(0, len(y), _CHUNK)]
    return np.concatenate(chunks) if chunks else y


def _rounded(y: Floats, half: float, bits: int) -> Floats:
    most = 2**bits - 1
    step = np.float32(2 * half / most)
    places = np.clip(np.floor((y + np.float32(half)) / step), 0, most)  # FAISS decodes the middle of each step
    errors = (places + np.float32(0.5)) * step - np.float32(half) - y  # (n, d)
    along = (errors * y).sum(axis=1, keepdims=True)  # (n, 1): is to vanish
    ways = -np.sign(along * y)
    possible = (ways != 0) & (places + ways >= 0) & (places + ways <= most)
    gains = np.where(possible, step * np.abs(y), 0)
    costs = np.where(possible, (2 * errors * ways + step) / np.maximum(np.abs(y), np.float32(1e-12)), np.inf)
    order = np.argsort(costs, axis=1, kind="stable")
    gains = np.take_along_axis(gains, order, 1)
    chosen = np.cumsum(gains, axis=1) - gains / 2 < np.abs(along)
    chosen &= np.take_along_axis(possible, order, 1)
    moved = np.zeros_like(chosen)
    np.put_along_axis(moved, order, chosen, 1)
    return np.asarray((places + moved * ways + np.float32(0.5)) * step - np.float32(half), np.float32)


class SpreadCodes(TurnedCodes):
    """Codes of rotated vectors. rounding: what rotated vectors (n, d) are replaced by before they are coded."""

    def __init__(self, codes: Codes, rounding: Rounding | None = None) -> None:
        super().__init__(codes)
        self._rounding = rounding

    @staticmethod
    def is_in(reader: SectionReader, name: str) -> bool:
        """Whether a file holds such codes under the name: earlier versions wrote the codes of vectors as they are."""
        return reader.has(f"{name}.{_SECTION}")

    @classmethod
    def restored(
        cls,
        reader: SectionReader,
        name: str,
        restore: Callable[[SectionReader, str], Codes],
        rounding: Rounding | None = None,
    ) -> SpreadCodes:
        return cls(restore(reader, f"{name}.{_SECTION}"), rounding)

    def save(self, writer: SectionWriter, name: str) -> None:
        self._codes.save(writer, f"{name}.{_SECTION}")

    def _with(self, codes: Codes) -> Self:
        return type(self)(codes, self._rounding)

    def _turned(self, x: Floats) -> Floats:
        return spread(x)

    def _turned_back(self, y: Floats) -> Floats:
        return gathered(y)

    def _prepared(self, x: Floats) -> Floats:
        turned = spread(x)
        return turned if self._rounding is None else self._rounding(turned)


def _block(dimension: int) -> int:
    """The largest power of two that is not more."""
    return 1 << (dimension.bit_length() - 1)


@cache
def _signs(dimension: int, of: str = "") -> Floats:
    """Signs (rounds, dimension), the same for ever: not those of a random generator, which may change."""
    count = _ROUNDS * dimension
    drawn = hashlib.shake_128(f"facesearch spread{of} {dimension}".encode()).digest((count + 7) // 8)
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8), count=count)
    return np.where(bits, np.float32(1), np.float32(-1)).reshape(_ROUNDS, dimension)


def _rounds(dimension: int) -> list[tuple[Floats, Floats]]:
    """For each round the signs (dimension,) before the first block, and those before the second."""
    return list(zip(_signs(dimension), _signs(dimension, " between"), strict=True))


@cache
def _matrix(width: int) -> Floats:
    """The orthonormal Hadamard matrix (width, width) of a power of two."""
    matrix = np.ones((1, 1))
    while len(matrix) < width:
        matrix = np.kron(matrix, np.array([[1, 1], [1, -1]]))
    return np.asarray(matrix / np.sqrt(width), np.float32)


def _hadamard(x: NDArray[np.float32]) -> Floats:
    """The Hadamard transform of x (n, w): as two products of small matrices of each row, so that rows stay apart."""
    n, width = x.shape
    left = 1 << ((width.bit_length() - 1) // 2)
    squares = np.ascontiguousarray(x).reshape(n, left, width // left)
    return np.asarray((_matrix(left) @ (squares @ _matrix(width // left))).reshape(n, width))
