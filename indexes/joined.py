"""Several indexes of one kind and one training, searched as one. Nothing is copied, and nothing of it ever changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes.among import Allowed
from indexes.codes import Floats, Mask, Rows, SearchedCodes
from indexes.errors import InvalidInputError, UnsuitableKindError
from indexes.inputs import as_ids, as_k, as_vectors
from indexes.proposals import Proposed
from indexes.row_search import RowSearch
from indexes.rows import RowsIndex
from indexes.threads import ThreadChoice, parts_pool, thread_count, threads


class JoinedCodes:
    """The rows of several codes, one after the other; codes without rows are left out where there are others."""

    def __init__(self, parts: Sequence[SearchedCodes]) -> None:
        filled = [part for part in parts if len(part)]
        self._parts = filled or list(parts[:1])
        self.starts = np.cumsum([0, *(len(part) for part in self._parts)])  # (parts + 1,)

    @property
    def is_precise(self) -> bool:
        return self._parts[0].is_precise

    def __len__(self) -> int:
        return int(self.starts[-1])

    def candidates(
        self, q: Floats, count: int, passed: Rows | None = None, allowed: Mask | None = None
    ) -> tuple[Floats, Rows]:
        if len(self._parts) == 1:
            return self._parts[0].candidates(q, count, passed, allowed)

        def search(number: int) -> tuple[Floats, Rows]:
            first, last = self.starts[number], self.starts[number + 1]
            left = None
            if passed is not None:
                left = passed[np.searchsorted(passed, first) : np.searchsorted(passed, last)] - first
                left = left if left.size else None
            inside = None if allowed is None else allowed[first:last]
            scores, rows = self._parts[number].candidates(q, min(count, int(last - first)), left, inside)
            return scores, np.where(rows < 0, -1, rows + first)

        found = _shared_out(search, len(self._parts))
        scores = np.concatenate([scores for scores, _ in found], axis=1)  # (m, parts * count)
        rows = np.concatenate([rows for _, rows in found], axis=1)
        scores = np.where(rows < 0, -np.inf, scores)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)

    def coded_queries(self, q: Floats) -> Floats:
        return self._parts[0].coded_queries(q)

    def decode(self, rows: Rows) -> Floats:
        return self._gathered(rows, "decode")

    def reconstruct(self, rows: Rows) -> Floats:
        return self._gathered(rows, "reconstruct")

    def _gathered(self, rows: Rows, method: str) -> Floats:
        if len(self._parts) == 1 or not rows.size:
            vectors: Floats = getattr(self._parts[0], method)(rows)
            return vectors
        part_of = np.searchsorted(self.starts, rows, side="right") - 1
        gathered = np.empty((len(rows), 0), np.float32)
        for number in np.unique(part_of).tolist():
            inside = part_of == number
            vectors = getattr(self._parts[number], method)(rows[inside] - self.starts[number])
            if not gathered.size:
                gathered = np.empty((len(rows), vectors.shape[1]), np.float32)
            gathered[inside] = vectors
        return gathered


class JoinedIndex:
    """What `join_indexes` makes: searched as one `VectorIndex`, from any number of threads; it takes no changes."""

    def __init__(self, parts: Sequence[RowsIndex], choice: ThreadChoice | None = None) -> None:
        self._parts = [part for part in parts if len(part)] or list(parts[:1])
        first, last = zip(*(part.stages for part in self._parts), strict=True)
        self._last = JoinedCodes(last)
        self._first = self._last if first[0] is last[0] else JoinedCodes(first)
        self.choice = choice or ThreadChoice()
        self._among: tuple[object, Allowed] | None = None  # the last ids that were allowed, and their rows

    @property
    def kind(self) -> str:
        return self._parts[0].kind

    @property
    def dimension(self) -> int:
        return self._parts[0].dimension

    @property
    def bytes_per_vector(self) -> float:
        return self._parts[0].bytes_per_vector

    def __len__(self) -> int:
        return len(self._last)

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """All ids, ascending, (len(index),) int64."""
        return np.sort(np.concatenate([part.ids for part in self._parts]))

    def search(
        self, q: ArrayLike, k: int, *, excluded: ArrayLike | None = None, allowed: ArrayLike | None = None
    ) -> tuple[Floats, NDArray[np.int64]]:
        """As `VectorIndex.search` of one index that holds the rows of all parts.

        Where `allowed` is a read-only array, its rows are looked up once for all searches with the same array.
        """
        return self._searching(excluded, allowed).search(as_vectors(q, self.dimension), as_k(k))

    @property
    def is_precise(self) -> bool:
        """Whether a search of parts of an index finds what one of the whole does: all are scored alike."""
        return self._first is self._last and self._first.is_precise

    def proposed(
        self, q: ArrayLike, count: int, *, excluded: ArrayLike | None = None, allowed: ArrayLike | None = None
    ) -> Proposed:
        """What the first stage proposes for q (m, dimension); from that of several indexes, `best_proposed` tells what
        `search` of one index of all of them gives."""
        searching = self._searching(excluded, allowed)
        return Proposed(*searching.proposed(as_vectors(q, self.dimension), as_k(count)), searching.rows)

    def compared(
        self, q: ArrayLike, k: int, *, allowed: ArrayLike, excluded: ArrayLike | None = None
    ) -> tuple[Floats, NDArray[np.int64]]:
        """As `search`, comparing each of the allowed ones, however many."""
        return self._searching(excluded, allowed).compared(as_vectors(q, self.dimension), as_k(k))

    def _searching(self, excluded: ArrayLike | None, allowed: ArrayLike | None) -> RowSearch:
        passed = None if excluded is None else self._rows_of(as_ids(excluded))
        products = self.kind == "flat"
        among = None if allowed is None else self._allowed(allowed)
        return RowSearch(self._first, self._last, self._ids_of, products, self.choice, passed, among)

    def reconstruct(self, ids: ArrayLike) -> Floats:
        """As `VectorIndex.reconstruct`."""
        wanted = as_ids(ids)
        vectors = np.empty((len(wanted), self.dimension), np.float32)
        missing = np.ones(len(wanted), np.bool_)
        for part in self._parts:
            held = np.isin(wanted, part.ids) & missing
            if held.any():
                vectors[held] = part.reconstruct(wanted[held])
                missing &= ~held
        if missing.any():
            raise InvalidInputError(f"id {wanted[missing][0]} is not in the index")
        return vectors

    def _allowed(self, ids: ArrayLike) -> Allowed:
        known = self._among
        if known is not None and known[0] is ids:
            return known[1]
        rows = self._rows_of(as_ids(ids))
        found = np.empty(0, np.int64) if rows is None else rows
        among = Allowed(found, self._ids_of(found), len(self))
        if isinstance(ids, np.ndarray) and not ids.flags.writeable:
            self._among = (ids, among)
        return among

    def _rows_of(self, ids: NDArray[np.int64]) -> Rows | None:
        rows = [part.rows_of(ids) + start for part, start in zip(self._parts, self._last.starts, strict=False)]
        found = np.concatenate(rows)
        return found if found.size else None

    def _ids_of(self, rows: Rows) -> NDArray[np.int64]:
        part_of = np.searchsorted(self._last.starts, rows, side="right") - 1
        ids = np.empty(len(rows), np.int64)
        for number in np.unique(part_of).tolist():
            inside = part_of == number
            ids[inside] = self._parts[number].ids_of(rows[inside] - self._last.starts[number])
        return ids


def join_indexes(parts: Sequence[object], choice: ThreadChoice | None = None) -> JoinedIndex:
    """One index to search over parts of the same kind, dimension and training, whose ids are disjoint.

    Parts must not change any more. choice: what is known of threads on indexes like this one. Raises
    `UnsuitableKindError` for no part, or for parts of several kinds.
    """
    indexes = [part for part in parts if isinstance(part, RowsIndex)]
    if not indexes or len(indexes) != len(parts) or len({(part.kind, part.dimension) for part in indexes}) > 1:
        raise UnsuitableKindError("indexes that are joined are of one kind and one dimension, and at least one")
    return JoinedIndex(indexes, choice)


def _shared_out(search: Callable[[int], tuple[Floats, Rows]], count: int) -> list[tuple[Floats, Rows]]:
    """What a function of a part's number gives for each part, by as many threads as a search may take."""
    if thread_count() == 1:
        return [search(number) for number in range(count)]

    def alone(number: int) -> tuple[Floats, Rows]:
        with threads(1):
            return search(number)

    return list(parts_pool().map(alone, range(count)))
