"""What a kind stores: vectors as codes in numbered rows, without ids. `Codes` is the joint; `FaissCodes` the usual one.

Kinds are composed of these: a rotation in front of codes (`indexes.rotation`), an inverted file over codes
(`indexes.inverted`), a graph (`indexes.graph`). `indexes.rows` puts ids beside them, and a second stage behind them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from indexes.container import SectionReader, SectionWriter
from indexes.errors import VectorIndexError
from indexes.faiss_library import faiss

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Progress = Callable[[int, int], None]  # (steps done, steps in all)


class Codes(Protocol):
    """n vectors of a dimension, coded, in rows 0 to n − 1."""

    @property
    def is_trained(self) -> bool: ...

    @property
    def is_precise(self) -> bool:
        """Whether the scores of `candidates` are those of what `decode` gives, to 1e-5."""
        ...

    def __len__(self) -> int: ...

    def train(self, x: Floats, progress: Progress | None = None) -> None:
        """Learn from x (t, dimension), while there are no rows."""
        ...

    def add(self, x: Floats) -> None:
        """Append rows for x (a, dimension)."""
        ...

    def remove(self, rows: Rows) -> None:
        """Take out rows (ascending, none twice); those behind move up, and no byte of what was taken is kept."""
        ...

    def candidates(self, q: Floats, count: int) -> tuple[Floats, Rows]:
        """For q (m, dimension): rough scores, best first, and rows, both (m, count); row −1 where there are no more."""
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


class FaissCodes:
    """Codes in a FAISS index of numbered rows that decodes and removes by itself."""

    def __init__(
        self,
        base: Any,
        train: Callable[[Any, Floats, Progress | None], None] | None,
        *,
        precise: bool = True,
        remove: Callable[[Any, Rows], None] | None = None,
        mapped: NDArray[np.uint8] | None = None,
    ) -> None:
        self._base = base
        self._train = train
        self._precise = precise
        self._remove = remove
        self._mapped = mapped  # the bytes of a file that the base looks into; None where it owns its memory

    @classmethod
    def restored(
        cls,
        reader: SectionReader,
        name: str,
        is_base: Callable[[Any], bool],
        train: Callable[[Any, Floats, Progress | None], None] | None,
        *,
        precise: bool = True,
        remove: Callable[[Any, Rows], None] | None = None,
    ) -> FaissCodes:
        """Look into the section name of a file, in place; raises VectorIndexError where it holds something else."""
        content = reader.section(name)
        base = read_faiss(content)
        if not is_base(base):
            raise VectorIndexError("its contents are not what its kind and dimension say")
        return cls(base, train, precise=precise, remove=remove, mapped=content)

    @property
    def is_trained(self) -> bool:
        return bool(self._base.is_trained)

    @property
    def is_precise(self) -> bool:
        return self._precise

    def __len__(self) -> int:
        return int(self._base.ntotal)

    def train(self, x: Floats, progress: Progress | None = None) -> None:
        if self._train is not None:
            self._own()
            self._train(self._base, x, progress)

    def add(self, x: Floats) -> None:
        self._own()
        self._base.add(x)

    def remove(self, rows: Rows) -> None:
        self._own()
        if self._remove is not None:
            self._remove(self._base, rows)
        else:
            self._base.remove_ids(rows)

    def candidates(self, q: Floats, count: int) -> tuple[Floats, Rows]:
        scores, rows = self._base.search(q, count)
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
        vectors: Floats = self._base.reconstruct_batch(rows)
        return vectors

    def reconstruct(self, rows: Rows) -> Floats:
        return self.decode(rows)

    def save(self, writer: SectionWriter, name: str) -> None:
        write_faiss(writer, name, self._base)

    def _own(self) -> None:
        """Before the first change: copy what was only looked at."""
        if self._mapped is not None:
            self._base = copy_of_faiss(self._mapped)
            self._mapped = None


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


def copy_of_faiss(content: NDArray[np.uint8]) -> Any:
    """A FAISS index that owns its memory."""
    return faiss().deserialize_index(content)


def write_faiss(writer: SectionWriter, name: str, base: Any) -> None:
    library = faiss()
    sink = writer.section(name)
    library.write_index(base, library.PyCallbackIOWriter(sink))
