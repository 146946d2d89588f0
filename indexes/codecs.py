"""How each family of codes turns a vector into bytes: the FAISS object, its training, and what a file must show.

A *base* is the FAISS index that holds codes in numbered rows, without ids. Functions come in threes, one set per
family, and are listed in the table of `indexes.kinds`:

- `<family>_base(dimension, parameter)` makes an empty base for inner product,
- `train_<family>(base, x, progress)` learns from x, (n, dimension) float32; families that learn nothing have none,
- `is_<family>(base, dimension, parameter)` says whether a base read from a file is of that very kind.

`remove_<family>(base, rows)` stands in for FAISS's own where that is wrong.

FAISS and NumPy are imported inside the functions, so that the table can be read without loading either.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from indexes.faiss_library import faiss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from indexes.codes import Progress

# Components of unit vectors have variance 1/d when directions are spread out. The range that a scalar code covers, in
# standard deviations: what is clipped against what is rounded. Six clip practically nothing and leave 256 steps fine
# (cosine between a 512-d vector and its INT8 form: 0.9999); few steps need a narrow range.
# Vectors that lie in few components, such as one-hot ones, are clipped hard, trained or not: not what encoders give.
_SIGMAS = {8: 6.0, 6: 3.8, 4: 2.6}
SCALAR_TYPES = {8: "QT_8bit", 6: "QT_6bit", 4: "QT_4bit"}
# A component that hardly varied in training may vary later: its range never shrinks below this part of the preset.
_NARROWEST = 1 / 16
_SMALLEST_SAMPLE = 256  # below this, a preset is the better guess
# Codebooks: more iterations or vectors gain less than 0.001 of cosine and cost minutes.
_ITERATIONS = 12
_PER_CENTROID = 128


def flat_base(dimension: int, parameter: int) -> Any:
    return faiss().IndexFlatIP(dimension)


def is_flat(base: Any, dimension: int, parameter: int) -> bool:
    return isinstance(base, faiss().IndexFlat) and _holds(base, dimension, 4 * dimension)


def fp16_base(dimension: int, parameter: int) -> Any:
    library = faiss()
    return library.IndexScalarQuantizer(dimension, library.ScalarQuantizer.QT_fp16, library.METRIC_INNER_PRODUCT)


def is_fp16(base: Any, dimension: int, parameter: int) -> bool:
    library = faiss()
    return (
        isinstance(base, library.IndexScalarQuantizer)
        and _holds(base, dimension, 2 * dimension)
        and base.sq.qtype == library.ScalarQuantizer.QT_fp16
    )


def sq_base(dimension: int, bits: int) -> Any:
    """Make a base that is ready without training: every component covers ± some standard deviations, at most ±1."""
    library = faiss()
    kind = getattr(library.ScalarQuantizer, SCALAR_TYPES[bits])
    base = library.IndexScalarQuantizer(dimension, kind, library.METRIC_INNER_PRODUCT)
    preset_ranges(base, bits)
    base.is_trained = True
    return base


def preset_ranges(base: Any, bits: int) -> None:
    """Let the scalar quantizer of a base cover what components of unit vectors are when nothing else is known."""
    import numpy as np

    half = np.full(base.d, _preset_half_width(base.d, bits))
    _set_ranges(base, -half, half)


def train_sq(base: Any, x: NDArray[Any], progress: Progress | None = None) -> None:
    """Set each component's range to mean ± some standard deviations of x, within [-1, 1]; few vectors teach nothing."""
    import numpy as np

    n, d = x.shape
    if n < _SMALLEST_SAMPLE:
        return
    library = faiss()
    bits = next(bits for bits, name in SCALAR_TYPES.items() if base.sq.qtype == getattr(library.ScalarQuantizer, name))
    preset = _preset_half_width(d, bits)
    mean = np.clip(x.mean(axis=0, dtype=np.float64), -1.0, 1.0)  # (d,)
    half = np.maximum(_SIGMAS[bits] * x.std(axis=0, dtype=np.float64), preset * _NARROWEST)  # (d,)
    _set_ranges(base, np.maximum(mean - half, -1.0), np.minimum(mean + half, 1.0))


def copy_ranges(source: Any, target: Any) -> None:
    """Give a scalar quantizer the ranges of another one."""
    target.sq = source.sq
    target.is_trained = source.is_trained


def copy_codebook(source: Any, target: Any) -> None:
    """Give a product quantizer the codebook of another one."""
    target.pq = source.pq
    target.is_trained = source.is_trained


