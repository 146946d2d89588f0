"""Codes outside an index: vectors to bytes that a database keeps, and back. One row of the grammar, with its codebook.

coder = learn_coder("tcq64", 512, x)    # or load_coder(content), of coder.to_bytes()
codes = coder.encode(vectors)           # (n, 64) uint8
index = create_index("tcq64", 512, coder=coder)
index.add_codes(ids, codes)             # nothing is coded anew
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes.building import empty_codes, restored_codes
from indexes.codes import Codes, PortableCodes, Progress
from indexes.container import Footer, SectionReader, container_bytes, read_container_bytes
from indexes.errors import DamagedIndexError, TrainingError, UnsuitableKindError, VectorIndexError
from indexes.inputs import as_codes, as_vectors
from indexes.karhunen import KarhunenLoeve
from indexes.kinds import Stage, code_of, parse_kind
from indexes.trellis_codes import TrellisCodes

_SECTION = "codebook"


class Coder:
    """Encodes and decodes vectors as the codes of one kind, with one codebook; made by the functions below."""

    def __init__(self, name: str, dimension: int, content: bytes) -> None:
        self.name = name  # of the code, as in `tcq64` or `pca128,sq4`
        self.dimension = dimension
        self._content = content
        self._codes = self.empty_codes()
        self.code_size = int(_stage(name).bytes_per_vector(dimension))

    def to_bytes(self) -> bytes:
        """The codebook, for `load_coder`: checksummed, and safe to read whoever wrote it."""
        return self._content

    @property
    def sha256(self) -> str:
        """Of the codebook, hex: coders with the same one give the same codes."""
        return hashlib.sha256(self._content).hexdigest()

    def encode(self, x: ArrayLike) -> NDArray[np.uint8]:
        """Codes (n, code_size) of unit vectors x (n, dimension)."""
        return self._codes.encode(as_vectors(x, self.dimension))

    def decode(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (n, dimension) of codes (n, code_size), as an index of the kind reconstructs them."""
        return self._codes.decode_codes(as_codes(codes, self.code_size))

    def empty_codes(self) -> PortableCodes:
        """Codes with this codebook and no rows, for an index."""
        return _portable(read_container_bytes(self._content, _restored), self.name)


def learn_coder(kind: str, dimension: int, x: ArrayLike, progress: Progress | None = None) -> Coder:
    """Learn a coder for the codes of kind (of its second stage where it has two) from x (n, dimension).

    The codes that are ready without training take any n, also 0. Raises UnsuitableKindError for a kind whose codes mean
    nothing outside its index, TrainingError for too few vectors.
    """
    name, codes = _empty(kind, dimension)
    vectors, least = as_vectors(x, dimension), _stage(name).training_size
    if len(vectors) < least:
        raise TrainingError(f"codes {name} need {least} vectors to train, got {len(vectors)}")
    if len(vectors) and _stage(name).learns:
        codes.train(vectors, progress)
    return _coder(name, dimension, codes)


def ready_coder(kind: str, transform: bytes) -> Coder:
    """A coder of `tcq<m>` codes with a transform learnt elsewhere (`indexes.karhunen`)."""
    dimension = KarhunenLoeve.from_bytes(transform).dimension
    name, codes = _empty(kind, dimension)
    if not isinstance(codes, TrellisCodes):
        raise UnsuitableKindError(f"codes {name} have no use for a transform")
    codes.take_codebook(transform)
    return _coder(name, dimension, codes)


def load_coder(content: bytes) -> Coder:
    """Read `Coder.to_bytes`; raises DamagedIndexError for anything else."""
    try:
        name, dimension = read_container_bytes(content, _named)
        return Coder(name, dimension, content)
    except VectorIndexError as error:
        raise DamagedIndexError(f"codebook: {error}") from error


def _stage(name: str) -> Stage:
    return parse_kind(name).first


def _empty(kind: str, dimension: int) -> tuple[str, PortableCodes]:
    name = code_of(kind)
    if name is None:
        raise UnsuitableKindError(f"the codes of {kind} cannot be kept outside an index")
    parse_kind(name).check_dimension(dimension)
    return name, _portable(empty_codes(_stage(name), dimension), name)


def _coder(name: str, dimension: int, codes: Codes) -> Coder:
    return Coder(name, dimension, container_bytes(name, dimension, lambda writer: codes.save(writer, _SECTION)))


def _named(footer: Footer, reader: SectionReader) -> tuple[str, int]:
    _restored(footer, reader)
    return footer.kind, footer.dimension


def _restored(footer: Footer, reader: SectionReader) -> Codes:
    kind = parse_kind(footer.kind)
    kind.check_dimension(footer.dimension)
    if footer.rows or code_of(footer.kind) != footer.kind:
        raise VectorIndexError("not a codebook")
    codes = restored_codes(kind.first, footer.dimension, reader, _SECTION)
    if len(codes) or not codes.is_trained:
        raise VectorIndexError("not a codebook that was learnt")
    return codes


def _portable(codes: Codes, name: str) -> PortableCodes:
    if not isinstance(codes, PortableCodes):
        raise UnsuitableKindError(f"the codes of {name} cannot be kept outside an index")
    return codes
