"""Nearest-neighbour indexes: float32 vectors and int64 ids in, the nearest ids out.

    from indexes import create_index, load_index

    index = create_index("sq8", dimension=512)
    index.add(ids, vectors)                    # (n,) int64, (n, 512) float32 of unit length
    scores, ids = index.search(queries, k=5)   # (m, 5) float32, (m, 5) int64
    index.save("gallery.index")

The package knows FAISS and nothing of what the vectors stand for. Importing it loads neither FAISS nor NumPy: a
command line that only prints its help stays quick. Both are loaded by the first name that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from indexes.errors import (
    DamagedIndexError,
    DuplicateIdError,
    InvalidInputError,
    MissingIndexError,
    TrainingError,
    UnknownKindError,
    UnsuitableKindError,
    UntrainedIndexError,
    VectorIndexError,
)
from indexes.kinds import LARGE_GALLERY_KIND, Kind, allowed_kinds, code_of, parse_kind

if TYPE_CHECKING:
    from indexes.among import are_few_allowed
    from indexes.coder import Coder, learn_coder, load_coder, ready_coder
    from indexes.container import Footer, SavedIndex, read_footer
    from indexes.factory import create_index, load_index
    from indexes.joined import JoinedIndex, join_indexes
    from indexes.proposals import Proposed, best_proposed, first_proposed, more_proposed
    from indexes.protocol import VectorIndex
    from indexes.threads import ThreadChoice

__all__ = [
    "LARGE_GALLERY_KIND",
    "Coder",
    "DamagedIndexError",
    "DuplicateIdError",
    "Footer",
    "InvalidInputError",
    "JoinedIndex",
    "Kind",
    "MissingIndexError",
    "Proposed",
    "SavedIndex",
    "ThreadChoice",
    "TrainingError",
    "UnknownKindError",
    "UnsuitableKindError",
    "UntrainedIndexError",
    "VectorIndex",
    "VectorIndexError",
    "allowed_kinds",
    "are_few_allowed",
    "best_proposed",
    "code_of",
    "create_index",
    "first_proposed",
    "join_indexes",
    "learn_coder",
    "load_coder",
    "load_index",
    "more_proposed",
    "parse_kind",
    "read_footer",
    "ready_coder",
]

_LOADED_ON_USE = {
    "Coder": "indexes.coder",
    "Footer": "indexes.container",
    "JoinedIndex": "indexes.joined",
    "Proposed": "indexes.proposals",
    "SavedIndex": "indexes.container",
    "ThreadChoice": "indexes.threads",
    "VectorIndex": "indexes.protocol",
    "are_few_allowed": "indexes.among",
    "best_proposed": "indexes.proposals",
    "create_index": "indexes.factory",
    "first_proposed": "indexes.proposals",
    "join_indexes": "indexes.joined",
    "learn_coder": "indexes.coder",
    "load_coder": "indexes.coder",
    "ready_coder": "indexes.coder",
    "load_index": "indexes.factory",
    "more_proposed": "indexes.proposals",
    "read_footer": "indexes.container",
}


def __getattr__(name: str) -> object:
    if name not in _LOADED_ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LOADED_ON_USE[name]), name)
    globals()[name] = value  # the next access takes the ordinary way
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
