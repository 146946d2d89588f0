"""Index files that another machine published in the database, taken by a machine that has none.

They are verified piece by piece, written into this machine's folder under names of their own, and recorded as its valid
files, if nobody was taken out meanwhile whom they hold. What is in a file that is damaged, or is taken away while it is
fetched, is built from the store instead, as with a damaged file of this machine.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack

from facesearch.errors import StoreError
from facesearch.files.locks import exclusive_lock
from facesearch.gallery.index_files import IndexFiles
from facesearch.store import GallerySettings, GalleryStore, IndexState, Publication, PublishedFile, PublishedRole

_log = logging.getLogger("facesearch")

_LOCK = ".fetching.lock"
_ATTEMPTS = 5
_PATIENCE = 600.0  # seconds that this waits for another process of this machine, which fetches them
_PAUSE = 0.1
_SPARE = 64 << 20  # bytes that are left free on the disk


class PublishedFiles:
    """The published index files, for one machine's folder."""

    def __init__(self, store: GalleryStore, files: IndexFiles) -> None:
        self._store = store
        self._files = files

    def fetch(self, settings: GallerySettings) -> bool:
        """Make the published files this machine's, where they are of the gallery's kind and codec and it has none.

        Whether valid files are recorded then; False where none fit, or where they cannot be had, with a warning.
        """
        published = self._store.published
        if published is None:
            return False
        try:
            if _fits(published.read(), settings) is None:
                return False
            with ExitStack() as held:
                if not self._locked(settings, held):
                    return self._is_recorded(settings)
                return self._is_recorded(settings) or self._fetched(published, settings)
        except (StoreError, OSError) as error:
            reason = str(error) if isinstance(error, StoreError) else error.strerror or str(error)
            _log.warning("the published index files were not fetched (%s): the index is built from templates", reason)
            return False

    # inside

    def _is_recorded(self, settings: GallerySettings) -> bool:
        state = self._store.index_state.read()
        return state is not None and (state.kind, state.codec) == (settings.index_kind, settings.codec)

    def _locked(self, settings: GallerySettings, held: ExitStack) -> bool:
        """Hold the lock of who fetches; False where another process has fetched meanwhile, or takes too long."""
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                held.enter_context(exclusive_lock(self._files.folder / _LOCK))
                return True
            except BlockingIOError:
                if self._is_recorded(settings) or time.monotonic() > until:
                    return False
                time.sleep(_PAUSE)

    def _fetched(self, published: PublishedRole, settings: GallerySettings) -> bool:
        names: dict[int, str] = {}
        recorded: IndexState | None = None
        try:
            for _ in range(_ATTEMPTS):
                found = _fits(published.read(), settings)
                if found is None:
                    return False
                self._fill(published, found, names)
                if not any(names.values()):
                    return False
                if any(map(self._is_cleared, names.values())):
                    continue
                kept = {number: name for number, name in names.items() if name}
                state = found.state(kept, secrets.randbits(62))
                if state.file_names and self._store.index_state.replace(self._store.index_state.read(), state):
                    recorded = state
                    self._discard_missing(state)
                    _log.info("took index files that were published: %d of %d", len(kept), len(found.files))
                    return True
            return False
        finally:
            valid = recorded.file_names if recorded else set()
            self._files.remove({name for name in names.values() if name} - valid)

    def _fill(self, published: PublishedRole, found: Publication, names: dict[int, str]) -> None:
        """Fetch what is not there yet; "" stands for files that are damaged."""
        missing = [file for file in found.files if file.number not in names or self._is_cleared(names[file.number])]
        size = sum(file.segment.size_bytes for file in missing)
        free = shutil.disk_usage(self._files.folder).free
        if missing and free < size + _SPARE:
            raise StoreError(f"{self._files.folder} has no room for {size >> 20} MB")
        damaged = found.damaged
        for file in missing:
            names.pop(file.number, None)
            name = self._received(published, file)
            if name is not None:
                names[file.number] = name
                damaged += not name
        if damaged:
            _log.warning(
                "%d of the published index files are damaged: what they hold is built from the stored templates "
                "(facesearch index publish repairs them)",
                damaged,
            )

    def _received(self, published: PublishedRole, file: PublishedFile) -> str | None:
        """The name of a file that was fetched; "" where it is damaged, None where it was taken away meanwhile."""
        damage: list[StoreError] = []

        def pieces() -> Iterator[bytes]:
            try:
                yield from published.content(file)
            except StoreError as error:
                damage.append(error)

        name = None
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                name = self._files.receive(pieces(), file.segment)
                break
            except FileNotFoundError:  # another process of this machine took it for one that nobody needs
                if attempt == _ATTEMPTS:
                    raise
        if name is not None:
            return name
        current = published.read()  # raises where the server is gone
        still = current is not None and file in current.files
        return "" if damage or still else None

    def _is_cleared(self, name: str) -> bool:
        """Whether another process of this machine took a file for one that nobody needs."""
        return bool(name) and not (self._files.folder / name).exists()

    def _discard_missing(self, state: IndexState) -> None:
        gone = {name for name in state.file_names if self._is_cleared(name)}
        if gone:
            self._store.index_state.discard_files(gone)


def _fits(found: Publication | None, settings: GallerySettings) -> Publication | None:
    """What is published, where that is of use for a gallery with these settings."""
    if found is None or not found.files or (found.kind, found.codec) != (settings.index_kind, settings.codec):
        return None
    return found
