"""The index of one shard: views of its templates, each as of one moment of the gallery.

It follows the gallery's log as `facesearch.gallery.template_index` does for all templates. Templates are in the shard
of the person whom they belong to, so that merging people and moving templates takes some to another shard, although the
log says nothing of it: the audit log does, and a moment of a shard is told by both.
"""

from __future__ import annotations

import enum
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.errors import GalleryNotFoundError
from facesearch.gallery.index_building import IndexBuilder, segment_rows
from facesearch.gallery.index_filling import IndexFiller
from facesearch.gallery.replica_file import remove_before
from facesearch.gallery.shard_files import ShardFiles
from facesearch.gallery.view import Ids, OpenSegment, View
from facesearch.store import GallerySettings, GalleryState, GalleryStore, LogPosition, Moment, Shard, Templates
from facesearch.text.announcements import announce
from indexes import VectorIndex, create_index

_KEPT = 16  # views of moments before the last one, for those who still ask at these
_BATCH = 4096
_WAIT, _STEP = 5.0, 0.05  # seconds for a database that lags behind, and between two looks at it
_LAG, _MOST_LAG = 0.02, 2048  # templates that files may lack, as a part of all, and in number


@dataclass(frozen=True, slots=True)
class ShardMoment:
    """A moment of a gallery. event: the last entry of the audit log, 0 before the first. kind, codec: of its index."""

    position: LogPosition
    event: int
    kind: str
    codec: str

    @classmethod
    def of(cls, state: GalleryState) -> ShardMoment:
        """That of a state."""
        settings = state.settings
        return cls(state.position, state.last_event or 0, settings.index_kind, settings.codec)

    def is_beyond(self, other: ShardMoment) -> bool:
        """Whether this moment has seen something that the other one has not."""
        return self.position.is_beyond(other.position) or self.event > other.event


class Missed(enum.Enum):
    """Why there is no view of a moment: the gallery is further by now, the database here is not so far yet, or the
    shard is being built."""

    PASSED = "passed"
    BEHIND = "behind"
    BUSY = "busy"


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A view of the shard, the moment that it is of, and the gallery's settings then."""

    then: ShardMoment
    view: View
    settings: GallerySettings

    def may_follow(self, now: ShardMoment) -> bool:
        """Whether a view of a moment can be made from it."""
        return (self.then.kind, self.then.codec) == (now.kind, now.codec) and not self.then.is_beyond(now)


