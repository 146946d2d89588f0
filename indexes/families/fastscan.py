"""`fs<m>`: product quantization by 4 bits per part, scanned 32 vectors at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexes.faiss_library import faiss
from indexes.families.bases import centroids, holds_lists, settled_lists
from indexes.families.family import LEAST_SAMPLE, Family, Maker, dividing
from indexes.families.product import copy_codebook, is_codebook, train_pq

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


def fastscan_lists(dimension: int, m: int, lists: int) -> Any:
    library = faiss()
    return settled_lists(
        library.IndexIVFPQFastScan(centroids(dimension), dimension, lists, 2 * m, 4, library.METRIC_INNER_PRODUCT)
    )


def are_fastscan_lists(base: Any, dimension: int, m: int, lists: int) -> bool:
    library = faiss()
    return (
        isinstance(base, library.IndexIVFPQFastScan)
        and 2 * m == base.M2
        and holds_lists(base, dimension, lists, m)
        and is_codebook(base, dimension, 2 * m, 4)
    )


def _maker() -> Maker:
    from indexes.families.makers import FaissMaker
    from indexes.shards import ScannedCodes

    return FaissMaker(
        fastscan_base,
        is_fastscan,
        train_pq,
        precise=False,
        remove=remove_fastscan,
        codes=ScannedCodes,
        inverted=fastscan_lists,
        is_inverted=are_fastscan_lists,
        copy_training=copy_codebook,
    )


FASTSCAN = Family(
    form="fs<m>",
    pattern=r"fs([1-9]\d{0,4})",
    maker=_maker,
    summary="product quantization by 4 bits, scanned fast, m bytes per vector, 2 m divides the dimension",
    exact_to="the better, the larger m; nearest by a rougher sum",
    bytes_per_vector=lambda _, m: float(m),
    learns=True,
    training_size=LEAST_SAMPLE,
    misfit=dividing("fs<m>", 2),
    exhaustive=False,
    portable=False,
)
