"""What a trellis code knows of the vectors it codes: mean, principal axes, variances (the Karhunen-Loève transform).

    magic, 8 bytes | dimension, 4 | axes, 4 | mean, float32 | variances, float32 | axes, float16 | SHA-256, 32 bytes

All little-endian. Axes with no variance to speak of are left out: encoders often end in a layer that is narrower than
their templates (EdgeFace-XS: 512 numbers of 192), and what such templates do not use needs no bits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from indexes.errors import TrainingError, VectorIndexError

MAGIC = b"FSKLT\x00\x00\x01"
_LARGEST_DIMENSION = 65_536
_DIGEST = 32
# Variances below this part of the greatest are rounding noise of float32 templates.
_NOTHING = 1e-5
_SEED = 20261128
_SAMPLED = 0.9  # a rank this near the number of vectors comes from their being few

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class KarhunenLoeve:
    """Unit vectors x (d,) as x ≈ mean + axesᵀ y, with components y (r,) of zero mean, uncorrelated.

    mean (d,) float32; axes (r, d) float16, as they are stored; variances (r,) float32 of y, descending.
    """

    mean: Floats
    axes: NDArray[np.float16]
    variances: Floats
    _rows: Floats = field(init=False, repr=False)  # (r, d), orthonormal
    _mean_components: Floats = field(init=False, repr=False)  # (r,)

    def __post_init__(self) -> None:
        rows = self.axes.astype(np.float64)
        # What float16 took from their being orthonormal, to first order: a step of Newton's for (A Aᵀ)^(-1/2) A.
        rows -= (rows @ rows.T - np.eye(len(rows))) @ rows / 2
        object.__setattr__(self, "_rows", rows.astype(np.float32))
        object.__setattr__(self, "_mean_components", self._rows @ self.mean)

    @property
    def dimension(self) -> int:
        return int(self.mean.size)

    @property
    def components(self) -> int:
        return int(self.variances.size)

    def project(self, x: Floats) -> Floats:
        """Components (n, r) of x (n, d). A row's result does not depend on the other rows."""
        if not len(x):
            return np.empty((0, self.components), np.float32)
        return np.stack([self._rows @ (row - self.mean) for row in x])

    def coded_queries(self, q: Floats) -> Floats:
        """Queries q (n, d) in the space of `directions`: (n, r + 1), with the same inner products."""
        if not len(q):
            return np.empty((0, self.components + 1), np.float32)
        return np.stack([np.append(self._rows @ row, row @ self.mean) for row in q])

    def directions(self, y: Floats) -> Floats:
        """Components y (n, r) -> (n, r + 1) whose product with a coded query is the cosine to mean + axesᵀ y."""
        squares = np.vecdot(y, y) + 2 * np.vecdot(y, self._mean_components) + np.float32(self.mean @ self.mean)  # (n,)
        scale = 1 / np.sqrt(np.maximum(squares, np.float32(1e-12)))
        return np.concatenate([y * scale[:, None], scale[:, None]], axis=1)

    def offsets(self, y: Floats) -> Floats:
        """Components y (n, r) -> axesᵀ y (n, d). A row's result does not depend on the other rows."""
        return np.stack([row @ self._rows for row in y])

    def reconstruct(self, y: Floats) -> Floats:
        """Components y (n, r) -> unit vectors (n, d). A row's result does not depend on the other rows."""
        if not len(y):
            return np.empty((0, self.dimension), np.float32)
        x = self.offsets(y) + self.mean  # (n, d)
        return np.asarray(x / np.sqrt(np.maximum(np.vecdot(x, x), np.float32(1e-12)))[:, None], np.float32)

    def to_bytes(self) -> bytes:
        """The format above."""
        sizes = np.array([self.dimension, self.components], "<u4")
        parts = (sizes, self.mean.astype("<f4"), self.variances.astype("<f4"), self.axes.astype("<f2"))
        content = MAGIC + b"".join(part.tobytes() for part in parts)
        return content + hashlib.sha256(content).digest()

    @classmethod
    def from_bytes(cls, content: bytes) -> KarhunenLoeve:
        """Read `to_bytes`. Raises VectorIndexError for anything else."""
        head = len(MAGIC) + 8
        if len(content) < head + _DIGEST or content[: len(MAGIC)] != MAGIC:
            raise VectorIndexError("not a codebook, or cut short")
        d, r = np.frombuffer(content, "<u4", 2, len(MAGIC)).tolist()
        if not 1 <= r <= d <= _LARGEST_DIMENSION or len(content) != head + 4 * (d + r) + 2 * d * r + _DIGEST:
            raise VectorIndexError("the codebook's length is not what it says")
        if hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
            raise VectorIndexError("the codebook's checksum is wrong")
        mean = np.frombuffer(content, "<f4", d, head).astype(np.float32)
        variances = np.frombuffer(content, "<f4", r, head + 4 * d).astype(np.float32)
        axes = np.frombuffer(content, "<f2", d * r, head + 4 * (d + r)).astype(np.float16).reshape(r, d)
        finite = all(np.isfinite(part).all() for part in (mean, variances, axes))
        if not finite or np.abs(mean).max() > 1 or not (variances > 0).all() or (np.diff(variances) > 0).any():
            raise VectorIndexError("the codebook holds impossible numbers")
        return cls(mean, axes, variances)


