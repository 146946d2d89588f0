"""`flat`: FP32."""

from __future__ import annotations

from typing import Any

from indexes.faiss_library import faiss
from indexes.families.bases import centroids, holds_codes, holds_lists, settled_lists
from indexes.families.family import Family, Maker


def flat_base(dimension: int, parameter: int) -> Any:
    return faiss().IndexFlatIP(dimension)


def is_flat(base: Any, dimension: int, parameter: int) -> bool:
    return isinstance(base, faiss().IndexFlat) and holds_codes(base, dimension, 4 * dimension)


def flat_lists(dimension: int, parameter: int, lists: int) -> Any:
    library = faiss()
    return settled_lists(library.IndexIVFFlat(centroids(dimension), dimension, lists, library.METRIC_INNER_PRODUCT))


def are_flat_lists(base: Any, dimension: int, parameter: int, lists: int) -> bool:
    return isinstance(base, faiss().IndexIVFFlat) and holds_lists(base, dimension, lists, 4 * dimension)


def _maker() -> Maker:
    from indexes.families.makers import FaissMaker

    return FaissMaker(flat_base, is_flat, inverted=flat_lists, is_inverted=are_flat_lists, selects=True)


FLAT = Family(
    form="flat",
    pattern="flat",
    maker=_maker,
    summary="FP32",
    exact_to="exact",
    bytes_per_vector=lambda dimension, _: 4.0 * dimension,
)
