"""What a kind stores: vectors as codes in numbered rows, without ids. `Codes` is the joint; `FaissCodes` the usual one.

Kinds are composed of these: a rotation in front of codes (`indexes.rotation`), an inverted file over codes
(`indexes.inverted`), a graph (`indexes.graph`). `indexes.rows` puts ids beside them, and a second stage behind them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from indexes.among import are_sparse, sought
from indexes.container import SectionReader, SectionWriter
from indexes.errors import VectorIndexError
from indexes.faiss_library import faiss

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Progress = Callable[[int, int], None]  # (steps done, steps in all)

_FEW = 64  # rows; so many are found and dropped sooner than they are left out


class SearchedCodes(Protocol):
    """n vectors of a dimension, coded, in rows 0 to n − 1. Any number of threads may ask at once."""

    @property
    def is_precise(self) -> bool:
        """Whether the scores of `candidates` are those of what `decode` gives, to 1e-5."""
        ...

    def __len__(self) -> int: ...

    def candidates(
        self, q: Floats, count: int, passed: Rows | None = None, allowed: Mask | None = None
    ) -> tuple[Floats, Rows]:
        """For q (m, dimension): rough scores, best first, and rows, both (m, count); row −1 where there are no more.

        passed: rows (p,), ascending, that count as not there. allowed: (n,), which rows may be found; without passed.
        """
        ...

    def coded_queries(self, q: Floats) -> Floats:
        """Queries q (m, dimension) in the space of `decode`: (m, c)."""
        ...

    def decode(self, rows: Rows) -> Floats:
        """The vectors of rows (r,) as stored: (r, c). Their products with `coded_queries` are the scores."""
        ...

    def reconstruct(self, rows: Rows) -> Floats:
        """The vectors of rows (r,) as stored, (r, dimension)."""
        ...


class Codes(SearchedCodes, Protocol):
    """The same, which can be taught and changed; by one thread, and while no other asks."""

    @property
    def is_trained(self) -> bool: ...

    def emptied(self) -> Codes:
        """The same codes with the same training and no rows, in memory of their own; codes are not copied."""
        ...

    def copy(self) -> Codes:
        """The same codes with the same rows, in memory of their own."""
        ...

    def train(self, x: Floats, progress: Progress | None = None) -> None:
        """Learn from x (t, dimension), while there are no rows."""
        ...

    def add(self, x: Floats) -> None:
        """Append rows for x (a, dimension)."""
        ...

    def remove(self, rows: Rows) -> None:
        """Take out rows (ascending, none twice); those behind move up, and no byte of what was taken is kept."""
        ...

    def save(self, writer: SectionWriter, name: str) -> None:
        """Write all that `restore` of the family needs, in sections whose names begin with name."""
        ...


@runtime_checkable
class PortableCodes(Codes, Protocol):
    """Codes that mean the same outside: made, kept elsewhere, and given back without being coded again."""

    def encode(self, x: Floats) -> Bytes:
        """The codes that `add` would append for x (a, dimension): (a, bytes per vector)."""
        ...

    def add_codes(self, codes: Bytes) -> None:
        """Append rows for codes (a, bytes per vector) of `encode`."""
        ...

    def decode_codes(self, codes: Bytes) -> Floats:
        """The vectors of codes (a, bytes per vector), (a, dimension), as `reconstruct` gives them."""
        ...


@dataclass(frozen=True, slots=True)
class FaissFamily:
    """How the FAISS indexes of a family are made and changed. make: an empty one. remove: where FAISS's own is wrong.

    selects: whether FAISS can leave rows out of a search. copy_training(source, target): give one what another learnt.
    """

    make: Callable[[], Any]
    train: Callable[[Any, Floats, Progress | None], None] | None = None
    precise: bool = True
    remove: Callable[[Any, Rows], None] | None = None
    copy_training: Callable[[Any, Any], None] | None = None
    selects: bool = False


class FaissCodes:
    """Codes in a FAISS index of numbered rows that decodes and removes by itself."""

    def __init__(self, base: Any, family: FaissFamily, mapped: NDArray[np.uint8] | None = None) -> None:
        self._base = base
        self._family = family
        self._mapped = mapped  # the bytes of a file that the base looks into; None where it owns its memory

    @classmethod
    def restored(
        cls,
        reader: SectionReader,
        name: str,
        is_base: Callable[[Any], bool],
        family: FaissFamily,
    ) -> Self:
        """Look into the section name of a file, in place; raises VectorIndexError where it holds something else."""
        content = reader.section(name)
        base = read_faiss(content)
        if not is_base(base):
            raise VectorIndexError("its contents are not what its kind and dimension say")
        return cls(base, family, content)

    @property
    def is_trained(self) -> bool:
        return bool(self._base.is_trained)

    @property
    def is_precise(self) -> bool:
        return self._family.precise

    def __len__(self) -> int:
        return int(self._base.ntotal)

    def train(self, x: Floats, progress: Progress | None = None) -> None:
        if self._family.train is not None:
            self._own()
            self._family.train(self._base, x, progress)

    def emptied(self) -> Self:
        empty = self._family.make()
        if self._family.copy_training is not None:
            self._family.copy_training(self._base, empty)
        return type(self)(empty, self._family)

    def copy(self) -> Self:
        return type(self)(owned_copy(self._base, self._mapped), self._family)

    def add(self, x: Floats) -> None:
        self._own()
        self._base.add(x)

    def remove(self, rows: Rows) -> None:
        self._own()
        if self._family.remove is not None:
            self._family.remove(self._base, rows)
        else:
            self._base.remove_ids(rows)

    def candidates(
        self, q: Floats, count: int, passed: Rows | None = None, allowed: Mask | None = None
    ) -> tuple[Floats, Rows]:
        if allowed is not None:
            chosen = allowed

            def selected(some: Floats, most: int) -> tuple[Floats, Rows]:
                return self._selected(some, most, chosen)

            if self._family.selects and are_sparse(allowed):
                return selected(q, count)
            return sought(self, self.candidates, q, count, allowed, selected if self._family.selects else None)
        if passed is None:
            scores, rows = self._base.search(q, count)
            return scores, rows
        if self._family.selects and len(passed) > _FEW:
            left = np.ones(len(self), np.bool_)
            left[passed] = False
            return self._selected(q, count, left)
        return without(self._base.search(q, min(len(self), count + len(passed))), passed, count)

    def _selected(self, q: Floats, count: int, allowed: Mask) -> tuple[Floats, Rows]:
        library = faiss()
        packed = np.packbits(allowed, bitorder="little")
        if isinstance(self._base, library.IndexRaBitQ):
            chosen = library.RaBitQSearchParameters()
            chosen.qb = self._base.qb
        else:
            chosen = library.SearchParameters()
        selector = library.IDSelectorBitmap(len(allowed), library.swig_ptr(packed))
        chosen.sel = selector
        scores, rows = self._base.search(q, count, params=chosen)
        return scores, rows

    def encode(self, x: Floats) -> Bytes:
        codes: Bytes = self._base.sa_encode(x)
        return codes

    def add_codes(self, codes: Bytes) -> None:
        self._own()
        self._base.add_sa_codes(np.ascontiguousarray(codes))

    def decode_codes(self, codes: Bytes) -> Floats:
        vectors: Floats = self._base.sa_decode(np.ascontiguousarray(codes))
        return vectors

    def coded_queries(self, q: Floats) -> Floats:
        return q

    def decode(self, rows: Rows) -> Floats:
        return decoded(self._base, rows)

    def reconstruct(self, rows: Rows) -> Floats:
        return self.decode(rows)

    def save(self, writer: SectionWriter, name: str) -> None:
        write_faiss(writer, name, self._base)

    def _own(self) -> None:
        """Before the first change: copy what was only looked at."""
        if self._mapped is not None:
            self._base = copy_of_faiss(self._mapped)
            self._mapped = None


def without(found: tuple[Floats, Rows], passed: Rows, count: int) -> tuple[Floats, Rows]:
    """Scores and rows (m, f), best first, less the rows passed (p,): both (m, count), row −1 where there are none."""
    scores, rows = found
    dropped = np.isin(rows, passed) | (rows < 0)  # (m, f)
    kept = np.argsort(dropped, axis=1, kind="stable")[:, :count]
    gone = np.take_along_axis(dropped, kept, 1)
    scores = np.where(gone, np.float32(-np.inf), np.take_along_axis(scores, kept, 1))
    rows = np.where(gone, -1, np.take_along_axis(rows, kept, 1))
    missing = count - rows.shape[1]
    if missing > 0:
        scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
        rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
    return scores, rows


def decoded(base: Any, rows: Rows) -> Floats:
    """The vectors (r, dimension) of rows (r,) of a FAISS index of numbered rows."""
    library = faiss()
    vectors: Floats
    if isinstance(base, library.IndexScalarQuantizer):  # to the same bits, in a fifth of the CPU time
        codes = library.rev_swig_ptr(base.codes.data(), base.ntotal * base.code_size).reshape(-1, base.code_size)
        vectors = base.sa_decode(codes[rows])
    else:
        vectors = base.reconstruct_batch(rows)
    return vectors


def read_faiss(content: NDArray[np.uint8]) -> Any:
    """A FAISS index over content (bytes,), which has to live as long as the index: codes are not copied."""
    library = faiss()
    try:
        reader = library.ZeroCopyIOReader(library.swig_ptr(content), content.size)
        base = library.read_index(reader)
    except RuntimeError as error:
        raise VectorIndexError("FAISS cannot read its contents") from error
    if reader.rp_ != content.size:
        raise VectorIndexError(f"{content.size - reader.rp_} bytes of its contents belong to nothing")
    return base


def owned_copy(base: Any, mapped: NDArray[np.uint8] | None) -> Any:
    """A copy of a FAISS index that owns its memory; mapped: the bytes that the index looks into, if it does."""
    return faiss().clone_index(base) if mapped is None else copy_of_faiss(mapped)


def copy_of_faiss(content: NDArray[np.uint8]) -> Any:
    """A FAISS index that owns its memory."""
    return faiss().deserialize_index(content)


def write_faiss(writer: SectionWriter, name: str, base: Any) -> None:
    library = faiss()
    sink = writer.section(name)
    library.write_index(base, library.PyCallbackIOWriter(sink))
