"""What a search looks at: an immutable view of a gallery's templates as of one position of its log.

A view is put together of *segments* (index files, mapped, or parts of the same kind in memory), of a small *delta* with
what came after them, and of the ids that were taken out since. Nothing of it ever changes: what is new makes another
view, which shares the segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facesearch.codecs.ref import CodecRef
from facesearch.errors import IndexStateError
from facesearch.gallery.index_filling import IndexFiller
from facesearch.store import LogPosition, Segment, Templates
from indexes import JoinedIndex, Proposed, ThreadChoice, VectorIndex, VectorIndexError, join_indexes, parse_kind

Ids = npt.NDArray[np.int64]


class Searchable(Protocol):
    """What tells the nearest of a gallery's templates."""

    def __len__(self) -> int:
        """How many templates there are."""
        ...

    def search(
        self, probes: npt.NDArray[np.float32], k: int, excluded: Ids | None = None, allowed: Ids | None = None
    ) -> tuple[npt.NDArray[np.float32], Ids]:
        """See `View.search`."""
        ...


_MOST_IN_DELTA = 2048  # templates; more become a segment in memory, so that the next change copies few


@dataclass(frozen=True, slots=True, eq=False)
class OpenSegment:
    """An index that nobody changes any more, of the templates with ids from first_id to last_id.

    stored: the file that it is mapped from; None where it is in memory only.
    """

    index: VectorIndex
    first_id: int
    last_id: int
    stored: Segment | None = None

    def holds(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of ids (n,) are in it."""
        inside: npt.NDArray[np.bool_] = (ids >= self.first_id) & (ids <= self.last_id)
        if inside.any():
            inside[inside] = np.isin(ids[inside], self.index.ids)
        return inside


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """See above. kind, codec: what it was built for. version: of the recorded index files, None for none.

    removed: ids (n,) int64, ascending, of templates in segments that are no longer stored. choice: what was learnt of
    how many threads suit a search.
    """

    kind: str
    codec: str
    version: int | None
    position: LogPosition
    segments: tuple[OpenSegment, ...]
    delta: VectorIndex
    removed: Ids = field(default_factory=lambda: np.zeros(0, np.int64))
    choice: ThreadChoice = field(default_factory=ThreadChoice)
    searched: JoinedIndex = field(init=False)

    def __post_init__(self) -> None:
        parts = [segment.index for segment in self.segments]
        if len(self.delta) or not parts:
            parts.append(self.delta)
        object.__setattr__(self, "searched", join_indexes(parts, self.choice))

    def __len__(self) -> int:
        return len(self.searched) - len(self.removed)

    @property
    def answering(self) -> str:
        """The kind of index that answers; another than the gallery's while that cannot be trained yet."""
        return self.delta.kind

    @property
    def keeps_people(self) -> bool:
        """Whether the index may have learnt from people in the gallery, as it did in earlier versions, whose files do
        not say what they learnt from. Of a codebook that the gallery stores, `GalleryCodecs.keeps_people` knows."""
        stages = parse_kind(self.answering).stages
        own = stages if CodecRef.parse(self.codec).is_plain else stages[:-1]
        return self.delta.learnt_from is None and any(stage.learns or stage.family.once_learnt for stage in own)

    def search(
        self, probes: npt.NDArray[np.float32], k: int, excluded: Ids | None = None, allowed: Ids | None = None
    ) -> tuple[npt.NDArray[np.float32], Ids]:
        """The k best templates per probe (m, d): scores (m, k) float32 and template ids (m, k) int64, −1 for none.

        excluded: ids (e,) that are passed over. allowed: ids (a,), the only ones that are found. Raises
        `IndexStateError` for probes that do not fit.
        """
        with _in_words():
            return self.searched.search(probes, k, excluded=self._passed(excluded), allowed=allowed)

    def proposed(
        self, probes: npt.NDArray[np.float32], count: int, excluded: Ids | None = None, allowed: Ids | None = None
    ) -> Proposed:
        """See `indexes.JoinedIndex.proposed`."""
        with _in_words():
            return self.searched.proposed(probes, count, excluded=self._passed(excluded), allowed=allowed)

    def compared(
        self, probes: npt.NDArray[np.float32], k: int, excluded: Ids | None, allowed: Ids
    ) -> tuple[npt.NDArray[np.float32], Ids]:
        """See `indexes.JoinedIndex.compared`."""
        with _in_words():
            return self.searched.compared(probes, k, excluded=self._passed(excluded), allowed=allowed)

    def _passed(self, excluded: Ids | None) -> Ids | None:
        passed = self.removed
        if excluded is not None:
            passed = np.union1d(self.removed, excluded) if self.removed.size else excluded
        return passed if passed.size else None

    def ids(self) -> Ids:
        """The ids (n,) of all templates in it, ascending; an id that is there twice stands twice."""
        parts = [np.asarray(segment.index.ids) for segment in self.segments] + [np.asarray(self.delta.ids)]
        every = np.sort(np.concatenate(parts))
        return every[~np.isin(every, self.removed)]

    def caught_up(self, filler: IndexFiller, position: LogPosition, added: Iterable[Templates], gone: Ids) -> View:
        """The view as of a later position of the log: with the templates added since and without those gone."""
        segments, delta = list(self.segments), self.delta
        for batch in added:
            if len(delta) + len(batch) > _MOST_IN_DELTA and len(delta):
                segments.append(_frozen(segments, delta))
                delta = delta.emptied()
            delta = delta.copy()
            filler.add(delta, batch)
        if gone.size and np.isin(gone, delta.ids).any():
            delta = delta.copy()
            delta.remove(gone)
        in_segments = np.zeros(gone.size, np.bool_)
        for segment in segments:
            in_segments |= segment.holds(gone)
        removed = np.union1d(self.removed, gone[in_segments])
        return View(self.kind, self.codec, self.version, position, tuple(segments), delta, removed, self.choice)


def _frozen(before: Sequence[OpenSegment], delta: VectorIndex) -> OpenSegment:
    first = before[-1].last_id + 1 if before else 1
    return OpenSegment(delta, min(first, int(delta.ids[0])), int(delta.ids[-1]))


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except VectorIndexError as error:
        raise IndexStateError(str(error)) from error
