"""Following a gallery on a server: a replica of it and the view of the same position, brought up to date in a thread.

The thread hears of changes as they are committed, and looks by itself now and then, so that it is known since when what
is held may be old. Where the server is away it goes on looking, and the first look that succeeds ends that.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from facesearch.codecs.ref import CodecRef
from facesearch.errors import FacesearchError, GalleryNotFoundError, StoreError, StoreUnreachableError
from facesearch.gallery import replica_file
from facesearch.gallery.one_moment import at_a_moment
from facesearch.gallery.replica import Held, Replica, is_same, replica_at
from facesearch.gallery.replica_file import Header, Saved
from facesearch.gallery.view import View
from facesearch.store import GalleryState, GalleryStore, Listener, Milestone, Moment

_log = logging.getLogger("facesearch")

_LEAST_LOOK = 0.05  # seconds between two looks where nothing is heard
_REST = 4.0  # how many times as long as a look takes nothing is looked at again, however much is heard
_MOST_REST = 0.25  # seconds
_SILENCE = 2.0  # seconds without an answer, from which on a server counts as away
_AGAIN = 1.0  # seconds until a server that is away is tried again
_SAVE_REST = 20.0  # how many times as long as writing a file takes none is written again
_LEAST_SAVE_REST = 1.0  # seconds
_CONFIRM_SECONDS = 1.0
_MOST_TAIL = 20_000  # templates that the index files lack, of a replica that is saved
_STOPPING_SECONDS, _STOPPING_STEP = 30.0, 0.1
_NAME = "facesearch-following"


class _Written(NamedTuple):
    """The replica in the file, what the file is known by, and until when it is left as it is."""

    replica: Replica
    file: int
    until: float


class Following:
    """Keeps what is held of one gallery up to date. Safe to share between threads.

    at, reopen: see `at_a_moment`; a view of the index. look: seconds between two looks. header: of the file in which
    the replica is kept in `folder`; None: it is not kept.
    """

    def __init__(
        self,
        store: GalleryStore,
        at: Callable[[Moment, GalleryState], View | None],
        reopen: Callable[[], None],
        look: float,
        folder: Path,
        header: Header | None,
    ) -> None:
        self._store = store
        self._at, self._reopen = at, reopen
        self.look = max(look, _LEAST_LOOK)
        self._folder, self._header = folder, header
        self._looking = threading.Lock()
        self._listening = threading.Lock()  # while the listener is made, woken or closed
        self._listener: Listener | None = None
        self.stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._written: _Written | None = None
        self._confirmed = 0.0
        self._waiting_since: float | None = None  # for the first answer of the server to a look
        self._away = False
        self.held: Held | None = None
        self._to_be_held: Sequence[Milestone] | None = None  # of what is held, and was not compared with the server yet

    def begin_away(self, held: Held, milestones: Sequence[Milestone]) -> None:
        """Answer from what was saved, until the server is there again. milestones: what its log is known by."""
        self.held, self._away, self._to_be_held = held, True, milestones

    @property
    def away(self) -> bool:
        """Whether the server cannot be reached, or keeps silent."""
        since = self._waiting_since
        return self._away or (since is not None and time.monotonic() - since > _SILENCE)

    def went_away(self) -> None:
        """A question found the server away."""
        self._away = True

    def start(self) -> None:
        """Begin to follow, unless that has been done."""
        if self._thread is None or not self._thread.is_alive():
            with self._listening:
                if (self._thread is None or not self._thread.is_alive()) and not self.stopped.is_set():
                    whom = weakref.ref(self)
                    self._thread = threading.Thread(target=_follow, args=(whom,), name=_NAME, daemon=True)
                    self._thread.start()

    def refresh(self) -> Held:
        """Look at the server now; raises `GalleryNotFoundError` before the first enrolment, `StoreUnreachableError`."""
        with self._looking:
            began = self._waiting_since = time.monotonic()
            try:
                old = self._known()
                with at_a_moment(self._store, self._answered, self._reopen) as found:
                    if found is None:
                        raise GalleryNotFoundError("the gallery is empty: enrol somebody first")
                    moment, state, view = found
                    if old is not None and is_same(old.state, state):
                        replica = old
                    else:
                        replica = replica_at(self._store, moment, state, old)
            except FacesearchError as error:
                self._away = isinstance(error, StoreUnreachableError)
                raise
            finally:
                self._waiting_since = None
            self.held = held = Held(replica, view, began)
            self._away = False
            return held

    def listen(self) -> Listener:
        """What hears of changes; raises `StoreUnreachableError`."""
        with self._listening:
            if self._listener is None:
                self._listener = self._store.listener()
            assert self._listener is not None  # noqa: S101 - a gallery in a folder is not followed
            return self._listener

    def listen_no_more(self) -> None:
        """Let go of what hears of changes."""
        with self._listening:
            if self._listener is not None:
                self._listener.close()
                self._listener = None

    def close(self) -> None:
        """Stop following; what is held is saved first, unless the server is away."""
        self.stopped.set()
        with self._listening:
            if self._listener is not None:
                self._listener.wake()
        due = time.monotonic() + _STOPPING_SECONDS
        while self._thread is not None and self._thread.is_alive() and not self.away and time.monotonic() < due:
            self._thread.join(_STOPPING_STEP)
        self._header = None  # a thread that waits for the server any longer saves nothing

    def _answered(self, moment: Moment, state: GalleryState) -> View | None:
        self._waiting_since = None
        return self._at(moment, state)

    def _known(self) -> Replica | None:
        """What is held, or what an earlier process saved; from either, little has to be read."""
        if self.held is not None:
            if self._to_be_held is not None and not self._store.templates.holds(self._to_be_held):
                self.held = None
            self._to_be_held = None
            return None if self.held is None else self.held.replica
        if self._header is None:
            return None
        try:
            saved = replica_file.load(self._folder)
        except StoreError:
            return None
        return saved.replica if self._store.templates.holds(saved.milestones) else None

    # the file

    def save(self) -> None:
        """Write what is held into the file, where that is wanted and worth it; or note that it still is the latest."""
        held, now = self.held, time.monotonic()
        if self._header is None or held is None:
            return
        try:
            if self._is_due(held, now):
                saved = self._to_be_saved(held)
                if saved is not None:
                    file = replica_file.save(self._folder, self._header, saved, now - held.confirmed)
                    rest = max(_LEAST_SAVE_REST, _SAVE_REST * (time.monotonic() - now))
                    self._written, self._confirmed = _Written(held.replica, file, now + rest), now
            elif self._written and self._written.replica is held.replica and now - self._confirmed >= _CONFIRM_SECONDS:
                if not replica_file.confirm(self._folder, self._written.file, now - held.confirmed):
                    self._written = None  # another process put its own there, or deleted it
                self._confirmed = now
        except OSError as error:
            _log.info("what is known of the gallery was not saved: %s", error)

    def _is_due(self, held: Held, now: float) -> bool:
        written = self._written
        if written is None:
            return True
        if written.replica is held.replica:
            return False
        forgotten = written.replica.state.position.last_removal_id != held.replica.state.position.last_removal_id
        return forgotten or self.stopped.is_set() or now >= written.until

    def _to_be_saved(self, held: Held) -> Saved | None:
        """The replica with the templates that the index files lack; None where these are too many, or were changed."""
        replica, files = held.replica, self._store.index_state.read()
        after = 0 if files is None else files.position.last_template_id
        ids = replica.owners.ids[replica.owners.ids > after]
        if len(ids) > _MOST_TAIL:
            return None
        tail = self._store.templates.codes(ids.tolist())
        if len(tail) != len(ids):
            return None
        used = {replica.state.settings.codec, *tail.codecs, *(each.codec for each in replica.negatives)}
        books = {
            codec: self._store.codebooks.read(codec) for codec in sorted(used) if not CodecRef.parse(codec).is_plain
        }
        milestones = self._store.templates.milestones(replica.state.position.last_template_id)
        return Saved(replica, after, tail, books, milestones)


def _follow(whom: weakref.ref[Following]) -> None:
    """The thread: keeps no gallery alive that nobody uses any more."""
    listener = None
    while (following := whom()) is not None:
        stopped, look, began, pause = following.stopped, following.look, time.monotonic(), _AGAIN
        try:
            following.refresh()
            following.save()
            pause = min(_REST * (time.monotonic() - began), _MOST_REST)
            listener = following.listen()
        except GalleryNotFoundError:
            pause = look
        except Exception as error:
            why = error if isinstance(error, FacesearchError) else type(error).__name__
            _log.info("the gallery is not followed for now: %s", why)
            following.listen_no_more()
            listener = None
        if stopped.is_set():
            following.listen_no_more()
            return
        del following
        stopped.wait(pause)
        if listener is not None:
            with suppress(StoreUnreachableError, OSError, ValueError):  # the next look says it
                listener.wait(look)
    if listener is not None:
        listener.close()
