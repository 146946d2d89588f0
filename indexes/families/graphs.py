"""`hnsw<M>`, `hnsw<M>,sq8`: graphs over FP32 or INT8."""

from __future__ import annotations

from typing import Any

from indexes.faiss_library import faiss
from indexes.families.family import Family, Maker
from indexes.families.flat import is_flat
from indexes.families.scalar import is_sq, preset_ranges


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
    from indexes.graph import EF_CONSTRUCTION

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


def _too_few_neighbours(dimension: int, m: int) -> str:
    return "" if m >= 2 else "M has to be 2 or more"


def _flat_maker() -> Maker:
    from indexes.families.makers import GraphMaker

    return GraphMaker(flat_graph, is_flat_graph)


def _sq8_maker() -> Maker:
    from indexes.families.makers import GraphMaker, SpreadMaker

    return SpreadMaker(GraphMaker(sq8_graph, is_sq8_graph))


HNSW = Family(
    form="hnsw<M>",
    pattern=r"hnsw([1-9]\d{0,2})",
    maker=_flat_maker,
    summary="a graph over FP32, M to 2 M neighbours of each vector",
    exact_to="exact, of the vectors that the walk meets",
    bytes_per_vector=lambda dimension, m: 4.0 * dimension + 8 * m + 16,
    misfit=_too_few_neighbours,
    removes=False,
    exhaustive=False,
    inverts=False,
    portable=False,
)

HNSW_SQ8 = Family(
    form="hnsw<M>,sq8",
    pattern=r"hnsw([1-9]\d{0,2}),sq8",
    maker=_sq8_maker,
    summary="the same over INT8",
    exact_to="0.001 of cosine, of the vectors that the walk meets",
    bytes_per_vector=lambda dimension, m: 1.0 * dimension + 8 * m + 16,
    misfit=_too_few_neighbours,
    removes=False,
    exhaustive=False,
    inverts=False,
    portable=False,
)
