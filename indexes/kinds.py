"""The grammar of index kinds: `flat`, `sq8`, `pq<m>`, as one table with a row per family.

A new family is a new row (and its functions in `indexes.codecs`). One that cannot keep its vectors in numbered rows
with ids beside them (an inverted file, a graph, two stages) also brings its own engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

from indexes import codecs
from indexes.errors import UnknownKindError, UnsuitableKindError

if TYPE_CHECKING:
    from indexes.protocol import Engine

LARGE_GALLERY_KIND = "sq8"
_LARGEST_DIMENSION = 65_536


def _rows_engine() -> Engine:
    from indexes.rows import RowsIndex

    return RowsIndex


def _pq_misfit(dimension: int, m: int) -> str:
    if dimension % m == 0:
        return ""
    divisors = [divisor for divisor in range(1, dimension + 1) if dimension % divisor == 0]
    nearest = sorted(sorted(divisors, key=lambda divisor: abs(divisor - m))[:12])
    return f"m has to divide it, as in {', '.join(f'pq{divisor}' for divisor in nearest)}"


def _fits_always(dimension: int, parameter: int) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the table. `parameter` is the number in the kind's name, 0 where the family takes none."""

    form: str  # as users write it
    pattern: str  # whole name; its only group is the parameter
    summary: str
    bytes_per_vector: Callable[[int, int], float]  # (dimension, parameter)
    base: Callable[[int, int], Any]  # (dimension, parameter) -> empty FAISS base
    is_base: Callable[[Any, int, int], bool]  # (base, dimension, parameter)
    train: Callable[[Any, Any], None] | None = None  # (base, x); None: learns nothing
    training_size: int = 0  # vectors that training has to see before the first add; 0: ready from the start
    misfit: Callable[[int, int], str] = _fits_always  # (dimension, parameter) -> why not, or ""
    engine: Callable[[], Engine] = _rows_engine


FAMILIES: tuple[Family, ...] = (
    Family(
        form="flat",
        pattern="flat",
        summary="FP32, exact",
        bytes_per_vector=lambda dimension, _: 4.0 * dimension,
        base=codecs.flat_base,
        is_base=codecs.is_flat,
    ),
    Family(
        form="sq8",
        pattern="sq8",
        summary="INT8, one byte per component, ready without training",
        bytes_per_vector=lambda dimension, _: float(dimension),
        base=codecs.sq8_base,
        is_base=codecs.is_sq8,
        train=codecs.train_sq8,
    ),
    Family(
        form="pq<m>",
        pattern=r"pq([1-9]\d{0,4})",
        summary="product quantization, m bytes per vector, m divides the dimension, needs training",
        bytes_per_vector=lambda _, m: float(m),
        base=codecs.pq_base,
        is_base=codecs.is_pq,
        train=codecs.train_pq,
        training_size=codecs.PQ_CENTROIDS,
        misfit=_pq_misfit,
    ),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of index, read from its name. `str(kind)` gives the name back."""

    name: str
    family: Family
    parameter: int = 0

    def __str__(self) -> str:
        return self.name

    @property
    def exhaustive(self) -> bool:
        """Whether a search looks at every vector, so that it finds the best by score without fail."""
        return self.family.engine is _rows_engine

    def bytes_per_vector(self, dimension: int) -> float:
        """Code bytes per vector; ids and what all vectors share (ranges, codebooks) are not counted."""
        return self.family.bytes_per_vector(dimension, self.parameter)

    def check_dimension(self, dimension: int) -> None:
        """Raise UnsuitableKindError, saying what is allowed, where the kind does not fit the dimension."""
        if not isinstance(dimension, Integral) or not 1 <= dimension <= _LARGEST_DIMENSION:
            raise UnsuitableKindError(
                f"dimension {dimension!r} is not possible: use a whole number from 1 to {_LARGEST_DIMENSION}"
            )
        if misfit := self.family.misfit(dimension, self.parameter):
            raise UnsuitableKindError(f"index kind {self.name} does not fit dimension {dimension}: {misfit}")


def allowed_kinds() -> str:
    """Return the forms of all kinds, as help texts and errors list them: "flat, sq8, pq<m>"."""
    return ", ".join(family.form for family in FAMILIES)


def parse_kind(text: str) -> Kind:
    """Read a kind's name. Raises UnknownKindError, listing what is allowed."""
    for family in FAMILIES:
        if match := re.fullmatch(family.pattern, text, re.ASCII):
            return Kind(name=text, family=family, parameter=int(match[1]) if match.re.groups else 0)
    raise UnknownKindError(f"unknown index kind {text!r}: use one of {allowed_kinds()}")
