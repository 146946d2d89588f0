"""The FAISS graphs, and what one read from a file must show."""

from __future__ import annotations

from typing import Any

from indexes.codecs import is_flat, is_sq, preset_ranges
from indexes.faiss_library import faiss
from indexes.graph import EF_CONSTRUCTION


def flat_graph(dimension: int, neighbours: int) -> Any:
    library = faiss()
    return _settled(library.IndexHNSWFlat(dimension, neighbours, library.METRIC_INNER_PRODUCT))


def is_flat_graph(base: Any, dimension: int, neighbours: int) -> bool:
    return _is_graph(base, dimension, neighbours) and is_flat(faiss().downcast_index(base.storage), dimension, 0)


def sq8_graph(dimension: int, neighbours: int) -> Any:
    library = faiss()
    kind = library.ScalarQuantizer.QT_8bit
    base = _settled(library.IndexHNSWSQ(dimension, kind, neighbours, library.METRIC_INNER_PRODUCT))
    storage = library.downcast_index(base.storage)
    preset_ranges(storage, 8)
    storage.is_trained = base.is_trained = True
    return base


def is_sq8_graph(base: Any, dimension: int, neighbours: int) -> bool:
    return _is_graph(base, dimension, neighbours) and is_sq(faiss().downcast_index(base.storage), dimension, 8)


def _settled(base: Any) -> Any:
    base.hnsw.efConstruction = EF_CONSTRUCTION
    return base


def _is_graph(base: Any, dimension: int, neighbours: int) -> bool:
    library = faiss()
    return bool(
        isinstance(base, library.IndexHNSW)
        and (base.d, base.metric_type, base.is_trained) == (dimension, library.METRIC_INNER_PRODUCT, True)
        and base.hnsw.nb_neighbors(0) == 2 * neighbours
        and base.storage.ntotal == base.ntotal == base.hnsw.levels.size()
    )
