"""A graph over codes (HNSW): a search walks from neighbour to neighbour and sees few of the vectors.

FAISS cannot take a node out of such a graph. What is removed is wiped, so that no byte of it is kept or written, and
skipped; when it is much, the graph is built anew from the vectors that are left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.among import sought
from indexes.codes import Floats, Mask, Progress, Rows, copy_of_faiss, decoded, owned_copy, read_faiss, write_faiss
from indexes.container import SectionReader, SectionWriter
from indexes.errors import VectorIndexError
from indexes.faiss_library import faiss
from indexes.threads import threads

_MOST_DEAD = 0.2  # part of the nodes from which on the graph is built anew
EF_CONSTRUCTION = 80
EF_SEARCH = 128


class GraphCodes:
    """Codes in an `IndexHNSW` of FAISS."""

    def __init__(
        self, make: Callable[[], Any], base: Any, alive: Rows | None = None, mapped: NDArray[np.uint8] | None = None
    ) -> None:
        self._make = make
        self._base = base
        self._alive = np.empty(0, np.int64) if alive is None else alive  # (n,), ascending: the node of row r
        self._mapped = mapped

    @classmethod
    def restored(
        cls, reader: SectionReader, name: str, is_base: Callable[[Any], bool], make: Callable[[], Any]
    ) -> GraphCodes:
        content = reader.section(name)
        base = read_faiss(content)
        if not is_base(base):
            raise VectorIndexError("its contents are not what its kind and dimension say")
        alive = np.asarray(reader.array(f"{name}.alive", "<i8", (reader.section(f"{name}.alive").size // 8,)), np.int64)
        if not (np.diff(alive, prepend=-1) > 0).all() or (alive[-1:] >= base.ntotal).any():
            raise VectorIndexError("its nodes are not those of its graph")
        return cls(make, base, alive, content)

    @property
    def is_trained(self) -> bool:
        return True

    @property
    def is_precise(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self._alive)

    def train(self, x: Floats, progress: Progress | None = None) -> None:
        """Nothing is learnt."""

    def add(self, x: Floats) -> None:
        self._own()
        first = self._base.ntotal
        with threads(1):  # several threads would link the same vectors differently every time
            self._base.add(x)
        self._alive = np.concatenate([self._alive, np.arange(first, first + len(x))])

    def remove(self, rows: Rows) -> None:
        self._own()
        dead = self._alive[rows]
        self._alive = np.delete(self._alive, rows)
        if len(self) < (1 - _MOST_DEAD) * self._base.ntotal:
            kept = self.decode(np.arange(len(self)))
            self._base = self._make()
            self._alive = np.empty(0, np.int64)
            if len(kept):
                self.add(kept)
            return
        library = faiss()
        storage = library.downcast_index(self._base.storage)
        size = storage.code_size
        codes = library.rev_swig_ptr(storage.codes.data(), storage.ntotal * size).reshape(-1, size)
        nothing = storage.sa_encode(np.zeros((1, storage.d), np.float32))
        codes[dead] = nothing

    def emptied(self) -> GraphCodes:
        return GraphCodes(self._make, self._make())

    def copy(self) -> GraphCodes:
        return GraphCodes(self._make, owned_copy(self._base, self._mapped), self._alive.copy())

    def candidates(
        self, q: Floats, count: int, passed: Rows | None = None, allowed: Mask | None = None
    ) -> tuple[Floats, Rows]:
        if allowed is not None:
            return sought(self, self.candidates, q, count, allowed)
        library = faiss()
        walk = library.SearchParametersHNSW(efSearch=max(EF_SEARCH, 2 * count))
        alive = self._alive if passed is None else np.delete(self._alive, passed)
        if self._base.ntotal > len(alive):
            dead = np.setdiff1d(np.arange(self._base.ntotal), alive, assume_unique=True)
            walk.sel = library.IDSelectorNot(library.IDSelectorBatch(dead))
        scores, nodes = self._base.search(q, count, params=walk)  # (m, count) twice
        wanted = min(count, len(alive))
        rows = np.where(nodes < 0, -1, np.searchsorted(self._alive, nodes))
        short = np.flatnonzero(rows[:, wanted - 1] < 0) if wanted else np.empty(0, np.int64)
        if short.size:  # the walk did not reach enough of them: compare with all
            every = np.searchsorted(self._alive, alive)
            for row in short.tolist():
                products = np.vecdot(self.decode(every), q[row])
                best = np.argsort(-products, kind="stable")[:wanted]
                scores[row, :wanted], rows[row, :wanted] = products[best], every[best]
        return scores, rows

    def coded_queries(self, q: Floats) -> Floats:
        return q

    def decode(self, rows: Rows) -> Floats:
        return decoded(faiss().downcast_index(self._base.storage), self._alive[rows])

    def reconstruct(self, rows: Rows) -> Floats:
        return self.decode(rows)

    def save(self, writer: SectionWriter, name: str) -> None:
        write_faiss(writer, name, self._base)
        writer.array(f"{name}.alive", self._alive)

    def _own(self) -> None:
        if self._mapped is not None:
            self._base = copy_of_faiss(self._mapped)
            self._mapped = None
