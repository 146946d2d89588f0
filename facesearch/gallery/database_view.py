"""Searching inside the gallery's database, without index files on this machine.

The database tells which templates are near to a probe; their codes are read at the same moment and scored by a small
index of the gallery's kind, so that similarities are those that its index files give.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.errors import IndexStateError
from facesearch.gallery.index_building import IndexBuilder
from facesearch.gallery.index_filling import IndexFiller
from facesearch.gallery.view import Ids
from facesearch.store import GallerySettings, GalleryState, LogPosition, Moment, Nearby, Templates
from indexes import VectorIndex, VectorIndexError, parse_kind


@dataclass(frozen=True, slots=True, eq=False)
class DatabaseView:
    """The templates of a gallery at one moment, which is not left while this is searched.

    size: how many there are. empty: an index that scores as the gallery's does. later: those that the database does not
    find by itself.
    """

    nearby: Nearby
    size: int
    filler: IndexFiller
    empty: VectorIndex
    later: Templates

    def __len__(self) -> int:
        return self.size

    def search(
        self, probes: npt.NDArray[np.float32], k: int, excluded: Ids | None = None, allowed: Ids | None = None
    ) -> tuple[npt.NDArray[np.float32], Ids]:
        """See `facesearch.gallery.view.View.search`."""
        if probes.shape[1] != self.empty.dimension:
            raise IndexStateError(f"probes have {probes.shape[1]} components, templates {self.empty.dimension}")
        near = [self.nearby.nearest(probe, k, passed=excluded, among=allowed) for probe in probes]
        read = self.nearby.templates(np.unique(np.concatenate([*near, self._later(excluded, allowed)])))
        row_of = {number: row for row, number in enumerate(read.ids.tolist())}
        late = [row_of[number] for number in self._later(excluded, allowed).tolist()]
        scores = np.full((len(probes), k), -np.inf, np.float32)
        ids = np.full((len(probes), k), -1, np.int64)
        for place, found in enumerate(near):
            rows = sorted({*(row_of[number] for number in found.tolist()), *late})
            if rows:
                scores[place], ids[place] = self._scored(probes[place], k, read.of_rows(rows))
        return scores, ids

    def _later(self, excluded: Ids | None, allowed: Ids | None) -> Ids:
        ids = self.later.ids
        ids = ids if excluded is None else ids[~np.isin(ids, excluded)]
        return ids if allowed is None else ids[np.isin(ids, allowed)]

    def _scored(
        self, probe: npt.NDArray[np.float32], k: int, templates: Templates
    ) -> tuple[npt.NDArray[np.float32], Ids]:
        """The k best of templates, ascending, for a probe (d,): scores (k,) and ids (k,)."""
        try:
            index = self.empty.copy()
            self.filler.add(index, templates)
            scores, ids = index.search(probe[None], k, allowed=templates.ids)  # each is compared, whatever the kind
        except VectorIndexError as error:
            raise IndexStateError(str(error)) from error
        return scores[0], ids[0]


class DatabaseSearch:
    """Makes views of one gallery. Safe to share between threads."""

    def __init__(self, builder: IndexBuilder, codecs: GalleryCodecs) -> None:
        self._builder = builder
        self._codecs = codecs
        self._size: tuple[LogPosition, int] | None = None  # as of the last position seen
        self._empty: tuple[tuple[str, str, bool], VectorIndex] | None = None

    def at(self, moment: Moment, state: GalleryState) -> DatabaseView:
        """The view as of a moment whose state is given; raises `StoreError` where the database cannot be searched."""
        nearby = moment.nearby()
        size = self._counted(moment, nearby, state.position)
        later = nearby.later(state.position.last_template_id)
        settings = state.settings
        scoring = _scored_by(settings, size, IndexFiller(self._codecs, settings), self._builder)
        filler = IndexFiller(self._codecs, scoring)
        key = (settings.index_kind, settings.codec, scoring.index_kind == "flat")
        known = self._empty
        if known is None or known[0] != key:
            known = self._empty = (key, self._builder.trained(filler))
        return DatabaseView(nearby, size, filler, known[1], later)

    def _counted(self, moment: Moment, nearby: Nearby, position: LogPosition) -> int:
        """How many templates there are: counting those that came and went since takes less time than counting all."""
        known = self._size
        if known is not None and known[0] == position:
            return known[1]
        if known is None or known[0].is_beyond(position):
            size = nearby.count()
        else:
            before, size = known
            gone = moment.removed_since(before.last_removal_id)
            size += nearby.count(before.last_template_id) - int((gone <= before.last_template_id).sum())
        self._size = (position, size)
        return size


def _scored_by(settings: GallerySettings, size: int, filler: IndexFiller, builder: IndexBuilder) -> GallerySettings:
    """The settings with a kind of index that gives the scores of the gallery's: that of its last stage, which needs no
    training where it is one of codes alone; an exact one while there are few templates."""
    if not builder.is_ready(filler, size):
        return replace(settings, index_kind=builder.STAND_IN)
    stage = parse_kind(settings.index_kind).stages[-1]
    last = settings.index_kind.rpartition("+")[2]
    return settings if stage.lists else replace(settings, index_kind=last)
