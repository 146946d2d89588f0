"""What the bases of several families have in common.

A *base* is the FAISS index that holds codes in numbered rows, without ids; *lists* are the same in an inverted file,
the codes of the vectors themselves, not of their differences from a centroid. FAISS and NumPy are imported inside the
functions, so that the grammar can be read without loading either.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from indexes.faiss_library import faiss


def holds_codes(base: Any, dimension: int, code_size: int) -> bool:
    """Whether a base is of the dimension, and its codes of the size, that its kind says."""
    found = (base.d, base.metric_type, base.code_size, base.codes.size())
    return bool(found == (dimension, faiss().METRIC_INNER_PRODUCT, code_size, base.ntotal * code_size))


def centroids(dimension: int) -> Any:
    return faiss().IndexFlatIP(dimension)


def settled_lists(base: Any) -> Any:
    """An inverted file as all families use it."""
    from indexes.inverted import PROBED

    base.by_residual = False
    base.is_trained = False
    base.nprobe = max(1, ceil(PROBED * base.nlist))
    return base


def holds_lists(base: Any, dimension: int, lists: int, code_size: int) -> bool:
    """Whether an inverted file is of the dimension, lists and size of codes that its kind says."""
    from indexes.inverted import PROBED

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


def scalar_lists(dimension: int, lists: int, name: str) -> Any:
    """Lists of codes of a scalar quantizer, by the name of its type in FAISS."""
    library = faiss()
    kind = getattr(library.ScalarQuantizer, name)
    return settled_lists(
        library.IndexIVFScalarQuantizer(
            centroids(dimension), dimension, lists, kind, library.METRIC_INNER_PRODUCT, False
        )
    )
