"""The errors of this package.

VectorIndexError (a ValueError)
├── UnknownKindError        the text names no kind of index
├── UnsuitableKindError     the kind exists and does not fit this dimension
├── InvalidInputError       an array of the wrong shape, type or content; k below 1
│   └── DuplicateIdError    an id given twice, or already in the index
├── TrainingError           too few vectors to train on, or the index already holds some
├── UntrainedIndexError     add or search before the training that the kind needs
└── DamagedIndexError       the file is not an index, is incomplete or was altered
    └── MissingIndexError   there is no such file

Every message is one line that says what is wrong and what is allowed. Operating system errors of `save` (a full disk,
a folder without permission) stay what they are: OSError.
"""

from __future__ import annotations


class VectorIndexError(ValueError):
    """Base of every error that this package raises on purpose."""


class UnknownKindError(VectorIndexError):
    """The text names no kind of index."""


class UnsuitableKindError(VectorIndexError):
    """The kind does not fit the dimension."""


class InvalidInputError(VectorIndexError):
    """Vectors, ids or k are not what the method takes."""


class DuplicateIdError(InvalidInputError):
    """An id stands twice in the call, or is in the index already."""


class TrainingError(VectorIndexError):
    """The index cannot be trained on these vectors, or no longer."""


class UntrainedIndexError(VectorIndexError):
    """The index has to be trained first."""


class DamagedIndexError(VectorIndexError):
    """The file is not a whole, unaltered index file."""


class MissingIndexError(DamagedIndexError):
    """There is no file at the path."""
