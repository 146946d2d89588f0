"""Rotations in front of codes: inner products are kept (nearly, where dimensions are dropped), coding gets easier."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indexes.codes import Bytes, Codes, Floats, Mask, PortableCodes, Progress, Rows
from indexes.container import SectionReader, SectionWriter
from indexes.errors import VectorIndexError

_SEED = 20260


class TurnedCodes(ABC):
    """Codes of vectors that are turned before they are coded, as queries are, and turned back when they are given."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes

    @abstractmethod
    def _with(self, codes: Codes) -> Self:
        """Other codes behind the same rotation."""

    @abstractmethod
    def _turned(self, x: Floats) -> Floats:
        """The rotation of x (n, d): (n, c)."""

    @abstractmethod
    def _turned_back(self, y: Floats) -> Floats:
        """The vectors (n, d) whose rotation is y (n, c)."""

    def _prepared(self, x: Floats) -> Floats:
        """What is coded for x (n, d): (n, c)."""
        return self._turned(x)

    @property
    def is_trained(self) -> bool:
        return self._codes.is_trained

    @property
    def is_precise(self) -> bool:
        return self._codes.is_precise

    def __len__(self) -> int:
        return len(self._codes)

    def train(self, x: Floats, progress: Progress | None = None) -> None:
        self._codes.train(self._turned(x), progress)

    def add(self, x: Floats) -> None:
        self._codes.add(self._prepared(x))

    def encode(self, x: Floats) -> Bytes:
        return self._portable().encode(self._prepared(x))

    def add_codes(self, codes: Bytes) -> None:
        self._portable().add_codes(codes)

    def decode_codes(self, codes: Bytes) -> Floats:
        return self._turned_back(self._portable().decode_codes(codes))

    def _portable(self) -> PortableCodes:
        assert isinstance(self._codes, PortableCodes)  # noqa: S101 - `indexes.coder` asks the kind
        return self._codes

    def remove(self, rows: Rows) -> None:
        self._codes.remove(rows)

    def emptied(self) -> Self:
        return self._with(self._codes.emptied())

    def copy(self) -> Self:
        return self._with(self._codes.copy())

    def candidates(
        self, q: Floats, count: int, passed: Rows | None = None, allowed: Mask | None = None
    ) -> tuple[Floats, Rows]:
        return self._codes.candidates(self._turned(q), count, passed, allowed)

    def coded_queries(self, q: Floats) -> Floats:
        return self._codes.coded_queries(self._turned(q))

    def decode(self, rows: Rows) -> Floats:
        return self._codes.decode(rows)

    def reconstruct(self, rows: Rows) -> Floats:
        return self._turned_back(self._codes.reconstruct(rows))

    @abstractmethod
    def save(self, writer: SectionWriter, name: str) -> None: ...


class RotatedCodes(TurnedCodes):
    """Codes of R x, (c,), in place of x, (d,): R has orthonormal rows, so that q·x ≈ (R q)·(R x).

    rotation: R (c, d), or None where `learn` makes it from the training vectors.
    """

    def __init__(self, codes: Codes, rotation: Floats | None, learn: Callable[[Floats], Floats] | None = None) -> None:
        super().__init__(codes)
        self._rotation = rotation
        self._learn = learn

    @classmethod
    def restored(
        cls,
        reader: SectionReader,
        name: str,
        shape: tuple[int, int],
        restore: Callable[[SectionReader, str], Codes],
        learn: Callable[[Floats], Floats] | None = None,
    ) -> RotatedCodes:
        rotation = None
        if reader.section(f"{name}.rotation").size or learn is None:
            rotation = np.array(reader.array(f"{name}.rotation", "<f4", shape), np.float32)
            if not np.isfinite(rotation).all():
                raise VectorIndexError("its rotation is not of finite numbers")
        codes = restore(reader, f"{name}.rotated")
        if rotation is None and len(codes):
            raise VectorIndexError("its rotation is missing")
        return cls(codes, rotation, learn)

    @property
    def is_trained(self) -> bool:
        return self._rotation is not None and super().is_trained

    def train(self, x: Floats, progress: Progress | None = None) -> None:
        if self._learn is not None:
            self._rotation = self._learn(x)
        super().train(x, progress)

    def save(self, writer: SectionWriter, name: str) -> None:
        rotation = np.empty(0, np.float32) if self._rotation is None else self._rotation
        writer.array(f"{name}.rotation", rotation)
        self._codes.save(writer, f"{name}.rotated")

    def _with(self, codes: Codes) -> Self:
        return type(self)(codes, self._rotation, self._learn)

    def _turned(self, x: Floats) -> Floats:
        assert self._rotation is not None  # noqa: S101 - callers ask is_trained
        return _products(x, self._rotation)

    def _turned_back(self, y: Floats) -> Floats:
        assert self._rotation is not None  # noqa: S101 - there are no rows or codes before training
        return _products(y, self._rotation.T)


def _products(x: Floats, rotation: Floats) -> Floats:
    """x (n, d) times rotation (c, d) transposed: (n, c); a row's result does not depend on the other rows.

    Matrix products of different shapes round differently. What a query finds must not depend on its batch: queries are
    few and go one by one.
    """
    if len(x) > 4096:
        return np.ascontiguousarray(x @ rotation.T)
    return np.stack([rotation @ row for row in x]) if len(x) else np.empty((0, len(rotation)), np.float32)


def random_rotation(dimension: int) -> Floats:
    """The same random orthonormal matrix (dimension, dimension) every time: spreads what is in few components."""
    normal = np.random.default_rng(_SEED).standard_normal((dimension, dimension))
    q, r = np.linalg.qr(normal)
    return np.asarray(q * np.sign(np.diag(r)), np.float32)


def principal_rotation(x: Floats, components: int) -> Floats:
    """The subspace of the greatest second moments of x (n, d), randomly rotated within: (components, d).

    Not centred, because inner products are to be kept. The rotation gives every component its equal share of the
    variance, which suits codes that spend equal bits on each.
    """
    return np.asarray(random_rotation(components) @ _principal_axes(x)[:components], np.float32)


def balanced_rotation(x: Floats, groups: int) -> Floats:
    """Principal axes of x (n, d), dealt out to groups of equal size whose variances multiply to the same: (d, d).

    The optimum of optimized product quantization for normal distributions (Ge et al., "Optimized Product Quantization
    for Approximate Nearest Neighbor Search", CVPR 2013, section 3.2.2), found without iterating.
    """
    d = x.shape[1]
    axes, variances = _principal_axes(x), _second_moments(x)
    logs = np.log(np.maximum(np.sort(np.linalg.eigvalsh(variances))[::-1], 1e-12))
    members: list[list[int]] = [[] for _ in range(groups)]
    sums = np.zeros(groups)
    for axis in range(d):
        group = int(np.argmin(np.where([len(m) < d // groups for m in members], sums, np.inf)))
        members[group].append(axis)
        sums[group] += logs[axis] - logs[-1]
    return np.asarray(axes[np.concatenate(members)], np.float32)


def _second_moments(x: Floats) -> NDArray[np.float64]:
    return np.asarray((x.T @ x) / len(x), np.float64)


def _principal_axes(x: Floats) -> NDArray[np.float64]:
    """Eigenvectors of the second moments as rows, greatest first, each with its largest entry positive: (d, d)."""
    _, vectors = np.linalg.eigh(_second_moments(x))
    axes = vectors.T[::-1]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], 1)
    return np.asarray(axes * np.sign(largest), np.float64)
