"""The index: ids beside the rows of codes, one stage or two. `RowsIndex` is the `VectorIndex` of every kind.

Codes propose rows, `indexes.row_search` ranks them. FAISS accepts the same id twice without a word; here it is refused.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes.among import Allowed
from indexes.building import empty_codes, restored_codes
from indexes.codes import Codes, PortableCodes, Progress, Rows
from indexes.container import SavedIndex, SectionReader, SectionWriter, StrPath, write_container
from indexes.errors import InvalidInputError, TrainingError, UntrainedIndexError, VectorIndexError
from indexes.inputs import are_members, as_codes, as_ids, as_k, as_new_ids, as_vectors
from indexes.kinds import Kind
from indexes.row_search import RowSearch
from indexes.threads import ThreadChoice

_LEARNT_FROM = "learnt from"  # a section
_LARGEST_SAMPLE = 65_536  # codebooks gain nothing from more


class RowsIndex:
    """A `VectorIndex` over codes in numbered rows; row r belongs to the r-th of the ids in order of their adding."""

    def __init__(self, kind: Kind, dimension: int, last: Codes | None = None) -> None:
        """last: codes of the last stage, trained and without rows, in place of new ones."""
        stages = [empty_codes(stage, dimension) for stage in kind.stages]
        if last is not None:
            stages[-1] = last
        self._given = last
        nobody = np.empty(0, np.int64)
        self._take(kind, dimension, stages, nobody, nobody, "")

    @classmethod
    def restored(cls, kind: Kind, dimension: int, rows: int, reader: SectionReader) -> RowsIndex:
        """The index that a file holds; raises VectorIndexError where its sections are not of kind and dimension."""
        names = [f"stage{number}" for number, _ in enumerate(kind.stages)]
        stages = [
            restored_codes(stage, dimension, reader, name) for stage, name in zip(kind.stages, names, strict=True)
        ]
        ids = np.asarray(reader.array("ids", "<i8", (rows,)), np.int64)
        if any(len(codes) != rows for codes in stages):
            raise VectorIndexError(f"it holds {len(stages[0])} vectors where its footer says {rows}")
        ascending = bool((np.diff(ids) > 0).all())
        ordered = ids if ascending else np.sort(ids)
        if (ordered[:1] < 0).any() or not (ascending or (np.diff(ordered) > 0).all()):
            raise VectorIndexError("its ids are not one per vector")
        index = cls.__new__(cls)
        index._given = None
        origin = reader.section(_LEARNT_FROM).tobytes() if reader.has(_LEARNT_FROM) else None
        try:
            index._take(kind, dimension, stages, ids, ordered, None if origin is None else origin.decode())
        except UnicodeDecodeError:
            raise VectorIndexError("what it was learnt from is not text") from None
        return index

    def _take(
        self,
        kind: Kind,
        dimension: int,
        stages: list[Codes],
        by_row: NDArray[np.int64],
        ordered: NDArray[np.int64],
        learnt_from: str | None,
    ) -> None:
        self._kind = kind
        self._dimension = dimension
        self._first = stages[0]  # proposes rows
        self._last = stages[-1]  # scores them; the same codes where there is one stage
        self._stages = stages
        self._learnt_from = learnt_from
        self._choice = ThreadChoice()
        self._set_ids(by_row, ordered)

    def _set_ids(self, by_row: NDArray[np.int64], ordered: NDArray[np.int64]) -> None:
        ordered.setflags(write=False)  # handed out as it is
        self._ids_by_row = by_row
        self._ids = ordered  # as a rule the very same array: ids grow

    @property
    def kind(self) -> str:
        return self._kind.name

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def is_trained(self) -> bool:
        return all(codes.is_trained for codes in self._stages)

    @property
    def training_size(self) -> int:
        return self._kind.training_size

    @property
    def bytes_per_vector(self) -> float:
        return self._kind.bytes_per_vector(self._dimension)

    @property
    def learnt_from(self) -> str | None:
        return self._learnt_from

    @property
    def ids(self) -> NDArray[np.int64]:
        return self._ids

    def __len__(self) -> int:
        return self._ids.size

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind}, dimension {self.dimension}, {len(self)} vectors>"

    def train(
        self, x: ArrayLike, progress: Progress | None = None, *, learnt_from: str = "vectors that were given"
    ) -> None:
        vectors = as_vectors(x, self._dimension)  # (n, dimension)
        if not self._kind.learns:
            return
        if len(self):
            raise TrainingError(f"index {self.kind} holds {len(self)} vectors: train it before the first is added")
        if len(vectors) < self.training_size:
            raise TrainingError(f"index {self.kind} needs {self.training_size} vectors to train, got {len(vectors)}")
        if len(vectors):
            sample = _sample(vectors)
            for codes in self._stages:
                if codes is not self._given:
                    codes.train(sample, progress)
            self._learnt_from = learnt_from

    def add(self, ids: ArrayLike, x: ArrayLike) -> None:
        self._require_training()
        vectors = as_vectors(x, self._dimension)  # (n, dimension)
        new = as_new_ids(ids, len(vectors), self._ids)  # (n,)
        if not new.size:
            return
        for codes in self._stages:
            codes.add(vectors)
        self._append_ids(new)

    def add_codes(self, ids: ArrayLike, codes: NDArray[np.uint8]) -> None:
        last, stage = self._last, self._kind.stages[-1]
        if not (stage.family.portable and isinstance(last, PortableCodes)):
            raise InvalidInputError(f"index {self.kind} takes vectors, not codes")
        self._require_training()
        given = as_codes(codes, int(stage.bytes_per_vector(self._dimension)))  # (n, bytes)
        new = as_new_ids(ids, len(given), self._ids)  # (n,)
        if not new.size:
            return
        if self._first is not last:
            self._first.add(last.decode_codes(given))
        last.add_codes(given)
        self._append_ids(new)

    def _append_ids(self, new: NDArray[np.int64]) -> None:
        by_row = np.concatenate([self._ids_by_row, new])
        ordered = by_row
        if self._ids is not self._ids_by_row or not _ascending(self._ids[-1:], new):
            ordered = np.concatenate([self._ids, new])
            ordered.sort(kind="stable")  # two runs, as a rule both ascending: close to linear
        self._set_ids(by_row, ordered)

    def emptied(self) -> RowsIndex:
        nobody = np.empty(0, np.int64)
        return self._with([codes.emptied() for codes in self._stages], nobody, nobody)

    def copy(self) -> RowsIndex:
        return self._with([codes.copy() for codes in self._stages], self._ids_by_row, self._ids)

    def _with(self, stages: list[Codes], by_row: NDArray[np.int64], ordered: NDArray[np.int64]) -> RowsIndex:
        index = type(self).__new__(type(self))
        index._given = None if self._given is None else stages[self._stages.index(self._given)]
        index._take(self._kind, self._dimension, stages, by_row, ordered, self._learnt_from)
        return index

    def reconstruct(self, ids: ArrayLike) -> NDArray[np.float32]:
        wanted = as_ids(ids)  # (n,)
        if not (held := are_members(wanted, self._ids)).all():
            raise InvalidInputError(f"id {wanted[~held][0]} is not in the index")
        places = np.searchsorted(self._ids, wanted)
        if self._ids is not self._ids_by_row:
            places = np.argsort(self._ids_by_row, kind="stable")[places]
        return self._last.reconstruct(places)  # (n, dimension)

    def remove(self, ids: ArrayLike) -> int:
        named = np.unique(as_ids(ids))
        held = named[are_members(named, self._ids)]
        if held.size:
            gone = are_members(self._ids_by_row, held)  # (rows,)
            for codes in self._stages:
                codes.remove(np.flatnonzero(gone))
            by_row = self._ids_by_row[~gone]
            same = self._ids is self._ids_by_row
            self._set_ids(by_row, by_row if same else self._ids[~are_members(self._ids, held)])
        return held.size

    def save(self, path: StrPath) -> SavedIndex:
        def write(writer: SectionWriter) -> None:
            for number, codes in enumerate(self._stages):
                codes.save(writer, f"stage{number}")
            writer.array("ids", self._ids_by_row)
            if self._learnt_from is not None:
                writer.section(_LEARNT_FROM)(self._learnt_from.encode())

        return write_container(path, self.kind, self._dimension, len(self), write)

    def search(
        self, q: ArrayLike, k: int, *, excluded: ArrayLike | None = None, allowed: ArrayLike | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        self._require_training()
        queries, k = as_vectors(q, self._dimension), as_k(k)
        passed = None if excluded is None else self.rows_of(as_ids(excluded))
        if passed is not None and not passed.size:
            passed = None
        products = self._kind.name == "flat"
        among = None
        if allowed is not None:
            rows = self.rows_of(as_ids(allowed))
            among = Allowed(rows, self.ids_of(rows), len(self))
        return RowSearch(self._first, self._last, self.ids_of, products, self._choice, passed, among).search(queries, k)

    @property
    def stages(self) -> tuple[Codes, Codes]:
        """The codes that propose rows and those that score them; the same ones where there is one stage."""
        return self._first, self._last

    def ids_of(self, rows: Rows) -> NDArray[np.int64]:
        """The ids (r,) of rows (r,)."""
        return self._ids_by_row[rows]

    def rows_of(self, ids: NDArray[np.int64]) -> Rows:
        """The rows, ascending, of those of ids (n,) that are in the index."""
        named = ids if (np.diff(ids) > 0).all() else np.unique(ids)
        places = np.searchsorted(self._ids, named[are_members(named, self._ids)])
        if self._ids is not self._ids_by_row:
            places = np.sort(np.argsort(self._ids_by_row, kind="stable")[places])
        return places

    def _require_training(self) -> None:
        if not self.is_trained:
            raise UntrainedIndexError(
                f"index {self.kind} is untrained: call train with at least {self.training_size} vectors first"
            )


def _ascending(last: NDArray[np.int64], new: NDArray[np.int64]) -> bool:
    return bool((np.diff(np.concatenate([last, new])) > 0).all())


def _sample(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return at most _LARGEST_SAMPLE of the vectors, the same ones every time."""
    n, _ = vectors.shape
    if n <= _LARGEST_SAMPLE:
        return vectors
    chosen = np.random.default_rng(0).choice(n, _LARGEST_SAMPLE, replace=False, shuffle=False)
    return vectors[np.sort(chosen)]
