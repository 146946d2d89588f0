"""How codes are made empty, and restored from a file, for families that are alike in this: one class for each way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from indexes import rotation
from indexes.codes import Codes, FaissCodes, FaissFamily, Floats, Progress
from indexes.container import SectionReader
from indexes.graph import GraphCodes
from indexes.inverted import InvertedCodes
from indexes.spreading import SpreadCodes


@dataclass(frozen=True, slots=True)
class FaissMaker:
    """Codes of one FAISS base; the functions are in the families' files."""

    base: Callable[[int, int], Any]
    is_base: Callable[[Any, int, int], bool]
    train: Callable[[Any, Any, Progress | None], None] | None = None
    precise: bool = True
    remove: Callable[[Any, Any], None] | None = None
    copy_training: Callable[[Any, Any], None] | None = None
    selects: bool = False
    codes: type[FaissCodes] = FaissCodes
    inverted: Callable[[int, int, int], Any] | None = None
    is_inverted: Callable[[Any, int, int, int], bool] | None = None

    def make(self, dimension: int, parameter: int, lists: int) -> Codes:
        family = self._family(dimension, parameter)
        if lists:
            assert self.inverted is not None  # noqa: S101 - the grammar allows lists only where they can be
            make = partial(self.inverted, dimension, parameter)
            return InvertedCodes(make, lists, make(lists), family)
        return self.codes(family.make(), family)

    def restore(self, reader: SectionReader, name: str, dimension: int, parameter: int, lists: int) -> Codes:
        def is_base(base: Any) -> bool:
            return self.is_base(base, dimension, parameter)

        def is_inverted(base: Any, lists: int) -> bool:
            return self.is_inverted is not None and self.is_inverted(base, dimension, parameter, lists)

        family = self._family(dimension, parameter)
        if lists:
            assert self.inverted is not None  # noqa: S101 - as above
            make = partial(self.inverted, dimension, parameter)
            return InvertedCodes.restored(reader, name, make, lists, is_inverted, family)
        return self.codes.restored(reader, name, is_base, family)

    def _family(self, dimension: int, parameter: int) -> FaissFamily:
        make = partial(self.base, dimension, parameter)
        return FaissFamily(make, self.train, self.precise, self.remove, self.copy_training, self.selects)


@dataclass(frozen=True, slots=True)
class RotatedMaker:
    """Codes behind a rotation that keeps the dimension, found by `learn` in the training vectors, or the random one."""

    inner: FaissMaker
    learn: Callable[[Floats, int], Floats] | None = None  # (x, parameter)

    def make(self, dimension: int, parameter: int, lists: int) -> Codes:
        fixed = rotation.random_rotation(dimension) if self.learn is None else None
        learn = None if self.learn is None else partial(self._learnt, parameter)
        return rotation.RotatedCodes(self.inner.make(dimension, parameter, lists), fixed, learn)

    def restore(self, reader: SectionReader, name: str, dimension: int, parameter: int, lists: int) -> Codes:
        return rotation.RotatedCodes.restored(
            reader,
            name,
            (dimension, dimension),
            lambda reader, name: self.inner.restore(reader, name, dimension, parameter, lists),
            None if self.learn is None else partial(self._learnt, parameter),
        )

    def _learnt(self, parameter: int, x: Floats) -> Floats:
        assert self.learn is not None  # noqa: S101 - for the type checker
        return self.learn(x, parameter)


@dataclass(frozen=True, slots=True)
class SpreadMaker:
    """Codes behind the fixed rotation of `indexes.spreading`; in files of earlier versions, the codes alone."""

    inner: FaissMaker | GraphMaker
    rounding: Callable[[int, int], Callable[[Floats], Floats] | None] | None = None  # (dimension, parameter)

    def make(self, dimension: int, parameter: int, lists: int) -> Codes:
        return SpreadCodes(self.inner.make(dimension, parameter, lists), self._rounding(dimension, parameter))

    def restore(self, reader: SectionReader, name: str, dimension: int, parameter: int, lists: int) -> Codes:
        def restore(reader: SectionReader, name: str) -> Codes:
            return self.inner.restore(reader, name, dimension, parameter, lists)

        if not SpreadCodes.is_in(reader, name):
            return restore(reader, name)
        return SpreadCodes.restored(reader, name, restore, self._rounding(dimension, parameter))

    def _rounding(self, dimension: int, parameter: int) -> Callable[[Floats], Floats] | None:
        return None if self.rounding is None else self.rounding(dimension, parameter)


@dataclass(frozen=True, slots=True)
class GraphMaker:
    """Codes in a graph."""

    base: Callable[[int, int], Any]
    is_base: Callable[[Any, int, int], bool]

    def make(self, dimension: int, parameter: int, lists: int) -> Codes:
        make = partial(self.base, dimension, parameter)
        return GraphCodes(make, make())

    def restore(self, reader: SectionReader, name: str, dimension: int, parameter: int, lists: int) -> Codes:
        def is_base(base: Any) -> bool:
            return self.is_base(base, dimension, parameter)

        return GraphCodes.restored(reader, name, is_base, partial(self.base, dimension, parameter))