def is_sq(base: Any, dimension: int, bits: int) -> bool:
    library = faiss()
    if not isinstance(base, library.IndexScalarQuantizer) or not _holds(base, dimension, (dimension * bits + 7) // 8):
        return False
    return base.is_trained and are_ranges(base, dimension, bits)


def are_ranges(base: Any, dimension: int, bits: int) -> bool:
    """Whether the scalar quantizer of a base has so many bits, and finite ranges."""
    import numpy as np

    library = faiss()
    ranges = library.vector_to_array(base.sq.trained)  # (2 * dimension,): lowest values, then widths
    return (
        base.sq.qtype == getattr(library.ScalarQuantizer, SCALAR_TYPES[bits])
        and ranges.size == 2 * dimension
        and bool(np.isfinite(ranges).all())
    )


def pq_base(dimension: int, m: int) -> Any:
    library = faiss()
    return library.IndexPQ(dimension, m, 8, library.METRIC_INNER_PRODUCT)


def is_pq(base: Any, dimension: int, m: int) -> bool:
    library = faiss()
    return isinstance(base, library.IndexPQ) and _holds(base, dimension, m) and is_codebook(base, dimension, m, 8)


def fastscan_base(dimension: int, m: int) -> Any:
    """Two codes of 4 bits per byte, laid out so that 32 vectors are looked up at once (PQ FastScan)."""
    library = faiss()
    return library.IndexPQFastScan(dimension, 2 * m, 4, library.METRIC_INNER_PRODUCT)


def is_fastscan(base: Any, dimension: int, m: int) -> bool:
    library = faiss()
    return (
        isinstance(base, library.IndexPQFastScan)
        and (base.d, base.metric_type, base.M2) == (dimension, library.METRIC_INNER_PRODUCT, 2 * m)
        and base.codes.size() == (base.ntotal + base.bbs - 1) // base.bbs * base.bbs * m
        and is_codebook(base, dimension, 2 * m, 4)
    )


def remove_fastscan(base: Any, rows: NDArray[Any]) -> None:
    """Take out rows (r,) int64, and leave nothing of them in the last block of 32.

    FAISS keeps old codes there and mixes those of the next vectors with them: after a removal, what is added is wrong.
    """
    import numpy as np

    library = faiss()
    held = base.codes.size()
    base.remove_ids(rows)
    tail = base.ntotal % base.bbs
    kept = base.reconstruct_batch(np.arange(base.ntotal - tail, base.ntotal)) if tail else None
    base.ntotal -= tail
    base.ntotal2 = base.ntotal
    whole = base.ntotal // base.bbs * (base.bbs * base.M2 // 2)  # bytes of the blocks that are full
    base.codes.resize(held)
    if held:
        library.rev_swig_ptr(base.codes.get(), held)[whole:] = 0
    base.codes.resize(whole)
    if kept is not None:
        base.add(kept)  # a decoded vector is coded as before


def train_pq(base: Any, x: NDArray[Any], progress: Progress | None = None) -> None:
    """Learn the codebooks by k-means, each part of the vectors by itself: the same x, the same codebooks.

    Parts are shared out among threads; FAISS would share out the distances of one, which are too few.
    """
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from indexes.threads import thread_count, threads

    library = faiss()
    m, width, centroids = base.pq.M, base.pq.dsub, base.pq.ksub
    books = np.empty((m, centroids, width), np.float32)

    def learn(part: int) -> None:
        settings = library.ClusteringParameters()
        settings.niter, settings.seed = _ITERATIONS, 1234 + part
        settings.min_points_per_centroid = 1  # FAISS would print a warning; callers see to the least number
        settings.max_points_per_centroid = _PER_CENTROID
        clustering = library.Clustering(width, centroids, settings)
        piece = np.ascontiguousarray(x[:, part * width : (part + 1) * width])
        with threads(1):
            clustering.train(piece, library.IndexFlatL2(width))
        books[part] = library.vector_to_array(clustering.centroids).reshape(centroids, width)

    with ThreadPoolExecutor(min(thread_count(), m)) as pool:
        for done, _ in enumerate(pool.map(learn, range(m)), start=1):
            if progress:
                progress(done, m)
    library.copy_array_to_vector(books.ravel(), base.pq.centroids)
    base.is_trained = True


def rabitq_base(dimension: int, parameter: int) -> Any:
    """One bit per component and a few numbers per vector (Gao and Long, "RaBitQ", SIGMOD 2024)."""
    import numpy as np

    library = faiss()
    base = library.IndexRaBitQ(dimension, library.METRIC_INNER_PRODUCT)
    base.train(np.zeros((1, dimension), np.float32))  # centred at zero: ready without training
    return base


def is_rabitq(base: Any, dimension: int, parameter: int) -> bool:
    import numpy as np

    library = faiss()
    return (
        isinstance(base, library.IndexRaBitQ)
        and _holds(base, dimension, library.IndexRaBitQ(dimension, library.METRIC_INNER_PRODUCT).code_size)
        and base.rabitq.nb_bits == 1
        and library.vector_to_array(base.center).shape == (dimension,)
        and bool(np.isfinite(library.vector_to_array(base.center)).all())
    )


def is_codebook(base: Any, dimension: int, parts: int, bits: int) -> bool:
    import numpy as np

    centroids = faiss().vector_to_array(base.pq.centroids)  # (2 ** bits * dimension,)
    return (
        (base.pq.M, base.pq.nbits, base.pq.d) == (parts, bits, dimension)
        and centroids.size == 2**bits * dimension
        and bool(np.isfinite(centroids).all())
    )


def _preset_half_width(dimension: int, bits: int) -> float:
    return min(1.0, _SIGMAS[bits] / sqrt(dimension))


def _set_ranges(base: Any, low: NDArray[Any], high: NDArray[Any]) -> None:
    """Write the table of FAISS's scalar quantizers: the lowest value of every component, then every one's width."""
    import numpy as np

    table = np.concatenate([low, high - low]).astype(np.float32)  # (2 * dimension,)
    faiss().copy_array_to_vector(table, base.sq.trained)


def _holds(base: Any, dimension: int, code_size: int) -> bool:
    found = (base.d, base.metric_type, base.code_size, base.codes.size())
    return bool(found == (dimension, faiss().METRIC_INNER_PRODUCT, code_size, base.ntotal * code_size))
