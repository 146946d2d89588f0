"""A large FastScan index that is only searched, in parts: one query keeps several cores busy.

FAISS scans all codes of one query in one thread. Blocks of 32 codes can be copied into indexes of their own without
being coded again, and what their searches find is merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from indexes.codes import FaissCodes, Floats, Mask, Rows, without
from indexes.container import SectionReader, SectionWriter
from indexes.faiss_library import faiss
from indexes.threads import MOST_PARTS, parts_pool, thread_count, threads

_LEAST_ROWS = 100_000  # per part: below, waking a thread takes longer than it saves


class ScannedCodes(FaissCodes):
    """Codes in an `IndexPQFastScan`, in parts as long as they are only looked at in a file and many."""

    _parts: tuple[Any, ...] = ()

    @classmethod
    def restored(cls, reader: SectionReader, name: str, *rest: Any, **options: Any) -> Self:
        codes = super().restored(reader, name, *rest, **options)
        parts = parts_of(codes._base, thread_count())
        if len(parts) > 1:
            codes._parts, codes._base = parts, parts[0]  # any of them encodes; the whole is not needed twice
        return codes

    def __len__(self) -> int:
        return sum(int(part.ntotal) for part in self._parts) if self._parts else super().__len__()

    def candidates(
        self, q: Floats, count: int, passed: Rows | None = None, allowed: Mask | None = None
    ) -> tuple[Floats, Rows]:
        if not self._parts or allowed is not None:
            return super().candidates(q, count, passed, allowed)
        if passed is None:
            return search_parts(self._parts, q, count)
        return without(search_parts(self._parts, q, min(len(self), count + len(passed))), passed, count)

    def decode(self, rows: Rows) -> Floats:
        if not self._parts:
            return super().decode(rows)
        vectors = np.empty((len(rows), self._base.d), np.float32)
        start = 0
        for part in self._parts:
            inside = (rows >= start) & (rows < start + part.ntotal)
            if inside.any():
                vectors[inside] = part.reconstruct_batch(rows[inside] - start)
            start += part.ntotal
        return vectors

    def save(self, writer: SectionWriter, name: str) -> None:
        if self._parts and self._mapped is not None:
            writer.array(name, self._mapped)
        else:
            super().save(writer, name)

    def _own(self) -> None:
        self._parts = ()
        super()._own()


def parts_of(base: Any, count: int) -> tuple[Any, ...]:
    """Split an IndexPQFastScan into at most count parts of whole blocks, in the order of rows; at least one."""
    library = faiss()
    blocks = -(-base.ntotal // base.bbs)
    count = max(1, min(count, MOST_PARTS, base.ntotal // _LEAST_ROWS))
    if count == 1:
        return (base,)
    size = base.bbs * base.M2 // 2  # bytes of a block
    codes = library.rev_swig_ptr(base.codes.get(), base.codes.size())
    edges = np.linspace(0, blocks, count + 1).astype(int)
    parts = []
    for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = library.IndexPQFastScan(base.d, base.pq.M, base.pq.nbits, base.metric_type, base.bbs)
        part.pq = base.pq
        part.is_trained = True
        part.codes.resize((last - first) * size)
        library.rev_swig_ptr(part.codes.get(), part.codes.size())[:] = codes[first * size : last * size]
        part.ntotal = min(base.ntotal, last * base.bbs) - first * base.bbs
        part.ntotal2 = (last - first) * base.bbs
        parts.append(part)
    return tuple(parts)


def search_parts(parts: Sequence[Any], q: Floats, count: int) -> tuple[Floats, Rows]:
    """The count best rows over all parts for q (m, d): scores and rows (m, count), best first."""
    starts = np.cumsum([0, *(part.ntotal for part in parts[:-1])])

    def search(number: int) -> tuple[Floats, Rows]:
        with threads(1):
            scores, rows = parts[number].search(q, count)
        return scores, np.where(rows < 0, -1, rows + starts[number])

    if thread_count() > 1:
        found = list(parts_pool().map(search, range(len(parts))))
    else:
        found = [search(number) for number in range(len(parts))]
    scores = np.concatenate([scores for scores, _ in found], axis=1)  # (m, parts * count)
    rows = np.concatenate([rows for _, rows in found], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]  # rows that are missing have the score -inf
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
