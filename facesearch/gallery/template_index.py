"""The template index: which view of the stored templates a search looks at, and which files it comes from.

SQL is the truth, the index a projection of it. SQL says which index files are valid, their checksums, and the position
of the log that they cover. A search gets a view as of the very moment that it reads the store at: one that is there
already, or one that is made by replaying the log from the position of the last one. Views are exchanged under a lock
and never changed, so that any number of threads may search while others write. A file that is missing, damaged or not
the one recorded is built anew from the stored templates, with a warning: an answer never comes from it. Where there are
none, those that another machine published are taken, if there are any.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.errors import GalleryNotFoundError, IndexStateError
from facesearch.gallery.answers import Document
from facesearch.gallery.index_building import BuiltIndex, IndexBuilder, in_memory
from facesearch.gallery.index_files import IndexFiles
from facesearch.gallery.index_filling import IndexFiller
from facesearch.gallery.one_moment import at_a_moment
from facesearch.gallery.published_files import PublishedFiles
from facesearch.gallery.view import OpenSegment, View
from facesearch.store import GallerySettings, GalleryState, GalleryStore, IndexState, Moment, Segment
from indexes import VectorIndex, VectorIndexError

_log = logging.getLogger("facesearch")

Progress = Callable[[int, int], None]  # (templates done, templates in all)


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """State of the index.

    answering: the kind that answers; another than the gallery's while there are too few templates for that.
    bytes_per_template: code bytes in the index. file_name, built_at (epoch seconds): of the newest valid file, None
    without. files: how many there are. replayed: changes since they were written, which every opening replays.
    """

    answering: str
    bytes_per_template: float
    file_name: str | None
    built_at: int | None
    replayed: int
    files: int = 0

    def document(self) -> Document:
        return {
            "answering": self.answering,
            "bytes_per_template": self.bytes_per_template,
            "file": self.file_name,
            "files": self.files,
            "built_at": self.built_at,
            "replayed": self.replayed,
        }


class TemplateIndex:
    """The index of one gallery folder, in step with its store. Safe to share between threads."""

    def __init__(self, store: GalleryStore, codecs: GalleryCodecs, folder: Path) -> None:
        self.files = IndexFiles(folder)
        self.builder = IndexBuilder(store)
        self._published = PublishedFiles(store, self.files)
        self._store = store
        self._codecs = codecs
        self._view: View | None = None
        self._exchanging = threading.Lock()  # a view is made from the last one, by one thread at a time
        self._opening = threading.RLock()  # files are opened, or the index is built, by one thread at a time

    # reading

    def at(self, moment: Moment, state: GalleryState) -> View | None:
        """The view as of a moment whose state is given; None where the index has to be opened first (`open`), or where
        a newer view is there than the moment knows of: then ask again at a new moment."""
        view = self._view
        if view is None or not _fits(view, state):
            return None
        if view.position == state.position:
            return view
        with self._exchanging:
            view = self._view
            if view is None or not _fits(view, state) or view.position.is_beyond(state.position):
                return None
            if view.position != state.position:
                added = moment.templates(view.position.last_template_id)
                gone = moment.removed_since(view.position.last_removal_id)
                view = self._view = view.caught_up(self._filler(state.settings), state.position, added, gone)
            return view

    def open(self) -> None:
        """Open the recorded files, or build the index in memory where there are none, unless that has been done."""
        with self._opening:
            while True:
                with self._store.moment() as moment:
                    state = moment.state()
                if state is None:
                    raise GalleryNotFoundError("the gallery is empty: enrol somebody first")
                view = self._view
                if view is not None and _fits(view, state):
                    if view.position.is_beyond(state.position) and not self._is_behind(view):
                        continue  # the state was read before the view was made
                    if not view.position.is_beyond(state.position):
                        return
                opened = self._opened(state)
                if opened is not None:
                    self._exchange(opened)
                    return

    def current(self) -> View:
        """The view as of now; raises `GalleryNotFoundError` where nobody is enrolled yet."""
        with at_a_moment(self._store, self.at, self.open) as found:
            if found is None:
                raise GalleryNotFoundError("the gallery is empty: enrol somebody first")
            return found[2]

    def info(self) -> IndexInfo:
        """State of the index."""
        view, state, now = self.current(), self._store.index_state.read(), self._store.templates.position()
        replayed, newest, files = 0, None, 0
        if state is not None:
            replayed = now.last_template_id - state.position.last_template_id
            replayed += now.last_removal_id - state.position.last_removal_id
            newest, files = state.segments[-1].file_name, len(state.file_names)
        kind, built_at = view.answering, state.built_at if state else None
        return IndexInfo(kind, view.searched.bytes_per_vector, newest, built_at, replayed, files)

    def bytes_on_disk(self, *, strays: bool = False) -> int:
        """Size of the valid index files; with `strays`, of the other ones too."""
        state = self._store.index_state.read()
        valid = state.file_names if state else set()
        paths = [self.files.path(segment) for segment in state.segments if segment.file_name] if state else []
        if strays:
            paths += self.files.others(valid)
        return sum(path.stat().st_size for path in paths if path.exists())

    # changing

    def take(self, view: View) -> None:
        """Let searches use the view from now on."""
        self._exchange(view)

    def forget_view(self) -> None:
        """Let the next search open the index anew."""
        self._view = None

    def build(
        self, filler: IndexFiller, *, write: bool, progress: Progress | None = None, asked: bool = False
    ) -> BuiltIndex:
        """The index of all stored templates, its segments in files or in memory; see `IndexBuilder.build`."""
        return self.builder.build(filler, self.finish if write else in_memory, progress, asked=asked)

    def finish(self, index: VectorIndex, first_id: int, last_id: int) -> OpenSegment:
        """Write a segment and map it, so that it takes no memory of its own."""
        written = self.files.write(index, first_id, last_id)
        if written is None:
            return in_memory(index, first_id, last_id)
        return OpenSegment(self._mapped(written, index), first_id, last_id, written)

    # inside

    def _mapped(self, written: Segment, index: VectorIndex) -> VectorIndex:
        try:
            return self.files.open(written)
        except VectorIndexError:  # cleared away by another process before it was recorded
            return index

    def _filler(self, settings: GallerySettings) -> IndexFiller:
        return IndexFiller(self._codecs, settings)

    def _is_behind(self, view: View) -> bool:
        """Whether the database has lost changes that a view has seen, as where an older copy was put in its place."""
        return view.position.is_beyond(self._store.templates.position())

    def _exchange(self, view: View) -> None:
        with self._exchanging:
            self._view = view

    def _opened(self, gallery: GalleryState) -> View | None:
        """A view of the recorded files, or of an index built in memory; None where others were recorded meanwhile."""
        settings, version = gallery.settings, gallery.index_version
        filler = self._filler(settings)
        state = self._store.index_state.read()
        if state is None or (state.kind, state.codec) != (settings.index_kind, settings.codec):
            if self._published.fetch(settings):
                return None
            return view_of(self._built(filler), settings, version)
        if state.version != version:
            return None
        if not self._store.index_state.agrees(state):
            _log.warning(
                "an older copy of the gallery was put back on its server: the index is built from its templates"
            )
            self._store.index_state.discard_files(state.file_names)
            return view_of(self._built(filler), settings, version)
        try:
            if state.position.is_beyond(self._store.templates.position()):
                raise VectorIndexError("the index files cover changes that the store does not have")
            segments = self._segments(state)
        except VectorIndexError as error:
            if self._store.index_state.read() != state:  # another process has just replaced it
                return None
            _log.warning("%s; rebuilt from the stored templates (facesearch index build repairs the file)", error)
            return view_of(self._built(filler), settings, version)
        sound = next((found for found in segments if found is not None), None)
        empty = self.builder.untrained(filler) if sound is None else sound.index.emptied()
        if empty is None:
            return view_of(self._built(filler), settings, version)
        parts: list[OpenSegment] = []
        for segment, found in zip(state.segments, segments, strict=True):
            parts += self._rebuilt(empty, filler, segment) if found is None else [found]
        return View(state.kind, state.codec, version, state.position, tuple(parts), empty)

    def _built(self, filler: IndexFiller) -> BuiltIndex:
        """An index in memory: of the gallery's kind where that has answered before, so that scores stay what they were.

        Raises `IndexStateError` where that has to be trained on more templates than there are.
        """
        before = self._store.index_state.is_recorded()
        built = self.build(filler, write=False, asked=before)
        kind = filler.settings.index_kind
        if before and built.empty.kind != kind and any(len(segment.index) for segment in built.segments):
            raise IndexStateError(
                f"the files of index {kind} are damaged or missing, and there are too few templates to build it anew: "
                "restore a backup, or choose another kind: facesearch index build --kind flat"
            )
        return built

    def _segments(self, state: IndexState) -> list[OpenSegment | None]:
        """The segments of the recorded files; None for those that have no sound file. Raises if there is no sound one.

        Segments that the last view has open stay as they are.
        """
        open_already = {each.stored: each for each in self._view.segments if each.stored} if self._view else {}
        found: list[OpenSegment | None] = []
        failed: VectorIndexError | None = None
        for segment in state.segments:
            known = open_already.get(segment)
            if known is None and segment.file_name:
                try:
                    index = self.files.open(segment)
                    known = OpenSegment(index, segment.first_template_id, segment.last_template_id, segment)
                except VectorIndexError as error:
                    failed = error
            found.append(known)
        if failed is not None and self._store.index_state.read() != state:
            raise failed
        if failed is not None:
            if not any(found):
                raise failed
            _log.warning("%s; rebuilt from the stored templates (facesearch index build repairs the file)", failed)
        return found

    def _rebuilt(self, empty: VectorIndex, filler: IndexFiller, segment: Segment) -> list[OpenSegment]:
        """A segment without a file, from the stored templates."""
        first, last = segment.first_template_id, segment.last_template_id
        return self.builder.fill(empty, filler, first, last, in_memory)


def view_of(built: BuiltIndex, settings: GallerySettings, version: int | None) -> View:
    """A view of an index that was just built."""
    kind, codec = settings.index_kind, settings.codec
    return View(kind, codec, version, built.position, built.segments, built.empty)


def _fits(view: View, state: GalleryState) -> bool:
    wanted = (state.settings.index_kind, state.settings.codec, state.index_version)
    return (view.kind, view.codec, view.version) == wanted
