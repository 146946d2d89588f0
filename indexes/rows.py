"""The engine of kinds that keep one code per vector in numbered rows, ids beside them: `RowsIndex`.

FAISS searches the rows; this class closes what FAISS leaves open: it accepts the same id twice without a word, breaks
ties as it likes, and computes scores that differ in the last digits with the size of the query batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes.container import SavedIndex, write_container
from indexes.errors import InvalidInputError, TrainingError, UntrainedIndexError, VectorIndexError
from indexes.faiss_library import faiss
from indexes.inputs import are_members, as_ids, as_k, as_new_ids, as_vectors
from indexes.kinds import Kind
from indexes.protocol import ReadBytes, StrPath

_LARGEST_SAMPLE = 65_536  # k-means gains nothing from more than 256 vectors per centroid
_SMALLEST_SAMPLE = 256  # below this, a preset is the better guess
_SPARE = 16  # rows fetched beyond k, so that one pass usually shows where a tie ends
# FAISS's scores and ours were seen to differ by up to 3e-7 (512-d). Rows this close to the k-th place might belong
# before it.
_UNCERTAIN = 1e-5
_BLOCK = 1 << 22  # numbers per temporary array, whatever the caller asks for


class RowsIndex:
    """A `VectorIndex` over a FAISS base of numbered rows; row r belongs to the r-th id of FAISS's id map."""

    def __init__(self, kind: Kind, dimension: int) -> None:
        base = kind.family.base(dimension, kind.parameter)
        self._take(kind, dimension, faiss().IndexIDMap(base), np.empty(0, np.int64))

    @classmethod
    def restored(cls, kind: Kind, dimension: int, read: ReadBytes) -> RowsIndex:
        library = faiss()
        try:
            mapped = library.read_index(library.PyCallbackIOReader(read))
        except RuntimeError as error:
            raise VectorIndexError("FAISS cannot read its contents") from error
        base = library.downcast_index(mapped.index) if type(mapped) is library.IndexIDMap else None
        if base is None or not kind.family.is_base(base, dimension, kind.parameter):
            raise VectorIndexError(f"its contents are not of kind {kind} and dimension {dimension}")
        ids = library.vector_to_array(mapped.id_map)  # (rows,)
        ordered = np.sort(ids)
        if not len(ids) == mapped.ntotal == base.ntotal or (ordered[:1] < 0).any() or (np.diff(ordered) == 0).any():
            raise VectorIndexError("its ids are not one per vector")
        index = cls.__new__(cls)
        index._take(kind, dimension, mapped, ordered)
        return index

    def _take(self, kind: Kind, dimension: int, mapped: Any, ordered: NDArray[np.int64]) -> None:
        self._kind = kind
        self._dimension = dimension
        self._mapped = mapped  # owns the base, and keeps the ids of its rows
        self._base = faiss().downcast_index(mapped.index)
        self._set_ids(ordered)

    def _set_ids(self, ordered: NDArray[np.int64]) -> None:
        ordered.setflags(write=False)  # handed out as it is
        self._ids = ordered
        self._ids_by_row = faiss().vector_to_array(self._mapped.id_map)  # (rows,)

    @property
    def kind(self) -> str:
        return self._kind.name

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def is_trained(self) -> bool:
        return bool(self._base.is_trained)

    @property
    def training_size(self) -> int:
        return self._kind.family.training_size

    @property
    def bytes_per_vector(self) -> float:
        return self._kind.bytes_per_vector(self._dimension)

    @property
    def ids(self) -> NDArray[np.int64]:
        return self._ids

    def __len__(self) -> int:
        return self._ids.size

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind}, dimension {self.dimension}, {len(self)} vectors>"

    def train(self, x: ArrayLike) -> None:
        vectors = as_vectors(x, self._dimension)  # (n, dimension)
        learn = self._kind.family.train
        if learn is None:
            return
        if len(self):
            raise TrainingError(f"index {self.kind} holds {len(self)} vectors: train it before the first is added")
        if len(vectors) < self.training_size:
            raise TrainingError(f"index {self.kind} needs {self.training_size} vectors to train, got {len(vectors)}")
        if len(vectors) < _SMALLEST_SAMPLE:
            return
        learn(self._base, _sample(vectors))
        self._mapped.is_trained = self._base.is_trained  # FAISS's id map keeps a copy

    def add(self, ids: ArrayLike, x: ArrayLike) -> None:
        self._require_training()
        vectors = as_vectors(x, self._dimension)  # (n, dimension)
        new = as_new_ids(ids, len(vectors), self._ids)  # (n,)
        if not new.size:
            return
        self._mapped.add_with_ids(vectors, new)
        ordered = np.concatenate([self._ids, new])
        ordered.sort(kind="stable")  # two runs, as a rule both ascending: close to linear
        self._set_ids(ordered)

    def reconstruct(self, ids: ArrayLike) -> NDArray[np.float32]:
        wanted = as_ids(ids)  # (n,)
        order = np.argsort(self._ids_by_row, kind="stable")
        if not (held := are_members(wanted, self._ids)).all():
            raise InvalidInputError(f"id {wanted[~held][0]} is not in the index")
        rows = order[np.searchsorted(self._ids, wanted)]
        vectors: NDArray[np.float32] = self._base.reconstruct_batch(rows)  # (n, dimension)
        return vectors

    def remove(self, ids: ArrayLike) -> int:
        named = np.unique(as_ids(ids))
        held = named[are_members(named, self._ids)]
        if held.size:
            self._mapped.remove_ids(held)
            self._set_ids(self._ids[~are_members(self._ids, held)])
        return held.size

    def save(self, path: StrPath) -> SavedIndex:
        library = faiss()
        return write_container(
            path,
            self.kind,
            self._dimension,
            len(self),
            lambda sink: library.write_index(self._mapped, library.PyCallbackIOWriter(sink)),
        )

    def search(self, q: ArrayLike, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        self._require_training()
        queries, k = as_vectors(q, self._dimension), as_k(k)  # (m, dimension)
        m, rows = len(queries), len(self)
        scores = np.full((m, k), -np.inf, np.float32)
        ids = np.full((m, k), -1, np.int64)
        places = min(k, rows)
        unsettled, fetch = np.arange(m if rows else 0), min(rows, k + _SPARE)
        while unsettled.size:
            tied = []
            step = max(1, _BLOCK // fetch)
            for start in range(0, unsettled.size, step):
                block = unsettled[start : start + step]
                rough, found = self._base.search(queries[block], fetch)  # (b, fetch) twice
                settled = (rough[:, -1] < rough[:, places - 1] - _UNCERTAIN) | (fetch == rows)
                tied.append(block[~settled])
                done = block[settled]
                scores[done, :places], ids[done, :places] = self._ranked(queries[done], found[settled], places)
            # Whoever still has candidates as good as the k-th at the far end looks further.
            unsettled, fetch = np.concatenate(tied), min(rows, 4 * fetch)
        return scores, ids

    def _ranked(
        self, queries: NDArray[np.float32], found: NDArray[np.int64], places: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Score the rows found (b, f) anew for queries (b, dimension) and return the best: (b, places) twice."""
        products = np.empty(found.size, np.float32)
        rows = found.ravel()  # (b * f,)
        owners = np.repeat(np.arange(len(queries)), found.shape[1])  # (b * f,)
        step = max(1, _BLOCK // self._dimension)
        for start in range(0, rows.size, step):
            pairs = slice(start, start + step)
            needed, where = np.unique(rows[pairs], return_inverse=True)
            vectors = self._base.reconstruct_batch(needed)  # (u, dimension), as stored
            # One product per pair: unlike a matrix product, its last digit does not hang on its neighbours.
            products[pairs] = np.vecdot(vectors[where], queries[owners[pairs]])
        scores = products.reshape(found.shape)  # (b, f)
        ids = self._ids_by_row[found]  # (b, f)
        order = np.lexsort((ids, -scores), axis=-1)[:, :places]  # best score first, then lowest id
        return np.take_along_axis(scores, order, 1), np.take_along_axis(ids, order, 1)

    def _require_training(self) -> None:
        if not self.is_trained:
            raise UntrainedIndexError(
                f"index {self.kind} is untrained: call train with at least {self.training_size} vectors first"
            )


def _sample(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return at most _LARGEST_SAMPLE of the vectors, the same ones every time."""
    n, _ = vectors.shape
    if n <= _LARGEST_SAMPLE:
        return vectors
    chosen = np.random.default_rng(0).choice(n, _LARGEST_SAMPLE, replace=False, shuffle=False)
    return vectors[np.sort(chosen)]
