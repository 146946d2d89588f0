"""How each family of kinds turns a vector into code bytes: the FAISS object, its training, and what a file must show.

A *base* is the FAISS index that holds codes in numbered rows, without ids. Functions come in threes, one set per
family, and are listed in the table of `indexes.kinds`:

- `<family>_base(dimension, parameter)` makes an empty base for inner product,
- `train_<family>(base, x)` learns from x, (n, dimension) float32; families that learn nothing have none,
- `is_<family>(base, dimension, parameter)` says whether a base read from a file is of that very kind.

FAISS and NumPy are imported inside the functions, so that the table can be read without loading either.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from indexes.faiss_library import faiss

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Components of unit vectors have variance 1/d when directions are spread out; six sigmas clip practically nothing and
# leave the 256 steps fine (cosine between a 512-d vector and its INT8 form: 0.9999).
# Vectors that lie in few components, such as one-hot ones, are clipped hard, trained or not: not what encoders give.
_SIGMAS = 6.0
# A component that hardly varied in training may vary later: its range never shrinks below this part of the preset.
_NARROWEST = 1 / 16
PQ_CENTROIDS = 256  # 8 bits


def flat_base(dimension: int, parameter: int) -> Any:
    return faiss().IndexFlatIP(dimension)


def is_flat(base: Any, dimension: int, parameter: int) -> bool:
    return isinstance(base, faiss().IndexFlat) and _holds(base, dimension, 4 * dimension)


def sq8_base(dimension: int, parameter: int) -> Any:
    """Make an INT8 base that is ready without training: every component covers ±min(1, 6/sqrt(dimension))."""
    import numpy as np

    library = faiss()
    base = library.IndexScalarQuantizer(dimension, library.ScalarQuantizer.QT_8bit, library.METRIC_INNER_PRODUCT)
    half = np.full(dimension, _preset_half_width(dimension))
    _set_ranges(base, -half, half)
    base.is_trained = True
    return base


def train_sq8(base: Any, x: NDArray[Any]) -> None:
    """Set each component's range to mean ± 6 standard deviations of x, within [-1, 1]."""
    import numpy as np

    d = x.shape[1]
    preset = _preset_half_width(d)
    mean = np.clip(x.mean(axis=0, dtype=np.float64), -1.0, 1.0)  # (d,)
    half = np.maximum(_SIGMAS * x.std(axis=0, dtype=np.float64), preset * _NARROWEST)  # (d,)
    _set_ranges(base, np.maximum(mean - half, -1.0), np.minimum(mean + half, 1.0))


def is_sq8(base: Any, dimension: int, parameter: int) -> bool:
    import numpy as np

    library = faiss()
    if not isinstance(base, library.IndexScalarQuantizer) or not _holds(base, dimension, dimension):
        return False
    ranges = library.vector_to_array(base.sq.trained)  # (2 * dimension,): lowest values, then widths
    return (
        base.sq.qtype == library.ScalarQuantizer.QT_8bit
        and base.is_trained
        and ranges.size == 2 * dimension
        and bool(np.isfinite(ranges).all())
    )


def pq_base(dimension: int, parameter: int) -> Any:
    library = faiss()
    base = library.IndexPQ(dimension, parameter, 8, library.METRIC_INNER_PRODUCT)
    # The callers' minimum is one vector per centroid; FAISS would print a warning below 39 of them.
    base.pq.cp.min_points_per_centroid = 1
    return base


def train_pq(base: Any, x: NDArray[Any]) -> None:
    """Learn the codebooks by k-means (FAISS's fixed seed: the same x gives the same codebooks)."""
    base.train(x)


def is_pq(base: Any, dimension: int, parameter: int) -> bool:
    import numpy as np

    library = faiss()
    if not isinstance(base, library.IndexPQ) or not _holds(base, dimension, parameter):
        return False
    centroids = library.vector_to_array(base.pq.centroids)  # (PQ_CENTROIDS * dimension,)
    return (
        (base.pq.M, base.pq.nbits, base.pq.d) == (parameter, 8, dimension)
        and centroids.size == PQ_CENTROIDS * dimension
        and bool(np.isfinite(centroids).all())
    )


def _preset_half_width(dimension: int) -> float:
    return min(1.0, _SIGMAS / sqrt(dimension))


def _set_ranges(base: Any, low: NDArray[Any], high: NDArray[Any]) -> None:
    """Write the table of FAISS's QT_8bit: the lowest value of every component, then every component's width."""
    import numpy as np

    table = np.concatenate([low, high - low]).astype(np.float32)  # (2 * dimension,)
    faiss().copy_array_to_vector(table, base.sq.trained)


def _holds(base: Any, dimension: int, code_size: int) -> bool:
    found = (base.d, base.metric_type, base.code_size, base.codes.size())
    return bool(found == (dimension, faiss().METRIC_INNER_PRODUCT, code_size, base.ntotal * code_size))