class ShardIndex:
    """The index of one shard of a gallery on a server. Safe to share between threads."""

    def __init__(self, store: GalleryStore, codecs: GalleryCodecs, folder: Path, shard: Shard) -> None:
        """folder: for its index files, of nobody else. Raises `IndexStateError` where it cannot be used."""
        self.shard = shard
        self._of_machine = folder.parent
        self.gallery = store.incarnation()
        self._store = store
        self._codecs = codecs
        self._files = ShardFiles(folder, self.gallery, shard)
        self._builder = IndexBuilder(store, shard)
        self._changing = threading.Lock()  # a view is made from the last one, by one thread at a time
        self._last: _Known | None = None
        self._kept: OrderedDict[ShardMoment, View] = OrderedDict()

    @property
    def outlived(self) -> bool:
        """Whether another server took over from that of the gallery: then the shard is to be opened anew."""
        return self._store.outlived

    def open(self) -> View:
        """The view as of now: of the files that there are, or built from the stored templates.

        Raises `GalleryNotFoundError` where nobody is enrolled yet, `StoreError`, `IndexStateError`.
        """
        with self._changing:
            return self._now().view

    def at(self, asked: ShardMoment) -> View | Missed:
        """The view as of exactly this moment, or why there is none."""
        until = time.monotonic() + _WAIT
        while True:
            if (kept := self._kept.get(asked)) is not None:
                return kept
            if not self._changing.acquire(timeout=max(0.0, until - time.monotonic())):
                return Missed.BUSY
            try:
                now = self._now()
            finally:
                self._changing.release()
            if now.then == asked:
                return now.view
            if not asked.is_beyond(now.then):
                return Missed.PASSED
            if time.monotonic() > until:
                return Missed.BEHIND
            time.sleep(_STEP)

    def keep_up(self) -> bool:
        """Catch up, and write to the files what they lack if that is much, or if they hold what was taken out; whether
        they were written. To be called by one thread at a time."""
        with self._changing:
            now = self._now()
        remove_before(self._of_machine, now.then.position.last_removal_id)
        view = now.view
        behind = sum(len(each.index) for each in view.segments if each.stored is None) + len(view.delta)
        if not view.removed.size and behind <= min(_LAG * len(view), _MOST_LAG):
            return False
        written = replace(now, view=self._written(view, now.settings))
        self._record(written)
        with self._changing:
            if self._last is not None and written.may_follow(self._last.then):
                self._last = written  # what came since is in the log
        return True

    def bytes_on_disk(self) -> int:
        """Of its index files."""
        return 0 if self._last is None else self._files.bytes_on_disk(self._last.view.segments)

    # inside

    def _now(self) -> _Known:
        while True:
            last = self._last
            with self._store.moment() as moment:
                state = moment.state()
                if state is None:
                    raise GalleryNotFoundError("the gallery is empty: enrol somebody first")
                now = ShardMoment.of(state)
                if follows := last is not None and last.may_follow(now):
                    last = self._last = self._caught_up(last, now, moment, state)
            if last is not None and follows and self._is_settled(last):
                self._remember(last)
                return last
            self._kept.clear()
            found = None if follows else self._read(now, state.settings)
            self._last = found or self._built(now, state.settings)

    def _is_settled(self, known: _Known) -> bool:
        """Whether the gallery's own kind answers, or there are still too few templates for it."""
        if known.view.answering == known.settings.index_kind:
            return True
        filler = IndexFiller(self._codecs, known.settings)
        return not self._builder.is_ready(filler, self._store.templates.counts().templates)

    def _remember(self, known: _Known) -> None:
        self._kept[known.then] = known.view
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def _caught_up(self, last: _Known, now: ShardMoment, moment: Moment, state: GalleryState) -> _Known:
        if last.then == now:
            return last
        view, after = last.view, last.then.position
        gone = moment.removed_since(after.last_removal_id)
        came, went = self._moved(last, moment)
        if came.size and view.removed.size:  # what comes back stands in a segment still
            view = replace(view, removed=np.setdiff1d(view.removed, came))
        new = came[~_holds(view, came)]

        def added() -> Iterator[Templates]:
            for first in range(0, len(new), _BATCH):
                yield moment.codes(new[first : first + _BATCH].tolist())
            yield from moment.templates(after.last_template_id, shard=self.shard)

        filler = IndexFiller(self._codecs, state.settings)
        return _Known(now, view.caught_up(filler, now.position, added(), np.union1d(gone, went)), state.settings)

    def _moved(self, last: _Known, moment: Moment) -> tuple[Ids, Ids]:
        """Ids of templates that are of people in the shard and may have been others' before, and of those that are in
        the view and in another shard by now; none that the log will tell of."""
        receivers = moment.receivers_since(last.then.event).tolist()
        ours = [each for each in receivers if self.shard.has(each)]
        theirs = [each for each in receivers if not self.shard.has(each)]
        came = moment.template_ids(ours) if ours else np.zeros(0, np.int64)
        went = moment.template_ids(theirs) if theirs else np.zeros(0, np.int64)
        return came[came <= last.then.position.last_template_id], went[_holds(last.view, went)]

    def _read(self, now: ShardMoment, settings: GallerySettings) -> _Known | None:
        """What the files hold, unless they are of another kind or codec, or ahead of the gallery."""
        listed = self._files.read()
        if listed is None or not self._store.templates.holds(listed.milestones):
            return None
        then = ShardMoment(listed.position, listed.event, listed.kind, listed.codec)
        segments = self._files.opened(listed)
        if not segments:
            return None
        known = _Known(then, _of_files(then, segments, segments[0].index.emptied()), settings)
        return known if known.may_follow(now) else None

    def _built(self, now: ShardMoment, settings: GallerySettings) -> _Known:
        """From the stored templates, while others may change them: what they do is in the log after `now`."""
        filler = IndexFiller(self._codecs, settings)
        ready = self._builder.is_ready(filler, self._store.templates.counts().templates)
        announce("building shard %s of index %s from the stored templates", self.shard, settings.index_kind)
        stand_in = create_index(self._builder.STAND_IN, settings.dimension)
        empty = self._builder.trained(filler) if ready else stand_in
        last = now.position.last_template_id
        segments = tuple(self._builder.fill(empty, filler, 1, last, self._files.finish))
        built = _Known(now, _of_files(now, segments, empty.emptied()), settings)
        self._record(built)
        return built

    def _record(self, known: _Known) -> None:
        then = known.then
        milestones = self._store.templates.milestones(then.position.last_template_id)
        self._files.record(then.kind, then.codec, then.position, then.event, known.view.segments, milestones)

    def _written(self, view: View, settings: GallerySettings) -> View:
        """The same view, of files alone."""
        kept: list[OpenSegment] = []
        rest: list[Ids] = [np.asarray(view.delta.ids)]
        for each in view.segments:
            if each.stored is None:
                rest.append(np.asarray(each.index.ids))
            elif each.holds(view.removed).any():
                index = each.index.copy()
                index.remove(view.removed)
                kept.append(self._finished(index))
            else:
                kept.append(each)
        late = np.setdiff1d(np.concatenate(rest), view.removed)
        most, index = segment_rows(view.answering, view.delta.dimension), view.delta.emptied()
        if late.size and kept and len(kept[-1].index) < most / 2:  # a last segment that is not half full grows
            index = kept.pop().index.copy()
        filler = IndexFiller(self._codecs, settings)
        for first in range(0, len(late), _BATCH):
            if len(index) >= most:
                kept.append(self._finished(index))
                index = view.delta.emptied()
            filler.add(index, self._store.templates.codes(late[first : first + _BATCH].tolist()))
        if len(index) or not kept:
            kept.append(self._finished(index))
        nobody = np.zeros(0, np.int64)
        return replace(view, segments=tuple(kept), delta=view.delta.emptied(), removed=nobody)

    def _finished(self, index: VectorIndex) -> OpenSegment:
        ids = index.ids
        return self._files.finish(index, int(ids[0]) if len(ids) else 1, int(ids[-1]) if len(ids) else 0)


def _of_files(then: ShardMoment, segments: tuple[OpenSegment, ...], empty: VectorIndex) -> View:
    return View(then.kind, then.codec, None, then.position, segments, empty)


def _holds(view: View, ids: Ids) -> npt.NDArray[np.bool_]:
    """Which of ids (n,) are in a view's segments or delta and not taken out."""
    found = np.isin(ids, view.delta.ids)
    for segment in view.segments:
        found |= segment.holds(ids)
    there: npt.NDArray[np.bool_] = found & ~np.isin(ids, view.removed)
    return there
