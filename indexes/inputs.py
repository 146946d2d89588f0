"""Checks on what callers pass in. Each returns the array as FAISS wants it, or raises InvalidInputError."""

from __future__ import annotations

from operator import index as whole_number

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes.errors import DuplicateIdError, InvalidInputError

# Codecs that store templates in few bits give vectors back a little long or short; anything longer than this was never
# normalised.
_LONGEST = 1.05


def as_vectors(x: ArrayLike, dimension: int) -> NDArray[np.float32]:
    """Return x as contiguous float32 (n, dimension), finite, no row longer than a unit vector (with 5 % to spare)."""
    given = _as_array(x, "vectors")
    if given.ndim != 2 or given.shape[1] != dimension:
        raise InvalidInputError(f"vectors must have shape (n, {dimension}), not {given.shape}")
    if given.dtype.kind not in "fiu":
        raise InvalidInputError(f"vectors must be real numbers, not {given.dtype}")
    with np.errstate(over="ignore"):  # what overflows float32 is caught as infinite
        vectors = np.ascontiguousarray(given, dtype=np.float32)  # (n, dimension)
    finite = np.isfinite(vectors).all(axis=1)  # (n,)
    if not finite.all():
        raise InvalidInputError(f"vectors must be finite: row {finite.argmin()} holds NaN or infinity")
    with np.errstate(over="ignore"):
        squares = np.vecdot(vectors, vectors)  # (n,)
    if squares.size and not squares.max() <= _LONGEST**2:
        row = int(squares.argmax())
        raise InvalidInputError(
            f"vectors must have unit length: row {row} is {np.linalg.norm(vectors[row].astype(np.float64)):.4g} long; "
            "divide each by its Euclidean length"
        )
    return vectors


def as_ids(ids: ArrayLike) -> NDArray[np.int64]:
    """Return ids as contiguous int64 (n,)."""
    given = _as_array(ids, "ids")
    if given.ndim != 1:
        raise InvalidInputError(f"ids must have shape (n,), not {given.shape}")
    if given.size and given.dtype.kind not in "iu":  # an empty list has no type of its own
        raise InvalidInputError(f"ids must be whole numbers (int64), not {given.dtype}")
    if given.dtype.kind == "u" and given.size and int(given.max()) > np.iinfo(np.int64).max:
        raise InvalidInputError(f"ids must fit int64, and {int(given.max())} does not")
    return np.ascontiguousarray(given, dtype=np.int64)


def as_new_ids(ids: ArrayLike, count: int, taken: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ids as int64 (count,): not negative, none twice, none in taken (sorted). Raises DuplicateIdError too."""
    new = as_ids(ids)
    if new.size != count:
        raise InvalidInputError(f"ids and vectors must be equally many, not {new.size} and {count}")
    ordered = np.sort(new)
    if count and ordered[0] < 0:
        raise InvalidInputError(f"ids must be 0 or greater, and {ordered[0]} is not (-1 stands for no result)")
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if twice.size:
        raise DuplicateIdError(f"id {twice[0]} stands twice among the ids to add")
    held = ordered[are_members(ordered, taken)]
    if held.size:
        raise DuplicateIdError(f"id {held[0]} is in the index already: remove it first")
    return new


def as_codes(codes: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return codes as contiguous uint8 (n, size); raises InvalidInputError."""
    given = np.asarray(codes)
    if given.dtype != np.uint8 or given.ndim != 2 or given.shape[1] != size:
        raise InvalidInputError(f"codes must be uint8 (n, {size}), not {given.dtype} {given.shape}")
    return np.ascontiguousarray(given)


def as_k(k: int) -> int:
    """Return k as int >= 1."""
    try:
        count = whole_number(k)
    except TypeError as error:
        raise InvalidInputError(f"k must be a whole number, not {k!r}") from error
    if count < 1:
        raise InvalidInputError(f"k must be 1 or greater, not {count}")
    return count


def are_members(values: NDArray[np.int64], ordered: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say for each of values (n,) whether it stands in ordered (sorted): bool (n,)."""
    if not ordered.size:
        return np.zeros(values.shape, dtype=np.bool_)
    places = np.minimum(np.searchsorted(ordered, values), ordered.size - 1)
    found: NDArray[np.bool_] = ordered[places] == values
    return found


def _as_array(values: ArrayLike, name: str) -> NDArray[np.generic]:
    try:
        return np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:  # rows of unequal length, for example
        raise InvalidInputError(f"{name} must be an array of numbers") from error
