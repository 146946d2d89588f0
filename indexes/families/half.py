"""`fp16`: half precision."""

from __future__ import annotations

from typing import Any

from indexes.faiss_library import faiss
from indexes.families.bases import holds_codes, holds_lists, scalar_lists
from indexes.families.family import Family, Maker


def fp16_base(dimension: int, parameter: int) -> Any:
    library = faiss()
    return library.IndexScalarQuantizer(dimension, library.ScalarQuantizer.QT_fp16, library.METRIC_INNER_PRODUCT)


def is_fp16(base: Any, dimension: int, parameter: int) -> bool:
    library = faiss()
    return (
        isinstance(base, library.IndexScalarQuantizer)
        and holds_codes(base, dimension, 2 * dimension)
        and base.sq.qtype == library.ScalarQuantizer.QT_fp16
    )


def fp16_lists(dimension: int, parameter: int, lists: int) -> Any:
    return scalar_lists(dimension, lists, "QT_fp16")


def are_fp16_lists(base: Any, dimension: int, parameter: int, lists: int) -> bool:
    library = faiss()
    return (
        isinstance(base, library.IndexIVFScalarQuantizer)
        and holds_lists(base, dimension, lists, 2 * dimension)
        and base.sq.qtype == library.ScalarQuantizer.QT_fp16
    )


def _maker() -> Maker:
    from indexes.families.makers import FaissMaker

    return FaissMaker(fp16_base, is_fp16, inverted=fp16_lists, is_inverted=are_fp16_lists, selects=True)


HALF = Family(
    form="fp16",
    pattern="fp16",
    maker=_maker,
    summary="FP16",
    exact_to="0.0001 of cosine",
    bytes_per_vector=lambda dimension, _: 2.0 * dimension,
)