def learn_transform(x: Floats) -> KarhunenLoeve:
    """Mean, axes and variances of unit vectors x (n, d); the same x teaches the same.

    Few vectors do not show all axes, and overrate those they show. Their covariance is therefore shrunk towards equal
    variances, as far as Chen et al. ("Shrinkage Algorithms for MMSE Covariance Estimation", IEEE TSP 58(10), 2010,
    "OAS") estimate to be best, within the axes that vectors of the kind can use. Raises TrainingError for fewer than 2.
    """
    n, d = x.shape
    if n < 2:
        raise TrainingError(f"a codebook needs at least 2 vectors to be learnt, got {n}")
    mean = x.mean(axis=0, dtype=np.float64)
    centred = x - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / n)
    variances, axes = np.maximum(variances[::-1], 0.0), axes.T[::-1]  # greatest first; axes as rows
    rank = max(1, int((variances > _NOTHING * variances[0]).sum()))
    if rank >= _SAMPLED * min(n - 1, d):
        rank = d  # nothing shows that the other axes are unused
    variances, axes = variances[:rank], axes[:rank]
    total, squares = variances.sum(), (variances**2).sum()
    numerator = (1 - 2 / rank) * squares + total**2
    denominator = (n + 1 - 2 / rank) * (squares - total**2 / rank)
    shrinkage = 1.0 if denominator <= 0 else float(np.clip(numerator / denominator, 0.0, 1.0))
    variances = (1 - shrinkage) * variances + shrinkage * total / rank
    # The sign of an axis is arbitrary: its largest entry is made positive, so that machines agree.
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], 1)
    axes = np.where(largest < 0, -axes, axes)
    variances = np.minimum.accumulate(np.maximum(variances, 1e-12).astype(np.float32))
    return KarhunenLoeve(mean.astype(np.float32), axes.astype(np.float16), variances)


def drawn_vectors(count: int, dimension: int, transform: bytes | None = None, centres: Floats | None = None) -> Floats:
    """Unit vectors (count, dimension) drawn at random: always the same ones, and of nobody.

    transform: `KarhunenLoeve.to_bytes` of what they are to be like, normally distributed; None: all directions alike.
    centres: (c, dimension), around which every fourth vector lies, in turns, in place of the mean. Raises
    VectorIndexError where something is of another dimension.
    """
    chance = np.random.default_rng(_SEED)
    if transform is None:
        normal = chance.standard_normal((count, dimension), np.float32)
        return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True), np.float32)
    known = KarhunenLoeve.from_bytes(transform)
    if known.dimension != dimension:
        raise VectorIndexError(f"the codebook is of dimension {known.dimension}, not {dimension}")
    drawn = known.reconstruct(chance.standard_normal((count, known.components), np.float32) * np.sqrt(known.variances))
    if centres is None:
        return drawn
    if centres.shape[1:] != (dimension,) or not len(centres):
        raise VectorIndexError(f"the centres are of shape {centres.shape}, not (c, {dimension})")
    fourth = len(drawn[::4])
    y = chance.standard_normal((fourth, known.components), np.float32) * np.sqrt(known.variances)
    around = centres[np.arange(fourth) % len(centres)] + known.offsets(y)
    drawn[::4] = around / np.linalg.norm(around, axis=1, keepdims=True)
    return drawn
