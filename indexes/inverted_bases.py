"""The FAISS inverted file of each family of codes, and what one read from a file must show.

Lists hold the codes of the vectors themselves, not of their differences from a centroid: a vector is stored alike
wherever it lies, and one table per query serves all lists.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from indexes.codecs import SCALAR_TYPES, are_ranges, is_codebook
from indexes.faiss_library import faiss
from indexes.inverted import PROBED


def flat_lists(dimension: int, parameter: int, lists: int) -> Any:
    library = faiss()
    return _settled(library.IndexIVFFlat(_centroids(dimension), dimension, lists, library.METRIC_INNER_PRODUCT))


def are_flat_lists(base: Any, dimension: int, parameter: int, lists: int) -> bool:
    return isinstance(base, faiss().IndexIVFFlat) and _holds(base, dimension, lists, 4 * dimension)


def fp16_lists(dimension: int, parameter: int, lists: int) -> Any:
    return _scalar(dimension, lists, "QT_fp16")


def are_fp16_lists(base: Any, dimension: int, parameter: int, lists: int) -> bool:
    library = faiss()
    return (
        isinstance(base, library.IndexIVFScalarQuantizer)
        and _holds(base, dimension, lists, 2 * dimension)
        and base.sq.qtype == library.ScalarQuantizer.QT_fp16
    )


def sq_lists(dimension: int, bits: int, lists: int) -> Any:
    return _scalar(dimension, lists, SCALAR_TYPES[bits])


def are_sq_lists(base: Any, dimension: int, bits: int, lists: int) -> bool:
    return (
        isinstance(base, faiss().IndexIVFScalarQuantizer)
        and _holds(base, dimension, lists, (dimension * bits + 7) // 8)
        and (are_ranges(base, dimension, bits) or not base.is_trained)
    )


def pq_lists(dimension: int, m: int, lists: int) -> Any:
    library = faiss()
    return _settled(library.IndexIVFPQ(_centroids(dimension), dimension, lists, m, 8, library.METRIC_INNER_PRODUCT))


def are_pq_lists(base: Any, dimension: int, m: int, lists: int) -> bool:
    library = faiss()
    return (
        isinstance(base, library.IndexIVFPQ)
        and _holds(base, dimension, lists, m)
        and is_codebook(base, dimension, m, 8)
    )


def fastscan_lists(dimension: int, m: int, lists: int) -> Any:
    library = faiss()
    return _settled(
        library.IndexIVFPQFastScan(_centroids(dimension), dimension, lists, 2 * m, 4, library.METRIC_INNER_PRODUCT)
    )


def are_fastscan_lists(base: Any, dimension: int, m: int, lists: int) -> bool:
    library = faiss()
    return (
        isinstance(base, library.IndexIVFPQFastScan)
        and 2 * m == base.M2
        and _holds(base, dimension, lists, m)
        and is_codebook(base, dimension, 2 * m, 4)
    )


def _scalar(dimension: int, lists: int, name: str) -> Any:
    library = faiss()
    kind = getattr(library.ScalarQuantizer, name)
    return _settled(
        library.IndexIVFScalarQuantizer(
            _centroids(dimension), dimension, lists, kind, library.METRIC_INNER_PRODUCT, False
        )
    )


def _centroids(dimension: int) -> Any:
    return faiss().IndexFlatIP(dimension)


def _settled(base: Any) -> Any:
    base.by_residual = False
    base.is_trained = False
    base.nprobe = max(1, ceil(PROBED * base.nlist))
    return base


def _holds(base: Any, dimension: int, lists: int, code_size: int) -> bool:
    library = faiss()
    quantizer = library.downcast_index(base.quantizer)
    found = (base.d, base.metric_type, base.nlist, base.code_size, base.by_residual, base.nprobe)
    return bool(
        found == (dimension, library.METRIC_INNER_PRODUCT, lists, code_size, False, max(1, ceil(PROBED * lists)))
        and isinstance(quantizer, library.IndexFlat)
        and (quantizer.d, quantizer.ntotal) == (dimension, lists if base.is_trained else 0)
        and base.invlists.nlist == lists
        and base.invlists.compute_ntotal() == base.ntotal
    )
