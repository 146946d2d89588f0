"""Empty indexes by kind, and saved ones by path."""

from __future__ import annotations

from indexes.coder import Coder
from indexes.container import Footer, SectionReader, StrPath, read_container
from indexes.errors import DamagedIndexError, UnsuitableKindError, VectorIndexError
from indexes.kinds import code_of, parse_kind
from indexes.protocol import VectorIndex
from indexes.rows import RowsIndex


def create_index(kind: str, dimension: int, *, coder: Coder | None = None) -> VectorIndex:
    """Make an empty index for vectors of the dimension; with a coder, its codes and codebook are the (last) stage's.

    Raises UnknownKindError for a name outside the grammar and UnsuitableKindError where the kind does not fit the
    dimension; both say what is allowed.
    """
    parsed = parse_kind(kind)
    parsed.check_dimension(dimension)
    if coder is None:
        return RowsIndex(parsed, int(dimension))
    if (coder.name, coder.dimension) != (code_of(kind), dimension):
        raise UnsuitableKindError(f"index kind {kind} of dimension {dimension} has no use for codes {coder.name}")
    return RowsIndex(parsed, int(dimension), coder.empty_codes())


def load_index(path: StrPath) -> VectorIndex:
    """Open an index that `save` wrote. The file is looked into in place; the first change copies it into memory.

    The file is checked as a whole before FAISS sees it, and what FAISS made of it is compared with the footer. Raises
    DamagedIndexError for anything that is not right (MissingIndexError where there is no file), naming the file.
    """
    return read_container(path, _restored)


def _restored(footer: Footer, reader: SectionReader) -> VectorIndex:
    try:
        kind = parse_kind(footer.kind)
        kind.check_dimension(footer.dimension)
        return RowsIndex.restored(kind, footer.dimension, footer.rows, reader)
    except VectorIndexError as error:
        raise DamagedIndexError(str(error)) from error
