"""`sq8`, `sq6`, `sq4`: 8, 6 or 4 bits per component."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, Any

from indexes.faiss_library import faiss
from indexes.families.bases import holds_codes, holds_lists, scalar_lists
from indexes.families.family import Family, Maker

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from indexes.codes import Floats, Progress

# Vectors are spread first (`indexes.spreading`), whatever they are like, so that their components are as if normally
# distributed with variance 1/d. The range that a scalar code covers, in standard deviations: what is clipped against
# what is rounded. Five clip one component in two million and leave 256 steps fine; few steps need a narrow range, and
# are rounded with care. Ranges are not learnt: they would tell who was there, and clip who is unlike them
# (docs/research/indexes.md).
_SIGMAS = {8: 5.0, 6: 3.8, 4: 2.6}
SCALAR_TYPES = {8: "QT_8bit", 6: "QT_6bit", 4: "QT_4bit"}
_ROUNDED_WITH_CARE = 6  # bits, at most


def sq_base(dimension: int, bits: int) -> Any:
    """Make a base that is ready without training: every component covers ± some standard deviations, at most ±1."""
    library = faiss()
    kind = getattr(library.ScalarQuantizer, SCALAR_TYPES[bits])
    base = library.IndexScalarQuantizer(dimension, kind, library.METRIC_INNER_PRODUCT)
    preset_ranges(base, bits)
    base.is_trained = True
    return base


def preset_ranges(base: Any, bits: int) -> None:
    """Let the scalar quantizer of a base cover what components of spread unit vectors are.

    FAISS keeps a table: the lowest value of every component, then every one's width.
    """
    import numpy as np

    half = np.full(base.d, _half_width(base.d, bits))
    table = np.concatenate([-half, 2 * half]).astype(np.float32)  # (2 * dimension,)
    faiss().copy_array_to_vector(table, base.sq.trained)


def train_sq(base: Any, x: NDArray[Any], progress: Progress | None = None) -> None:
    """Learn nothing of x: lists get the ranges that others have from the start. FAISS reads no untrained ones back."""
    library = faiss()
    bits = next(bits for bits, name in SCALAR_TYPES.items() if base.sq.qtype == getattr(library.ScalarQuantizer, name))
    preset_ranges(base, bits)


def rounding(dimension: int, bits: int) -> Callable[[Floats], Floats] | None:
    """How vectors are rounded before FAISS codes them; None where its own rounding is fine enough."""
    if bits > _ROUNDED_WITH_CARE:
        return None
    from indexes.spreading import rounded_in_direction

    return partial(rounded_in_direction, half=_half_width(dimension, bits), bits=bits)


def copy_ranges(source: Any, target: Any) -> None:
    """Give a scalar quantizer the ranges of another one, as of a file of an earlier version."""
    target.sq = source.sq
    target.is_trained = source.is_trained


def is_sq(base: Any, dimension: int, bits: int) -> bool:
    library = faiss()
    if not isinstance(base, library.IndexScalarQuantizer) or not holds_codes(
        base, dimension, (dimension * bits + 7) // 8
    ):
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


def sq_lists(dimension: int, bits: int, lists: int) -> Any:
    return scalar_lists(dimension, lists, SCALAR_TYPES[bits])


def are_sq_lists(base: Any, dimension: int, bits: int, lists: int) -> bool:
    return (
        isinstance(base, faiss().IndexIVFScalarQuantizer)
        and holds_lists(base, dimension, lists, (dimension * bits + 7) // 8)
        and (are_ranges(base, dimension, bits) or not base.is_trained)
    )


def _half_width(dimension: int, bits: int) -> float:
    return min(1.0, _SIGMAS[bits] / sqrt(dimension))


def _maker() -> Maker:
    from indexes.families.makers import FaissMaker, SpreadMaker

    plain = FaissMaker(
        sq_base, is_sq, train_sq, inverted=sq_lists, is_inverted=are_sq_lists, copy_training=copy_ranges, selects=True
    )
    return SpreadMaker(plain, rounding)


SQ8 = Family(
    form="sq8",
    pattern="sq(8)",
    maker=_maker,
    summary="INT8, one byte per component, ready without training",
    exact_to="0.001 of cosine",
    bytes_per_vector=lambda dimension, _: float(dimension),
    once_learnt=True,
)

SQ6 = Family(
    form="sq6",
    pattern="sq(6)",
    maker=_maker,
    summary="6 bits per component, ready without training",
    exact_to="0.005 of cosine",
    bytes_per_vector=lambda dimension, _: float((6 * dimension + 7) // 8),
    once_learnt=True,
)

SQ4 = Family(
    form="sq4",
    pattern="sq(4)",
    maker=_maker,
    summary="4 bits per component, ready without training",
    exact_to="0.02 of cosine",
    bytes_per_vector=lambda dimension, _: float((4 * dimension + 7) // 8),
    once_learnt=True,
)
