"""What every index offers, whatever its kind. Annotations only: importing this loads no heavy library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from indexes.container import SavedIndex, StrPath


@runtime_checkable
class VectorIndex(Protocol):
    """Vectors under int64 ids, searched by inner product.

    Vectors are (n, dimension), anything that converts to float32 without surprise; they have unit length, so the score
    is the cosine. Longer ones are refused (they would win by length, and INT8 would clip them). Methods raise
    `InvalidInputError` on arrays of the wrong shape, type or content and then change nothing.

    Any number of threads may search and reconstruct at once; `train`, `add` and `remove` must not run beside anything
    else.
    """

    @property
    def kind(self) -> str:
        """The kind's name, as `create_index` takes it."""
        ...

    @property
    def dimension(self) -> int: ...

    @property
    def is_trained(self) -> bool:
        """Whether vectors can be added."""
        ...

    @property
    def training_size(self) -> int:
        """How many vectors `train` must see before the first `add`; 0 when the kind is ready from the start."""
        ...

    @property
    def bytes_per_vector(self) -> float:
        """Code bytes per vector. Not counted: the id, and what all vectors share (ranges, codebooks)."""
        ...

    @property
    def ids(self) -> NDArray[np.int64]:
        """All ids, ascending, (len(index),) int64, read-only."""
        ...

    def __len__(self) -> int: ...

    @property
    def learnt_from(self) -> str | None:
        """What it learnt from, in words; "" for nothing, None where a file of an earlier version does not say."""
        ...

    def train(
        self,
        x: ArrayLike,
        progress: Callable[[int, int], None] | None = None,
        *,
        learnt_from: str = "vectors that were given",
    ) -> None:
        """Learn codebooks, rotations or centroids from x (n, dimension); the same x always teaches the same.

        Kinds that learn nothing ignore it. Very large x are sampled. progress: called with (steps done, steps in all)
        of each thing learnt. learnt_from: what x is, in words, which the file keeps: who was in x can be told from what
        was learnt.
        Raises TrainingError when n < training_size, or when the index holds vectors already (their codes would change
        meaning).
        """
        ...

    def add(self, ids: ArrayLike, x: ArrayLike) -> None:
        """Store x (n, dimension) under ids (n,) int64 >= 0, all of them or, on an error, none.

        Raises DuplicateIdError for an id that stands twice or is in the index, UntrainedIndexError before training.
        """
        ...

    def add_codes(self, ids: ArrayLike, codes: NDArray[np.uint8]) -> None:
        """Store vectors that are coded already, codes (n, bytes) uint8 of a coder that the index was created with.

        Nothing is coded anew; a first stage of two is filled from what the codes decode to. Raises as `add`, and
        InvalidInputError where the kind's codes cannot be kept outside an index.
        """
        ...

    def emptied(self) -> VectorIndex:
        """An index of the same kind and the same training, without vectors, in memory of its own.

        The vectors of this index are not copied. What is added to either is stored alike and scored alike.
        """
        ...

    def copy(self) -> VectorIndex:
        """An index with the same vectors, in memory of its own."""
        ...

    def search(
        self, q: ArrayLike, k: int, *, excluded: ArrayLike | None = None, allowed: ArrayLike | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the k best of every row of q (m, dimension): scores (m, k) float32 and ids (m, k) int64.

        Best score first, equal scores by lowest id, also at the k-th place. A score is the inner product of the query
        with the vector as the index stores it; it depends on nothing else in the index or the call. Kinds that
        do not look at every vector may find better ones with a larger k. excluded: ids (e,) that are passed over as if
        they were not in the index. allowed: ids (a,); all others are passed over. Of few allowed ids each is compared,
        whatever the kind, in a time that depends on their number alone. Where the index has fewer than k vectors, the
        rest is id -1 with score -inf. Raises UntrainedIndexError before training.
        """
        ...

    def reconstruct(self, ids: ArrayLike) -> NDArray[np.float32]:
        """Return the vectors under ids (n,) as the index stores them, (n, dimension) float32, not normalised again.

        Their inner products with a query are the scores that `search` gives. Raises InvalidInputError for an id that
        is not in the index.
        """
        ...

    def remove(self, ids: ArrayLike) -> int:
        """Take out the vectors under ids (n,) and return how many there were; unknown ids are ignored."""
        ...

    def save(self, path: StrPath) -> SavedIndex:
        """Write the index to path, atomically and durably; the old file stays until the new one is complete.

        Raises OSError where the file cannot be written; the old file is then untouched.
        """
        ...
