"""Writing the template index: what the files lack is added, who was forgotten is wiped from them, kinds are changed.

Files are written aside under new names; then SQL records them in place of the old ones, in one transaction that fails
where another process has recorded others meanwhile; then the old ones are deleted. Only segments that change are
written: the last one while it is not full, and those that hold somebody who was taken out.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator
from functools import partial

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.codecs.training import least_templates, settled_templates
from facesearch.errors import IndexStateError, OvertakenError, StoreBusyError, StoreError
from facesearch.files.durable import remove_files
from facesearch.gallery import replica_file
from facesearch.gallery.index_building import BuiltIndex, Progress, segment_rows
from facesearch.gallery.index_filling import IndexFiller
from facesearch.gallery.template_index import TemplateIndex, view_of
from facesearch.gallery.view import Ids, OpenSegment, View
from facesearch.store import GallerySettings, GalleryStore, IndexState, LogPosition, Segment
from facesearch.text.announcements import announce

_log = logging.getLogger("facesearch")

# A small gain is not worth rewriting a segment: what is missing is replayed at the next opening.
_SAVE_LAG = 0.02
_MOST_LAG = 2048  # templates
_ATTEMPTS = 5


class IndexWriter:
    """Writes the index files of one gallery. Any number of writers may be at work, in any number of processes.

    keeps_files: whether this machine keeps some; else none are written, unless the index is built anew.
    """

    def __init__(
        self, store: GalleryStore, codecs: GalleryCodecs, index: TemplateIndex, *, keeps_files: bool = True
    ) -> None:
        self._store = store
        self._codecs = codecs
        self._index = index
        self._keeps_files = keeps_files

    def save(self, *, force: bool = False) -> bool:
        """Write what the files lack, if that is much (or `force`), and wipe from them who was taken out.

        Returns whether the files cover, or hold, what they should: False where nothing had to be written, or where
        other processes were faster each time.
        """
        if not self._keeps_files:
            return False
        for _ in range(_ATTEMPTS):
            view, old = self._index.current(), self._store.index_state.read()
            damaged = old is None and self._store.index_state.is_recorded()  # then all is written anew
            if not damaged and view.version != (old.version if old else None):
                continue  # other files were recorded between the two
            settings = self._settings_of(view)
            if view.answering != settings.index_kind:
                return self._trained_at_last(settings, view)
            covered = self._covered(view, old, force)
            if covered is None:
                return False
            filler = IndexFiller(self._codecs, settings)
            segments = list(self._segments(view, old, filler, covered.last_template_id))
            state = _state(settings, covered, [each.stored for each in segments if each.stored])
            if all(segment.stored for segment in segments) and self._record(old, state, view, segments):
                if damaged:
                    self.remove_strays()
                    _log.warning("the record of the index files was damaged: they were written anew")
                return True
            self._remove_new(segments, old)
        _log.warning("other processes kept the index files from being written; what they lack is replayed")
        return False

    def save_after(self) -> bool:
        """The same after a change that is stored: where the files cannot be written, a warning says so. The change is
        done all the same, and what the files lack is replayed."""
        try:
            return self.save()
        except (IndexStateError, StoreError, OSError) as error:
            _log.warning("this is done, but the index files are as they were (%s): facesearch index build", error)
            return False

    def keep_up(self) -> None:
        """`save` where this machine has no files yet, or lacks some, or where much was added since."""
        state = self._store.index_state.read()
        seen = 0 if state is None else state.position.last_template_id
        lacks_some = state is None or not all(segment.file_name for segment in state.segments)
        if lacks_some or self._store.templates.position().last_template_id - seen > _MOST_LAG:
            self.save()

    def rebuild(self, settings: GallerySettings, progress: Progress | None = None) -> int:
        """Train anew where the kind is trained, fill from the stored templates, write the files.

        settings: those that the gallery is to have; templates in another codec are coded anew, in the same transaction
        that makes the files valid. Returns how many were. Raises `IndexStateError` where there are too few to train.
        """
        filler = IndexFiller(self._codecs, settings, settings.codec)
        built = self._index.build(filler, write=True, progress=progress, asked=True)
        if built.empty.kind != settings.index_kind:
            self._remove_new(list(built.segments), None)
            held = sum(len(segment.index) for segment in built.segments)
            raise IndexStateError(
                f"index {settings.index_kind} needs at least {least_templates(settings.index_kind, filler.coder)} "
                f"templates, this gallery has {held}; use flat or sq8 until then"
            )
        recode = partial(self._codecs.recoded, settings.codec, settings.dimension)
        for attempt in range(_ATTEMPTS):
            try:
                built = self._less_removed(built)
                state = _state(settings, built.position, [each.stored for each in built.segments if each.stored])
                valid = state if len(state.segments) == len(built.segments) else None
                recoded = self._store.recoding.switch(settings.index_kind, settings.codec, recode, valid)
                break
            except BaseException as error:
                if isinstance(error, OvertakenError) and attempt < _ATTEMPTS - 1 and self._lacks_removals(built):
                    continue
                self._remove_new(list(built.segments), None)
                raise
        self._write_cleared(list(built.segments))
        self._index.take(view_of(built, settings, valid.version if valid else None))
        self.remove_strays()
        return recoded

    def discard(self, template_ids: Ids) -> None:
        """Take the files that hold these templates, or name whose they are, away before they are removed from the
        store: whatever happens next, no file outlives the rows."""
        replica_file.remove(self._index.files.folder)
        try:
            if self._keeps_files:
                self._index.current()  # stays open, to be written again
            else:
                self._index.forget_view()
        except (IndexStateError, StoreError):  # a damaged template must not keep anybody from being forgotten
            self._index.forget_view()
        state = self._store.index_state.read()
        if state is not None:
            held = {
                segment.file_name
                for segment in state.segments
                if ((template_ids >= segment.first_template_id) & (template_ids <= segment.last_template_id)).any()
            } - {""}
            try:
                self._store.index_state.discard_files(held)
            except StoreBusyError:  # nothing has been forgotten yet, and the files stay
                raise
            except StoreError as error:  # on a full disk the files make room; without them the state means nothing
                try:
                    self._index.files.remove(held)
                except OSError:  # a folder that may only be read: nothing has been forgotten
                    raise error from None
                self._store.index_state.discard_files(held)
        self.remove_strays()

    def remove_strays(self) -> int:
        """Delete index files that are not valid, left by interrupted writers; returns how many."""
        state = self._store.index_state.read()
        return remove_files(self._index.files.others(state.file_names if state else set()))

    # inside

    def _lacks_removals(self, built: BuiltIndex) -> bool:
        return bool(self._store.templates.removed_since(built.position.last_removal_id).size)

    def _less_removed(self, built: BuiltIndex) -> BuiltIndex:
        """A new index without the templates that were taken out since it was filled, as of the position then."""
        later = self._store.templates.position()
        gone = self._store.templates.removed_since(built.position.last_removal_id)
        cleaned = []
        for segment in built.segments:
            held = segment.holds(gone)
            if held.any():
                index = segment.index.copy()
                index.remove(gone[held])
                cleaned.append(self._index.finish(index, segment.first_id, segment.last_id))
                self._remove_new([segment], None)
            else:
                cleaned.append(segment)
        position = LogPosition(built.position.last_template_id, later.last_removal_id)
        return BuiltIndex(tuple(cleaned), built.empty, position)

    def _settings_of(self, view: View) -> GallerySettings:
        settings = self._store.settings.read()
        if settings is None or (settings.index_kind, settings.codec) != (view.kind, view.codec):
            raise IndexStateError("the kind of index was changed by another process: try again")
        return settings

    def _trained_at_last(self, settings: GallerySettings, view: View) -> bool:
        """Build the gallery's kind in place of the exact one that stood in for it, once there are enough templates."""
        filler = IndexFiller(self._codecs, settings)
        if len(view) < settled_templates(settings.index_kind, filler.coder):
            return False  # a stand-in is rebuilt in no time
        announce("%d templates: training index %s, which answers from here on", len(view), settings.index_kind)
        self.rebuild(settings)
        return True

    @staticmethod
    def _covered(view: View, old: IndexState | None, force: bool) -> LogPosition | None:
        """The position that the files are to cover; None where they are good as they are."""
        behind = sum(len(segment.index) for segment in view.segments if not segment.stored) + len(view.delta)
        if force or old is None or behind > min(_SAVE_LAG * len(view), _MOST_LAG):
            return view.position
        if view.removed.size or not all(segment.file_name for segment in old.segments):
            return LogPosition(old.position.last_template_id, view.position.last_removal_id)
        return None

    def _segments(self, view: View, old: IndexState | None, filler: IndexFiller, last_id: int) -> Iterator[OpenSegment]:
        """The segments as they are to be recorded, up to a template: those that stay, and new files for the others."""
        valid = old.file_names if old else set()
        most = segment_rows(view.answering, view.delta.dimension)
        start = 1
        runs: list[OpenSegment | tuple[int, int]] = []  # segments that stay, and intervals to be written
        for segment in sorted(view.segments, key=lambda each: each.first_id):
            has_file = segment.stored is not None and segment.stored.file_name in valid
            small = len(segment.index) < most / 2
            if segment.last_id > last_id or (small and not has_file):
                continue  # written with what is beside it
            if segment.first_id > start:
                runs.append((start, segment.first_id - 1))
            stays = has_file and not segment.holds(view.removed).any()
            runs.append(segment if stays else (segment.first_id, segment.last_id))
            start = segment.last_id + 1
        if start <= last_id or not runs:
            runs.append((start, last_id))
            if len(runs) > 1 and isinstance(last := runs[-2], OpenSegment) and len(last.index) < most / 2:
                runs[-2:] = [(last.first_id, last_id)]  # a last segment that is not half full grows
        for run in runs:
            if isinstance(run, OpenSegment):
                yield run
            else:
                yield from self._written(view, filler, *run)

    def _written(self, view: View, filler: IndexFiller, first_id: int, last_id: int) -> Iterator[OpenSegment]:
        """New files for the templates in an interval of ids: a copy of an open segment less who is gone, with what
        follows it; from the stored templates where that would be too large, or where nothing is open."""
        most = segment_rows(view.answering, view.delta.dimension)
        base = next((each for each in view.segments if each.first_id == first_id and each.last_id <= last_id), None)
        follows = base is not None and base.last_id < last_id
        if base is None or len(base.index) > 1.5 * most or (follows and last_id - first_id >= 1.5 * most):
            yield from self._index.builder.fill(view.delta.emptied(), filler, first_id, last_id, self._index.finish)
            return
        index = base.index.copy()
        index.remove(view.removed)
        for batch in self._store.templates.batches(base.last_id, last_id):
            filler.add(index, batch)
        yield self._index.finish(index, first_id, last_id)

    def _record(self, old: IndexState | None, state: IndexState, view: View, segments: list[OpenSegment]) -> bool:
        if not self._store.index_state.replace(old, state):
            return False
        self._write_cleared(segments)
        last_id = state.position.last_template_id
        rest = [segment for segment in view.segments if not segment.stored and segment.first_id > last_id]
        delta = view.delta.emptied() if last_id == view.position.last_template_id else view.delta
        removed = view.removed[view.removed > last_id]
        self._index.take(
            View(view.kind, view.codec, state.version, view.position, (*segments, *rest), delta, removed, view.choice)
        )
        self._index.files.remove((old.file_names if old else set()) - state.file_names)
        return True

    def _write_cleared(self, segments: list[OpenSegment]) -> None:
        """Write files again that another process cleared away just before they were recorded."""
        for segment in segments:
            if segment.stored and not self._index.files.path(segment.stored).exists():
                self._index.files.write_again(segment.index, segment.stored)

    def _remove_new(self, segments: list[OpenSegment], old: IndexState | None) -> None:
        valid = old.file_names if old else set()
        self._index.files.remove({each.stored.file_name for each in segments if each.stored} - valid)


def _state(settings: GallerySettings, position: LogPosition, segments: list[Segment]) -> IndexState:
    version = secrets.randbits(62)
    return IndexState(settings.index_kind, settings.codec, position, tuple(segments), int(time.time()), version)
