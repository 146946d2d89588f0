"""Empty indexes by kind, and saved ones by path."""

from __future__ import annotations

from indexes.container import Footer, read_container
from indexes.errors import DamagedIndexError, VectorIndexError
from indexes.kinds import parse_kind
from indexes.protocol import ReadBytes, StrPath, VectorIndex


def create_index(kind: str, dimension: int) -> VectorIndex:
    """Make an empty index for vectors of the dimension.

    Raises UnknownKindError for a name outside the grammar and UnsuitableKindError where the kind does not fit the
    dimension; both say what is allowed.
    """
    parsed = parse_kind(kind)
    parsed.check_dimension(dimension)
    return parsed.family.engine()(parsed, int(dimension))


def load_index(path: StrPath) -> VectorIndex:
    """Read an index that `save` wrote.

    The file is checked as a whole before FAISS sees it, and what FAISS made of it is compared with the footer. Raises
    DamagedIndexError for anything that is not right (MissingIndexError where there is no file), naming the file.
    """
    return read_container(path, _restored)


def _restored(footer: Footer, read: ReadBytes) -> VectorIndex:
    try:
        kind = parse_kind(footer.kind)
        kind.check_dimension(footer.dimension)
        index = kind.family.engine().restored(kind, footer.dimension, read)
    except VectorIndexError as error:
        raise DamagedIndexError(str(error)) from error
    if len(index) != footer.rows:
        raise DamagedIndexError(f"it holds {len(index)} vectors where its footer says {footer.rows}")
    return index
