"""The index as a projection of the identity store: opened, caught up, saved, rebuilt, checked.

SQL is the truth. The index file carries a name that is used once; SQL says which file is valid, its checksum, and the
last change it covers. Opening replays what came later; a file that is missing, damaged or not the one recorded is
rebuilt from the stored templates, with a warning. An answer never comes from a stale index: every search first looks
whether the store has moved on.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.codecs.template_codecs import TemplateCodecs, least_templates, settled_templates, shipped_coder
from facesearch.errors import IndexStateError, StoreBusyError, StoreError
from facesearch.files.durable import remove_files
from facesearch.store import GallerySettings, IdentityStore, IndexState, Templates, Watermark
from facesearch.text.announcements import announce
from indexes import (
    Coder,
    SavedIndex,
    VectorIndex,
    VectorIndexError,
    code_of,
    create_index,
    load_index,
    parse_kind,
    read_footer,
)

_log = logging.getLogger("facesearch")

Progress = Callable[[int, int], None]  # (templates done, templates in all)
Chosen = npt.NDArray[np.bool_]  # per template of a batch

_TRAIN_SAMPLE = 65_536  # templates, spread over the whole gallery
# A small gain is not worth rewriting a large file: what is missing is replayed at the next opening.
_SAVE_LAG = 0.02
_STAND_IN = "flat"
_ATTEMPTS = 3  # to write a file


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """State of the index.

    answering: the kind that answers; another than the gallery's while there are too few templates to train that.
    bytes_per_template: code bytes in the index. file_name, built_at (epoch seconds): of the valid file, None without.
    replayed: changes since the file was written, which every opening replays.
    """

    answering: str
    bytes_per_template: float
    file_name: str | None
    built_at: int | None
    replayed: int


class IndexProjection:
    """The index of one gallery folder, in step with its store."""

    def __init__(self, store: IdentityStore, folder: Path) -> None:
        self._store = store
        self._codecs = TemplateCodecs(store)
        self._folder = folder
        self._index: VectorIndex | None = None
        self._covers = Watermark(0, 0)
        self._built_for: tuple[str, str] | None = None

    # reading

    def current(self) -> VectorIndex:
        """The index, with every committed change in it; raises `IndexStateError` if the gallery has no templates."""
        settings = self._settings()
        if self._index is None or self._built_for != (settings.index_kind, settings.codec):
            self._open(settings)
        index = self._index
        assert index is not None  # noqa: S101 - for the type checker
        self._catch_up(settings, index)
        return index

    def search(self, probes: npt.NDArray[np.float32], k: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """The k best templates per probe (m, d): scores (m, k) float32 and template ids (m, k) int64, −1 for none."""
        try:
            return self.current().search(probes, k)
        except VectorIndexError as error:
            raise IndexStateError(str(error)) from error

    def require_gone(self, template_ids: npt.NDArray[np.int64]) -> None:
        """Templates that were found and are not stored: raise `StoreError` unless they were forgotten meanwhile."""
        kept = np.intersect1d(template_ids, self.current().ids)
        if len(kept):
            raise StoreError(f"template {kept[0]} is missing in the database; see facesearch index check")

    def decoded(self, batch: Templates) -> npt.NDArray[np.float32]:
        """Stored templates as vectors (n, d) of unit length."""
        return self._decode(batch, self._settings())

    def bytes_on_disk(self, *, strays: bool = False) -> int:
        """Size of the valid index file, 0 if there is none; with `strays`, of the other ones too."""
        valid = self._valid_file()
        files = [valid] if valid else []
        if strays:
            files += self._strays()
        return sum(path.stat().st_size for path in files if path.exists())

    def info(self) -> IndexInfo:
        """State of the index."""
        index, state, now = self.current(), self._store.index_state(), self._store.watermark()
        behind = 0
        if state is not None:
            behind = now.last_template_id - state.last_template_id + now.last_removal_id - state.last_removal_id
        return IndexInfo(
            index.kind,
            index.bytes_per_vector,
            state.file_name if state else None,
            state.built_at if state else None,
            behind,
        )

    # writing

    def save(self, *, force: bool = False) -> bool:
        """Write the index file if it lags far enough behind (or `force`); returns whether there is a new valid one."""
        index, settings = self.current(), self._settings()
        if index.kind != settings.index_kind:  # a stand-in is rebuilt in no time
            if self._store.counts().templates < settled_templates(settings.index_kind, self._coder(settings)):
                return False
            announce("%d templates: training index %s, which answers from here on", len(index), settings.index_kind)
            self.rebuild()
            return True
        state = self._store.index_state()
        lag = len(index) if state is None else self._covers.last_template_id - state.last_template_id
        removed = state is not None and self._covers.last_removal_id > state.last_removal_id
        if force or removed or state is None or lag > _SAVE_LAG * len(index):
            return self._write(index, settings)
        return False

    def rebuild(self, progress: Progress | None = None) -> None:
        """Train anew where the kind is trained, fill from the stored templates, write the file."""
        settings = self._settings()
        index = self._built(settings, progress, asked=True)
        if index.kind != settings.index_kind:
            least = least_templates(settings.index_kind, self._coder(settings))
            raise IndexStateError(
                f"index {settings.index_kind} needs at least {least} templates to be trained, "
                f"this gallery has {len(index)}; use flat or sq8 until then"
            )
        self._index = index
        self._write(index, settings)

    def discard_file(self) -> None:
        """Take the index file away before templates are removed: whatever happens next, no file outlives the rows."""
        try:
            self.current()  # stays in memory, to be saved again
        except (IndexStateError, StoreError):  # a damaged template must not keep anybody from being forgotten
            self._index = None
        try:
            self._store.clear_index_state()
        except StoreBusyError:  # nothing has been forgotten yet, and the file stays
            raise
        except StoreError as error:  # on a full disk the file itself makes room; without it the state means nothing
            valid = self._valid_file()
            try:
                remove_files([valid] if valid else [])
            except OSError:  # a folder that may only be read: nothing has been forgotten
                raise error from None
            self._store.clear_index_state()
        self.remove_strays()

    def remove_strays(self) -> int:
        """Delete index files that are not the valid one, left by interrupted writers; returns how many."""
        return remove_files(self._strays())

    def _strays(self) -> list[Path]:
        valid = self._valid_file()
        patterns = ("index-*.faiss", ".index-*.tmp")
        return [path for pattern in patterns for path in self._folder.glob(pattern) if path != valid]

    # checking

    def problems(self) -> list[str]:
        """What is wrong with the index file and with its agreement with the store, in words; empty if nothing."""
        settings = self._settings()
        found = []
        state = self._store.index_state()
        if state is not None:
            found += self._file_problems(state)
        stored = []
        for batch in self._store.templates():
            stored.append(batch.ids)
            try:
                self._decode(batch, settings)
            except StoreError as error:
                found.append(f"templates {batch.ids[0]} to {batch.ids[-1]}: {error}")
        if not found:
            ids = np.concatenate([np.zeros(0, np.int64), *stored])
            difference = len(np.setxor1d(ids, self.current().ids))
            if difference:
                found.append(f"index and store differ in {difference} templates; run: facesearch index build")
        return found

    def _file_problems(self, state: IndexState) -> list[str]:
        path = self._folder / state.file_name
        try:
            index = load_index(path)
            footer = read_footer(path)
        except VectorIndexError as error:
            return [f"{error}; run: facesearch index build"]
        if footer.sha256 != state.sha256 or len(index) != state.rows:
            return [f"index file {state.file_name} is not the one recorded in the store; run: facesearch index build"]
        return []

    # inside

    def _settings(self) -> GallerySettings:
        settings = self._store.settings()
        if settings is None:
            raise IndexStateError("the gallery is empty: enrol somebody first")
        return settings

    def _valid_file(self) -> Path | None:
        state = self._store.index_state()
        return None if state is None else self._folder / state.file_name

    def _open(self, settings: GallerySettings) -> None:
        self._built_for = (settings.index_kind, settings.codec)
        state = self._store.index_state()
        if state is None or (state.kind, state.codec) != self._built_for:
            self._index = self._built(settings)
            return
        try:
            if read_footer(self._folder / state.file_name).sha256 != state.sha256:
                raise VectorIndexError(f"index file {state.file_name} is not the one recorded in the store")
            if _overtakes(Watermark(state.last_template_id, state.last_removal_id), self._store.watermark()):
                raise VectorIndexError(f"index file {state.file_name} covers changes that the store does not have")
            self._index = load_index(self._folder / state.file_name)
            self._covers = Watermark(state.last_template_id, state.last_removal_id)
        except VectorIndexError as error:
            if self._store.index_state() != state:  # another process has just replaced it
                self._open(settings)
                return
            _log.warning("%s; rebuilt from the stored templates (facesearch index build repairs the file)", error)
            self._index = self._built(settings)

    def _built(
        self, settings: GallerySettings, progress: Progress | None = None, *, asked: bool = False
    ) -> VectorIndex:
        """A new index of all stored templates; an exact one where there are too few to train the kind.

        asked: train on as few as the kind can be trained on, not only when it is worth it.
        """
        covers = self._store.watermark()
        total = self._store.counts().templates
        coder = self._coder(settings)
        least = least_templates(settings.index_kind, coder)
        ready = not least or total >= (least if asked else settled_templates(settings.index_kind, coder))
        try:
            known = coder if ready else None
            index = create_index(settings.index_kind if ready else _STAND_IN, settings.dimension, coder=known)
            kind = parse_kind(index.kind)
            if kind.learns and (known is None or len(kind.stages) > 1):
                index.train(self._training_sample(settings, total), progress)
            done = 0
            for batch in self._store.templates():
                self._add(settings, index, batch, batch.ids <= covers.last_template_id)
                done += len(batch)
                if progress:
                    progress(done, total)
        except VectorIndexError as error:
            raise IndexStateError(str(error)) from error
        if done != total and (covers, total) == (self._store.watermark(), self._store.counts().templates):
            # The rows of the table and those of its SQL indexes, which count them, differ while nobody writes.
            raise StoreError(f"the database has {total} templates and gives {done}; see facesearch index check")
        self._covers = covers
        return index

    def _coder(self, settings: GallerySettings) -> Coder | None:
        """What the index codes templates with, if that is known before it is trained: what they are stored with."""
        if code_of(settings.index_kind) is None:
            return None
        coded = self._codecs.coded(settings.codec)
        if coded is None:
            return shipped_coder(settings.model, settings.index_kind, settings.dimension)
        return coded.coder if coded.coder.name == code_of(settings.index_kind) else None

    def _add(self, settings: GallerySettings, index: VectorIndex, batch: Templates, chosen: Chosen) -> None:
        """Add the chosen templates of a batch: as the codes that they are stored as where these are the index's own."""
        coded = self._codecs.coded(settings.codec)
        own = np.zeros(len(batch), np.bool_)
        if coded and index.kind == settings.index_kind and self._coder(settings):
            own = np.array([codec == settings.codec for codec in batch.codecs]) & chosen
            index.add_codes(batch.ids[own], coded.array([batch.codes[row] for row in np.flatnonzero(own)]))
        others = chosen & ~own
        if others.any():
            index.add(batch.ids[others], self._decode(batch, settings)[others])

    def training_sample(self) -> npt.NDArray[np.float32]:
        """Stored templates (n, d) to learn from."""
        return self._training_sample(self._settings(), self._store.counts().templates)

    def _training_sample(self, settings: GallerySettings, total: int) -> npt.NDArray[np.float32]:
        """Templates (n, d), at most _TRAIN_SAMPLE, spread evenly over the gallery: always the same ones."""
        step = max(1, total // _TRAIN_SAMPLE)
        taken, seen = [np.zeros((0, settings.dimension), np.float32)], 0
        for batch in self._store.templates():
            rows = np.arange(-seen % step, len(batch), step)
            if rows.size:
                taken.append(self._decode(batch, settings)[rows])
            seen += len(batch)
        return np.concatenate(taken)[:_TRAIN_SAMPLE]

    def _catch_up(self, settings: GallerySettings, index: VectorIndex) -> None:
        now = self._store.watermark()
        if now == self._covers:
            return
        if _overtakes(self._covers, now):
            raise StoreError("the database has fallen behind what was read from it; see facesearch index check")
        for batch in self._store.templates(after_id=self._covers.last_template_id):
            new = (batch.ids <= now.last_template_id) & ~np.isin(batch.ids, index.ids)
            self._add(settings, index, batch, new)
        gone = [entry.template_id for entry in self._store.removals(self._covers.last_removal_id)]
        if gone:
            index.remove(np.array(gone, dtype=np.int64))
        self._covers = now

    def _decode(self, batch: Templates, settings: GallerySettings) -> npt.NDArray[np.float32]:
        vectors = np.zeros((len(batch), settings.dimension), dtype=np.float32)
        codecs = np.array(batch.codecs)
        for name in dict.fromkeys(batch.codecs):
            rows = np.flatnonzero(codecs == name)
            vectors[rows] = self._codecs.find(name).decode([batch.codes[row] for row in rows], settings.dimension)
        return vectors

    def _write(self, index: VectorIndex, settings: GallerySettings) -> bool:
        path = self._folder / f"index-{secrets.token_hex(8)}.faiss"
        covers = self._covers
        saved = self._saved(index, path)
        if saved is None:
            _log.warning("another process kept the index file from being written; what it lacks is replayed")
            return False
        state = IndexState(
            kind=settings.index_kind,
            codec=settings.codec,
            file_name=path.name,
            sha256=saved.sha256,
            rows=saved.rows,
            last_template_id=covers.last_template_id,
            last_removal_id=covers.last_removal_id,
            size_bytes=saved.size_bytes,
            built_at=int(time.time()),
        )
        previous = self._valid_file()
        if not self._store.set_index_state(state):  # another process was faster, with later changes
            path.unlink(missing_ok=True)
            return False
        if not path.exists():  # cleared away by another process just before it was recorded
            self._saved(index, path)
        if previous is not None and previous != path:
            previous.unlink(missing_ok=True)
        return True

    @staticmethod
    def _saved(index: VectorIndex, path: Path) -> SavedIndex | None:
        """Write the file; None where another process clears it away unfinished each time, see `remove_strays`."""
        for _ in range(_ATTEMPTS):
            try:
                return index.save(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise IndexStateError(f"the index file cannot be written: {error.strerror or error}") from error
        return None


def _overtakes(covers: Watermark, store: Watermark) -> bool:
    """Whether an index has seen changes that the store never had."""
    return covers.last_template_id > store.last_template_id or covers.last_removal_id > store.last_removal_id
