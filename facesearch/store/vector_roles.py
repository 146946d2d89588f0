"""Searching inside a database that can: what it keeps for that, and what a moment finds with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facesearch.store.records import Progress, Templates

IN_A_FOLDER = "only a gallery on a server can be searched in the database"

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
Decode = Callable[[list[bytes], list[str], int], Vectors]
"""Templates (n, dimension) of unit length, of n codes, each in the codec named at its place."""


@dataclass(frozen=True, slots=True)
class VectorsInfo:
    """What a database keeps for searches in it: rows, how many bytes they and their index take, and whether an index
    leads to the nearest ones or all are compared."""

    rows: int
    bytes: int
    indexed: bool


class VectorsRole(Protocol):
    """The vectors of all templates, beside their codes. Whoever adds templates adds their vectors in the same
    transaction, once it was told how codes are decoded; with a template its vector goes."""

    def decode_with(self, decode: Decode) -> None:
        """From now on, templates that are added are decoded so."""
        ...

    def require(self) -> None:
        """Raise `StoreError`, with what to do, where the database cannot be searched."""
        ...

    def info(self) -> VectorsInfo | None:
        """None where there are no vectors, or none that this user may see."""
        ...

    def build(self, dimension: int, progress: Progress | None = None) -> None:
        """Make the vectors of all templates anew, aside, while others go on using the gallery.

        progress: called with (templates done, templates in all). Raises `StoreError`, `StoreBusyError` where another
        process is doing it.
        """
        ...

    def drop(self) -> bool:
        """Drop the vectors and their index, whose bytes the disk has back at once; False where there are none.

        Raises `StoreError` for a user who may not.
        """
        ...

    def index_if_large(self) -> bool:
        """Make the index where there are enough rows for one by now and this user may; whether that was done."""
        ...

    def problems(self) -> list[str]:
        """How the vectors differ from the templates, in words; nothing where `info` gives None."""
        ...


class Nearby(Protocol):
    """The vectors of a gallery as of one moment."""

    def nearest(self, probe: Vectors, count: int, *, passed: Ids | None, among: Ids | None) -> Ids:
        """Ids of templates near to a probe (d,): at least `count` as far as there are so many, in no order.

        They are the nearest but for the rounding of the vectors, or, of all templates with an index, nearly all of
        them. passed: ids (p,) to be passed over; among: (a,), the only ones to be found.
        """
        ...

    def templates(self, ids: Ids) -> Templates:
        """The templates with these ids, in their order."""
        ...

    def later(self, last_id: int) -> Templates:
        """Templates that are stored and have no vector, because who added them did not know of vectors.

        last_id: the last that was ever given. Raises `StoreError` where these are many.
        """
        ...

    def count(self, after_id: int = 0) -> int:
        """How many templates there are with ids above that."""
        ...
