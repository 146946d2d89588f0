"""A gallery's index from its stored templates: trained where the kind is trained, filled segment by segment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from facesearch.codecs.population import population, population_origin
from facesearch.codecs.training import least_templates, settled_templates
from facesearch.errors import IndexStateError, StoreError
from facesearch.gallery.index_filling import IndexFiller
from facesearch.gallery.view import OpenSegment
from facesearch.store import GalleryStore, LogPosition, Shard
from indexes import VectorIndex, VectorIndexError, create_index, parse_kind

Progress = Callable[[int, int], None]  # (templates done, templates in all)
Finish = Callable[[VectorIndex, int, int], OpenSegment]  # (index, first id, last id) -> what the view has of it

# Forgetting somebody rewrites the segments that hold them: a segment is never larger than what that may cost. Where a
# search does not look at all of a segment, many small ones would make it slower.
_SEGMENT_BYTES = 32 << 20
_SPARSE_SEGMENT_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, eq=False)
class BuiltIndex:
    """Segments of all templates up to a position of the log, and an empty index of the same training."""

    segments: tuple[OpenSegment, ...]
    empty: VectorIndex
    position: LogPosition


def segment_rows(kind: str, dimension: int) -> int:
    """How many templates a segment of that kind holds at most."""
    parsed = parse_kind(kind)
    searched_in_part = any(stage.lists or stage.family.form.startswith("hnsw") for stage in parsed.stages)
    most = _SPARSE_SEGMENT_BYTES if searched_in_part else _SEGMENT_BYTES
    return max(1024, int(most / parsed.bytes_per_vector(dimension)))


def in_memory(index: VectorIndex, first_id: int, last_id: int) -> OpenSegment:
    """A segment without a file."""
    return OpenSegment(index, first_id, last_id)


class IndexBuilder:
    """Builds the index of one gallery; nothing is remembered."""

    STAND_IN = "flat"

    def __init__(self, store: GalleryStore, shard: Shard | None = None) -> None:
        """shard: whose templates `fill` takes, in place of all."""
        self._store = store
        self._shard = shard

    def build(
        self, filler: IndexFiller, finish: Finish, progress: Progress | None = None, *, asked: bool = False
    ) -> BuiltIndex:
        """An index of all stored templates; an exact one where there are too few to train the kind.

        finish: called with each segment that is full. asked: also for as few templates as the kind is possible for, not
        only when it is worth it. Raises `IndexStateError`, `StoreError`.
        """
        store = self._store
        position, total = store.templates.position(), store.templates.counts().templates
        try:
            ready = self.is_ready(filler, total, asked=asked)
            empty = self.trained(filler, progress) if ready else create_index(self.STAND_IN, filler.settings.dimension)
            segments = list(self._segments(empty, filler, 1, position.last_template_id, finish, progress, total))
        except VectorIndexError as error:
            raise IndexStateError(str(error)) from error
        done = sum(len(segment.index) for segment in segments)
        unchanged = (position, total) == (store.templates.position(), store.templates.counts().templates)
        if done != total and unchanged:
            # The rows of the table and those of its SQL indexes, which count them, differ while nobody writes.
            raise StoreError(f"the database has {total} templates and gives {done}; see facesearch index check")
        return BuiltIndex(tuple(segments), empty, position)

    def fill(
        self, empty: VectorIndex, filler: IndexFiller, first_id: int, last_id: int, finish: Finish
    ) -> list[OpenSegment]:
        """Segments of the stored templates in an interval of ids, trained as `empty` is."""
        try:
            return list(self._segments(empty, filler, first_id, last_id, finish, None, 0))
        except VectorIndexError as error:
            raise IndexStateError(str(error)) from error

    def untrained(self, filler: IndexFiller) -> VectorIndex | None:
        """An empty index of the gallery's kind, if it needs no training on templates; else None."""
        kind, coder = filler.settings.index_kind, filler.coder
        parsed = parse_kind(kind)
        if parsed.learns and (coder is None or len(parsed.stages) > 1):
            return None
        return create_index(kind, filler.settings.dimension, coder=coder)

    @staticmethod
    def is_ready(filler: IndexFiller, total: int, *, asked: bool = False) -> bool:
        """Whether so many templates are enough for the kind; asked: see `build`."""
        kind, coder = filler.settings.index_kind, filler.coder
        least = least_templates(kind, coder)
        return not least or total >= (least if asked else settled_templates(kind, coder))

    @staticmethod
    def trained(filler: IndexFiller, progress: Progress | None = None) -> VectorIndex:
        """An empty index of the gallery's kind, trained where the kind is."""
        settings, coder = filler.settings, filler.coder
        index = create_index(settings.index_kind, settings.dimension, coder=coder)
        kind = parse_kind(index.kind)
        if kind.learns and (coder is None or len(kind.stages) > 1):
            drawn = population(settings.model, index.kind, settings.dimension)
            index.train(drawn, progress, learnt_from=population_origin(settings.model, settings.dimension))
        return index

    def _segments(
        self,
        empty: VectorIndex,
        filler: IndexFiller,
        first_id: int,
        last_id: int,
        finish: Finish,
        progress: Progress | None,
        total: int,
    ) -> Iterator[OpenSegment]:
        most = segment_rows(empty.kind, empty.dimension)
        index, start, done = empty.emptied(), first_id, 0
        for batch in self._store.templates.batches(first_id - 1, last_id, shard=self._shard):
            for rows in np.array_split(np.arange(len(batch)), _pieces(len(index), len(batch), most)):
                if len(index) >= most:
                    end = int(index.ids[-1])
                    yield finish(index, start, end)
                    index, start = empty.emptied(), end + 1
                chosen = np.zeros(len(batch), np.bool_)
                chosen[rows] = True
                filler.add(index, batch, chosen)
            done += len(batch)
            if progress:
                progress(done, total)
        yield finish(index, start, last_id)


def _pieces(held: int, new: int, most: int) -> int:
    """Into how many pieces a batch is cut, so that no segment holds more than half a batch too much."""
    return 1 if held + new <= most else 2
