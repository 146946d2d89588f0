"""How the codes of each family in the table of `indexes.kinds` are made empty, and restored from a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from indexes import codecs, rotation
from indexes.codes import Codes, FaissCodes, Floats, Progress
from indexes.container import SectionReader
from indexes.trellis_codes import TrellisMaker


class Maker(Protocol):
    """Makes the codes of one family."""

    def make(self, dimension: int, parameter: int) -> Codes: ...

    def restore(self, reader: SectionReader, name: str, dimension: int, parameter: int) -> Codes:
        """Codes from the sections of a file whose names begin with name; raises VectorIndexError if they are others."""
        ...


@dataclass(frozen=True, slots=True)
class FaissMaker:
    """Codes of one FAISS base; see `indexes.codecs` for the three functions."""

    base: Callable[[int, int], Any]
    is_base: Callable[[Any, int, int], bool]
    train: Callable[[Any, Any, Progress | None], None] | None = None
    exhaustive: bool = True
    remove: Callable[[Any, Any], None] | None = None

    def make(self, dimension: int, parameter: int) -> Codes:
        base = self.base(dimension, parameter)
        return FaissCodes(base, self.train, exhaustive=self.exhaustive, remove=self.remove)

    def restore(self, reader: SectionReader, name: str, dimension: int, parameter: int) -> Codes:
        def is_base(base: Any) -> bool:
            return self.is_base(base, dimension, parameter)

        return FaissCodes.restored(reader, name, is_base, self.train, exhaustive=self.exhaustive, remove=self.remove)


@dataclass(frozen=True, slots=True)
class RotatedMaker:
    """Codes behind a rotation that keeps the dimension, found by `learn` in the training vectors, or the random one."""

    inner: FaissMaker
    learn: Callable[[Floats, int], Floats] | None = None  # (x, parameter)

    def make(self, dimension: int, parameter: int) -> Codes:
        fixed = rotation.random_rotation(dimension) if self.learn is None else None
        learn = None if self.learn is None else partial(self._learnt, parameter)
        return rotation.RotatedCodes(self.inner.make(dimension, parameter), fixed, learn)

    def restore(self, reader: SectionReader, name: str, dimension: int, parameter: int) -> Codes:
        return rotation.RotatedCodes.restored(
            reader,
            name,
            (dimension, dimension),
            lambda reader, name: self.inner.restore(reader, name, dimension, parameter),
            None if self.learn is None else partial(self._learnt, parameter),
        )

    def _learnt(self, parameter: int, x: Floats) -> Floats:
        assert self.learn is not None  # noqa: S101 - for the type checker
        return self.learn(x, parameter)


FLAT = FaissMaker(codecs.flat_base, codecs.is_flat)
FP16 = FaissMaker(codecs.fp16_base, codecs.is_fp16)
SQ = FaissMaker(codecs.sq_base, codecs.is_sq, codecs.train_sq)
PQ = FaissMaker(codecs.pq_base, codecs.is_pq, codecs.train_pq)
OPQ = RotatedMaker(PQ, rotation.balanced_rotation)
FASTSCAN = FaissMaker(
    codecs.fastscan_base, codecs.is_fastscan, codecs.train_pq, exhaustive=False, remove=codecs.remove_fastscan
)
RABITQ = RotatedMaker(FaissMaker(codecs.rabitq_base, codecs.is_rabitq))
TRELLIS = TrellisMaker()
