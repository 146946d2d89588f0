"""`pq<m>`, `opq<m>`: product quantization, 8 bits per part; behind a learnt rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexes.faiss_library import faiss
from indexes.families.bases import centroids, holds_codes, holds_lists, settled_lists
from indexes.families.family import LEAST_SAMPLE, Family, Maker, dividing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from indexes.codes import Progress
    from indexes.families.makers import FaissMaker

# Codebooks: more iterations or vectors gain less than 0.001 of cosine and cost minutes.
_ITERATIONS = 12
_PER_CENTROID = 128


def pq_base(dimension: int, m: int) -> Any:
    library = faiss()
    return library.IndexPQ(dimension, m, 8, library.METRIC_INNER_PRODUCT)


def is_pq(base: Any, dimension: int, m: int) -> bool:
    library = faiss()
    return isinstance(base, library.IndexPQ) and holds_codes(base, dimension, m) and is_codebook(base, dimension, m, 8)


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


def copy_codebook(source: Any, target: Any) -> None:
    """Give a product quantizer the codebook of another one."""
    target.pq = source.pq
    target.is_trained = source.is_trained


def is_codebook(base: Any, dimension: int, parts: int, bits: int) -> bool:
    import numpy as np

    centroids = faiss().vector_to_array(base.pq.centroids)  # (2 ** bits * dimension,)
    return (
        (base.pq.M, base.pq.nbits, base.pq.d) == (parts, bits, dimension)
        and centroids.size == 2**bits * dimension
        and bool(np.isfinite(centroids).all())
    )


def pq_lists(dimension: int, m: int, lists: int) -> Any:
    library = faiss()
    return settled_lists(library.IndexIVFPQ(centroids(dimension), dimension, lists, m, 8, library.METRIC_INNER_PRODUCT))


def are_pq_lists(base: Any, dimension: int, m: int, lists: int) -> bool:
    library = faiss()
    return (
        isinstance(base, library.IndexIVFPQ)
        and holds_lists(base, dimension, lists, m)
        and is_codebook(base, dimension, m, 8)
    )


def _maker() -> FaissMaker:
    from indexes.families.makers import FaissMaker

    return FaissMaker(
        pq_base, is_pq, train_pq, inverted=pq_lists, is_inverted=are_pq_lists, copy_training=copy_codebook
    )


def _rotated_maker() -> Maker:
    from indexes.families.makers import RotatedMaker
    from indexes.rotation import balanced_rotation

    return RotatedMaker(_maker(), balanced_rotation)


PQ = Family(
    form="pq<m>",
    pattern=r"pq([1-9]\d{0,4})",
    maker=_maker,
    summary="product quantization, m bytes per vector, m divides the dimension",
    exact_to="the better, the larger m",
    bytes_per_vector=lambda _, m: float(m),
    learns=True,
    training_size=LEAST_SAMPLE,
    misfit=dividing("pq<m>"),
)

OPQ = Family(
    form="opq<m>",
    pattern=r"opq([1-9]\d{0,4})",
    maker=_rotated_maker,
    summary="product quantization behind a learnt rotation, m bytes per vector, m divides the dimension",
    exact_to="the better, the larger m",
    bytes_per_vector=lambda _, m: float(m),
    learns=True,
    training_size=LEAST_SAMPLE,
    misfit=dividing("opq<m>"),
)
