"""Vectors, indexes and an exact search written out, for the tests of `indexes`."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from indexes import VectorIndex, create_index

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

KINDS = (  # of the small dimension below
    "flat",
    "fp16",
    "sq8",
    "sq6",
    "sq4",
    "pq4",
    "opq4",
    "fs4",
    "rabitq",
    "pca8,sq8",
    "rabitq+sq8",
    "tcq8",
    "rabitq+tcq6",
    "pca8,fs4+pca12,sq6",
    "ivf4,flat",
    "ivf4,sq4",
    "ivf4,fs4",
    "pca8,ivf4,fs4+sq8",
    "hnsw8",
    "hnsw8,sq8",
)
FINE = ("flat", "fp16", "sq8", "sq6", "rabitq+sq8")  # fine enough to tell vectors of the samples apart
DIMENSION = 16


def unit(x: NDArray[np.floating]) -> Floats:
    """Divide each row of x (n, d) by its length."""
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.maximum(lengths, 1e-12), dtype=np.float32)


def directions(n: int, dimension: int = DIMENSION, seed: int = 0) -> Floats:
    """Return n unit vectors spread over all directions."""
    return unit(np.random.default_rng(seed).standard_normal((n, dimension)))


@cache
def people(identities: int = 200, images: int = 10, dimension: int = 128) -> tuple[Floats, Floats, Ints]:
    """Return templates (identities * images, d), one query per identity (identities, d), the templates' identities."""
    rng = np.random.default_rng(7)
    centres = unit(rng.standard_normal((identities, dimension)))
    noise = rng.standard_normal((identities, images + 1, dimension)) * (0.6 / dimension**0.5)
    faces = unit((centres[:, None] + noise).reshape(-1, dimension)).reshape(identities, images + 1, dimension)
    return faces[:, 1:].reshape(-1, dimension), faces[:, 0], np.repeat(np.arange(identities), images)


def ready_index(kind: str, dimension: int = DIMENSION) -> VectorIndex:
    """Make an empty index that takes vectors; all of one kind are trained alike."""
    index = create_index(kind, dimension)
    if index.training_size:
        index.train(directions(index.training_size, dimension, seed=1))
    return index


def filled_index(kind: str, n: int = 40, dimension: int = DIMENSION) -> VectorIndex:
    index = ready_index(kind, dimension)
    index.add(np.arange(n) * 3, directions(n, dimension, seed=2))
    return index


def exact_search(
    ids: Ints, x: NDArray[np.floating], q: NDArray[np.floating], k: int
) -> tuple[NDArray[np.float64], Ints]:
    """The oracle: every inner product in double precision, best first, then lowest id."""
    products = q.astype(np.float64) @ x.astype(np.float64).T  # (m, n)
    order = np.lexsort((np.broadcast_to(ids, products.shape), -products), axis=-1)[:, :k]
    return np.take_along_axis(products, order, 1), ids[order]
