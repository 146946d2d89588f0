"""The search over codes in numbered rows: what they propose is scored, ties are settled, ids are found.

It closes what FAISS leaves open, which breaks ties as it likes, and computes scores that differ in the last digits with
the size of the query batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from indexes.among import Allowed, best_of
from indexes.codes import Floats, Mask, Rows, SearchedCodes
from indexes.threads import ThreadChoice, thread_count, threads, threads_for_parts

_SPARE = 16  # rows fetched beyond k, so that one pass usually shows where a tie ends
# FAISS's scores and ours were seen to differ by up to 3e-7 (512-d). Rows this close to the k-th place might belong
# before it.
_UNCERTAIN = 2e-6
# Rows scored anew where the first scores are rough: at least so many, and so many times k.
_RERANKED = 256
_RERANKED_TIMES = 4
FURTHER = 32  # times as far: a crowd of nearly equal vectors costs one more look, not one for each doubling
_BLOCK = 1 << 22  # numbers per temporary array, whatever the caller asks for

Found = tuple[Floats, NDArray[np.int64]]  # scores (m, k), ids (m, k)


def least_proposed(k: int) -> int:
    """How many rows are proposed at first for the k best of them, where the first scores are rough."""
    return max(_RERANKED, _RERANKED_TIMES * k)


def settled(rough: Floats, found: Rows, k: int, rows: int, precise: bool) -> Mask | None:
    """Which of what was proposed for a query counts, found (f,), −1 for none, with rough scores (f,), best first; None
    where more has to be proposed, as what lies beyond may tie with the last.

    k: how many are wanted. rows: how many there are. precise: whether rough scores are those that count.
    """
    there: Mask = found >= 0
    if not there.all() or found.size == rows:
        return there
    if precise:
        return None if rough[-1] >= rough[min(k, found.size) - 1] - _UNCERTAIN else there
    # Which of the rows with the last rough score were found is chance, and equal vectors may be among them.
    before: Mask = rough > rough[-1]
    return None if np.count_nonzero(before) < min(k, rows) else before


@dataclass(frozen=True, slots=True)
class RowSearch:
    """first: proposes rows. last: scores them; the same codes where there is one stage. ids_of: rows -> their ids.

    products: whether FAISS searches several queries as one matrix product. passed: rows (p,), ascending, that count as
    not there. allowed: the only ones that may be found.
    """

    first: SearchedCodes
    last: SearchedCodes
    ids_of: Callable[[Rows], Rows]
    products: bool
    choice: ThreadChoice
    passed: Rows | None = None
    allowed: Allowed | None = None

    def search(self, queries: Floats, k: int) -> Found:
        """The k best rows of every query (m, dimension): scores (m, k) and ids (m, k), −inf and −1 for none."""
        if self.allowed is not None:
            left = self.allowed.without(self.passed)
            if left.are_few:
                with threads(thread_count()):
                    return self._compared(queries, k, left)
            return replace(self, allowed=left, passed=None)._shared(queries, k)
        return self._shared(queries, k)

    def compared(self, queries: Floats, k: int) -> Found:
        """The same among the allowed rows, by comparing each of them."""
        assert self.allowed is not None  # noqa: S101 - for the type checker
        with threads(thread_count()):
            return self._compared(queries, k, self.allowed.without(self.passed))

    def proposed(self, queries: Floats, count: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """What the first stage proposes for queries (m, dimension): rough scores, best first, scores and ids, each
        (m, count), −inf and −1 for none."""
        search = self
        if self.allowed is not None:
            search = replace(self, allowed=self.allowed.without(self.passed), passed=None)
        rough = np.full((len(queries), count), -np.inf, np.float32)
        scores, ids = rough.copy(), np.full((len(queries), count), -1, np.int64)
        fetch = min(count, search.rows)
        if not fetch:
            return rough, scores, ids
        coded = self.last.coded_queries(queries)  # (m, c)
        step = max(1, _BLOCK // fetch)
        with threads_for_parts(thread_count()) if len(queries) == 1 else threads(thread_count()):
            for start in range(0, len(queries), step):
                block = slice(start, start + step)
                near, rows = search.first.candidates(queries[block], fetch, search.passed, search._mask())
                for place in range(len(near)):
                    found = rows[place] >= 0
                    number, there = start + place, int(found.sum())
                    rough[number, :there] = near[place][found]
                    scores[number, :there] = search._scores(coded[number], rows[place][found])
                    ids[number, :there] = search.ids_of(rows[place][found])
        return rough, scores, ids

    @property
    def rows(self) -> int:
        """How many rows there are to be found."""
        if self.allowed is not None:
            return self.allowed.without(self.passed).rows.size
        return len(self.first) - (0 if self.passed is None else len(self.passed))

    def _shared(self, queries: Floats, k: int) -> Found:
        """The same, by as many threads as suit it."""
        m, count = len(queries), thread_count()
        if m == 1 and count > 1:
            several, start = self.choice.choose(), time.perf_counter()
            with threads_for_parts(count if several else 1):
                found = self._found(queries, k)
            self.choice.tell(several, time.perf_counter() - start)
            return found
        if self.products or m < 2 * count or count == 1:  # FAISS's matrix products take all cores as it is
            with threads(count):
                return self._found(queries, k)
        parts = np.array_split(queries, min(count, m // 2))

        def of_part(part: Floats) -> Found:
            with threads(1):
                return self._found(part, k)

        with ThreadPoolExecutor(len(parts)) as pool:
            answers = list(pool.map(of_part, parts))
        return np.concatenate([scores for scores, _ in answers]), np.concatenate([ids for _, ids in answers])

    def _compared(self, queries: Floats, k: int, allowed: Allowed) -> Found:
        """The same among few rows, by comparing each of them."""
        if not allowed.rows.size:
            return np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64)
        scores, rows = best_of(self.last, self.last.coded_queries(queries), allowed.by_id, k)
        ids = np.where(rows < 0, -1, self.ids_of(np.maximum(rows, 0).ravel()).reshape(rows.shape))
        return scores, ids

    def _found(self, queries: Floats, k: int) -> Found:
        """Search in one thread (or in FAISS's): queries (m, dimension), scores and ids (m, k)."""
        m, rows = len(queries), self.rows
        scores = np.full((m, k), -np.inf, np.float32)
        ids = np.full((m, k), -1, np.int64)
        precise = self.first is self.last and self.first.is_precise
        unsettled = np.arange(m if rows else 0)
        fetch = min(rows, k + _SPARE if precise else least_proposed(k))
        coded = self.last.coded_queries(queries) if unsettled.size else queries  # (m, c)
        while unsettled.size:
            tied = []
            step = max(1, _BLOCK // fetch)
            for start in range(0, unsettled.size, step):
                block = unsettled[start : start + step]
                rough, found = self.first.candidates(
                    queries[block], fetch, self.passed, self._mask()
                )  # (b, fetch) twice
                for place, query in enumerate(block.tolist()):
                    ranked = self._ranked(coded[query], rough[place], found[place], k, precise)
                    if ranked is None:
                        tied.append(query)
                    else:
                        count = ranked[0].size
                        scores[query, :count], ids[query, :count] = ranked
            # Whoever still has candidates as good as the k-th at the far end looks further.
            unsettled, fetch = np.array(tied, np.int64), min(rows, FURTHER * fetch)
        return scores, ids

    def _mask(self) -> Mask | None:
        return None if self.allowed is None else self.allowed.mask

    def _ranked(
        self, query: Floats, rough: Floats, found: Rows, k: int, precise: bool
    ) -> tuple[Floats, NDArray[np.int64]] | None:
        """The k best of the rows found (f,): scores and ids; None where rows beyond them may tie with the last."""
        kept = settled(rough, found, k, self.rows, precise)
        if kept is None:
            return None
        found = found[kept]
        scores = self._scores(query, found)
        ids = self.ids_of(found)
        order = np.lexsort((ids, -scores))[:k]  # best score first, then lowest id
        return scores[order], ids[order]

    def _scores(self, query: Floats, rows: Rows) -> Floats:
        """Products of a coded query (c,) with rows (f,) as stored: (f,)."""
        scores = np.empty(rows.size, np.float32)
        step = max(1, _BLOCK // query.size)
        for start in range(0, rows.size, step):
            part = slice(start, start + step)
            # One product per row: unlike a matrix product, its last digit does not depend on its neighbours.
            scores[part] = np.vecdot(self.last.decode(rows[part]), query)
        return scores
