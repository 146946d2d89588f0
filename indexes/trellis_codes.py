"""Trellis codes as the codes of an index: `tcq<m>`, m bytes per vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from indexes.codes import Bytes, Codes, Floats, Mask, Progress, Rows
from indexes.container import SectionReader, SectionWriter
from indexes.errors import VectorIndexError
from indexes.karhunen import KarhunenLoeve, learn_transform
from indexes.trellis import TrellisQuantizer, trellis_quantizer

_BLOCK = 8192  # rows decoded at once in a search
_FLATTENING = 0.8


def assumed_variances(variances: Floats) -> Floats:
    """What components of faces to come are taken to vary by, given the variances (r,) of those learnt from.

    Others differ: what varied much among those learnt from varies less, and the other way round. The exponent was
    chosen on faces that are unlike those learnt from (`docs/research/compact.md`); it belongs to the format of codes.
    """
    flattened = variances.astype(np.float64) ** _FLATTENING
    return np.asarray(flattened * (variances.sum(dtype=np.float64) / flattened.sum()), np.float32)


class TrellisCodes:
    """Vectors as trellis codes of their principal components, decoded when they are looked at.

    A vector is decoded to unit length: what coding takes from its length says nothing of its direction, and would make
    vectors that were coded worse look less similar to every query.
    """

    def __init__(self, dimension: int, size: int, codes: Bytes | None = None) -> None:
        self._dimension = dimension
        self._size = size
        self._codes = np.empty((0, size), np.uint8) if codes is None else codes  # (n, size)
        self._codebook = b""
        self._transform: KarhunenLoeve | None = None
        self._quantizer: TrellisQuantizer | None = None

    @property
    def is_trained(self) -> bool:
        return self._transform is not None

    @property
    def is_precise(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self._codes)

    def train(self, x: Floats, progress: Progress | None = None) -> None:
        self.take_codebook(learn_transform(x).to_bytes())
        if progress:
            progress(1, 1)

    def take_codebook(self, content: bytes) -> None:
        """Use a transform learnt elsewhere, while there are no rows; raises VectorIndexError where it is none."""
        transform = KarhunenLoeve.from_bytes(content)
        if transform.dimension != self._dimension:
            raise VectorIndexError(f"its codebook is of dimension {transform.dimension}, not {self._dimension}")
        self._codebook, self._transform = content, transform
        self._quantizer = trellis_quantizer(assumed_variances(transform.variances), self._size)

    def add(self, x: Floats) -> None:
        self.add_codes(self.encode(x))

    def encode(self, x: Floats) -> Bytes:
        transform, quantizer = self._learnt()
        return quantizer.encode(transform.project(x))

    def add_codes(self, codes: Bytes) -> None:
        self._codes = np.concatenate([self._codes, codes])

    def decode_codes(self, codes: Bytes) -> Floats:
        transform, quantizer = self._learnt()
        return transform.reconstruct(quantizer.decode(codes))

    def remove(self, rows: Rows) -> None:
        self._codes = np.delete(self._codes, rows, axis=0)

    def emptied(self) -> TrellisCodes:
        return self._with(self._codes[:0].copy())

    def copy(self) -> TrellisCodes:
        return self._with(self._codes.copy())

    def _with(self, codes: Bytes) -> TrellisCodes:
        other = TrellisCodes(self._dimension, self._size, codes)
        other._codebook, other._transform, other._quantizer = self._codebook, self._transform, self._quantizer
        return other

    def candidates(
        self, q: Floats, count: int, passed: Rows | None = None, allowed: Mask | None = None
    ) -> tuple[Floats, Rows]:
        queries = self.coded_queries(q)  # (m, c)
        best = np.full((len(q), count), -np.inf, np.float32)
        rows = np.full((len(q), count), -1, np.int64)
        for start in range(0, len(self), _BLOCK):
            here = np.arange(start, min(start + _BLOCK, len(self)))
            scores = queries @ self.decode(here).T  # (m, b)
            if passed is not None:
                scores[:, np.isin(here, passed)] = -np.inf
            if allowed is not None:
                scores[:, ~allowed[here]] = -np.inf
            scores = np.concatenate([best, scores], axis=1)  # (m, count + b)
            places = np.argpartition(scores, -count, axis=1)[:, -count:]
            best = np.take_along_axis(scores, places, 1)
            rows = np.take_along_axis(np.concatenate([rows, np.broadcast_to(here, (len(q), here.size))], 1), places, 1)
        rows[np.isneginf(best)] = -1
        order = np.argsort(-best, axis=1, kind="stable")
        return np.take_along_axis(best, order, 1), np.take_along_axis(rows, order, 1)

    def coded_queries(self, q: Floats) -> Floats:
        return self._learnt()[0].coded_queries(q)

    def decode(self, rows: Rows) -> Floats:
        transform, quantizer = self._learnt()
        return transform.directions(quantizer.decode(self._codes[rows]))

    def reconstruct(self, rows: Rows) -> Floats:
        return self.decode_codes(self._codes[rows])

    def save(self, writer: SectionWriter, name: str) -> None:
        writer.array(f"{name}.codebook", np.frombuffer(self._codebook, np.uint8))
        writer.array(f"{name}.codes", self._codes)

    def _learnt(self) -> tuple[KarhunenLoeve, TrellisQuantizer]:
        assert self._transform is not None and self._quantizer is not None  # noqa: S101 - callers ask is_trained
        return self._transform, self._quantizer


@dataclass(frozen=True, slots=True)
class TrellisMaker:
    """Makes trellis codes; the parameter is their size in bytes."""

    def make(self, dimension: int, parameter: int, lists: int) -> Codes:
        return TrellisCodes(dimension, parameter)

    def restore(self, reader: SectionReader, name: str, dimension: int, parameter: int, lists: int) -> Codes:
        content = reader.section(f"{name}.codebook").tobytes()
        codes = reader.section(f"{name}.codes")
        if codes.size % parameter or (codes.size and not content):
            raise VectorIndexError("its codes are not of the size that its kind says")
        restored = TrellisCodes(dimension, parameter, codes.reshape(-1, parameter))
        if content:
            restored.take_codebook(content)
        return restored
