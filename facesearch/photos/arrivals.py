"""Photos that arrive in folders of people: which are new or changed, and are no longer being written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from facesearch.errors import UsageError
from facesearch.photos.folders import place
from facesearch.photos.photo import Photo, Rejection
from facesearch.photos.sources import Sources, from_paths

SETTLED = 1.0  # seconds for which a file has to stay as it is


class _Look(NamedTuple):
    """A file as it was seen; a file that is written, replaced or moved looks different."""

    size: int
    changed_ns: int
    number: int


class Arrived(NamedTuple):
    """photos: those to enrol now. rejected: entries that are no photos of anybody, each said once. left: photos that
    were taken before and whose files are gone. waits: whether there are files that may still be written."""

    photos: list[Photo]
    rejected: list[Rejection]
    left: int
    waits: bool


class Arrivals:
    """Looks at folders `<identity>/<image>` again and again. Not safe to share between threads.

    A file is handed out once for each content that it had for `settled` seconds. clock: seconds, for tests.
    """

    def __init__(
        self, roots: Sequence[Path], settled: float = SETTLED, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._roots, self._settled, self._clock = roots, settled, clock
        self._places = [place(root) for root in roots]
        self._taken: dict[tuple[Path, str], _Look] = {}
        self._waiting: dict[tuple[Path, str], tuple[_Look, float]] = {}
        self._said: set[Rejection] = set()

    def check(self) -> None:
        """Raises `UsageError` where a folder is gone, or another one is in its place."""
        for root, before in zip(self._roots, self._places, strict=True):
            if before is None or place(root) != before:
                raise UsageError(f"{root} is gone, or another folder is in its place")

    def look(self) -> Arrived:
        """What there is to enrol now; raises `UsageError` where a folder is gone or cannot be read."""
        self.check()
        now, sources = self._clock(), from_paths(self._roots)
        self.check()  # a folder that went meanwhile seemed empty
        waiting, ready, there = self._waiting, list[Photo](), set[tuple[Path, str]]()
        self._waiting = {}
        for photo in sources.photos:
            key, look = (photo.path, photo.identity), _look(photo.path)
            if look is None:
                continue
            there.add(key)
            if self._taken.get(key) == look:
                continue
            before = waiting.get(key)
            since = before[1] if before is not None and before[0] == look else now
            if now - since >= self._settled:
                self._taken[key] = look
                ready.append(photo)
            else:
                self._waiting[key] = (look, since)
        gone = [key for key in self._taken if key not in there]
        for key in gone:
            del self._taken[key]
        return Arrived(ready, self._new(sources), len(gone), bool(self._waiting))

    def again(self, photos: Sequence[Photo]) -> None:
        """These could not be enrolled for now: they are handed out again."""
        for photo in photos:
            self._taken.pop((photo.path, photo.identity), None)

    def _new(self, sources: Sources) -> list[Rejection]:
        new = [item for item in sources.rejected if item not in self._said]
        self._said = set(sources.rejected)
        return new


def _look(path: Path) -> _Look | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return _Look(found.st_size, found.st_mtime_ns, found.st_ino)
