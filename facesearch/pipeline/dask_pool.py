"""The workers of a Dask cluster, as seen by who has photos to be looked at.

Dask brings tasks to workers, and does them again where a worker dies. A task is some photos, so that what Dask costs is
little beside them. Photos are named by path, as on a shared disk; what a worker does not see is handed over to it.
Nothing is stored by workers: templates come back, and the gallery takes them as it takes those of this machine.
"""

from __future__ import annotations

import base64
import logging
import math
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, TypeVar

from facesearch import __version__
from facesearch.errors import ClusterError, RejectedImageError, UnreadableImageError, UsageError
from facesearch.photos.decoding import read_bytes
from facesearch.photos.photo import Photo
from facesearch.pipeline.tasks import Answer, Task

T = TypeVar("T")

MOST_PHOTOS, FEWEST_PHOTOS = 256, 16  # of a task
MOST_BYTES = 32 << 20  # of photos that are handed over in a task
START_SECONDS = 30.0  # until the scheduler answers and has a worker
LOST_SECONDS = 60.0  # without any worker
_TASKS_AHEAD = 3  # per thread of the cluster, so that none waits for the next one
_LOOK_SECONDS = 5.0


@dataclass(slots=True)
class _Asked:
    """A photo that a task is about, and what was said of it."""

    photo: Photo
    sha256: bytes = b""
    said: Future[Answer] = field(default_factory=Future)

    def look(self) -> bool:
        """Whether it can be read."""
        try:
            self.sha256 = self.photo.hash()
        except RejectedImageError as error:
            _say(self, _rejected(error))
        return not self.said.done()


class DaskPool(Generic[T]):
    """The cluster of the scheduler at `address`, with the same task; `read` may be called from any thread."""

    def __init__(self, address: str, task: Task[T]) -> None:
        self._address, self._task = address, task
        self._client = _connected(address)
        self._running: dict[Any, list[_Asked]] = {}  # tasks, and what they are about
        self._lock = threading.Lock()
        self._handed_over = False  # whether workers see none of the files
        self._photos = MOST_PHOTOS
        self.ahead = 0  # photos that keep the cluster at work

    def expect(self, photos: int) -> None:
        """So many are about to come: all threads are to have some of them, and the last ones few at a time."""
        threads = max(1, sum(self._client.nthreads().values()))  # which asks the scheduler
        self._photos = max(FEWEST_PHOTOS, min(MOST_PHOTOS, math.ceil(photos / (8 * threads))))
        self.ahead = _TASKS_AHEAD * threads * self._photos

    def submit(self, photos: Sequence[Photo]) -> list[Future[Answer]]:
        """Have photos in files looked at; `read` takes what comes of each."""
        asked = [_Asked(photo) for photo in photos]
        there = [each for each in asked if each.look()]
        for start in range(0, len(there), self._photos):
            some = there[start : start + self._photos]
            if self._handed_over:
                self._hand_over(some)
            else:
                self._send(some, [{"path": _path(each), "sha256": each.sha256.hex()} for each in some])
        return [each.said for each in asked]

    def read(self, said: Future[Answer]) -> T:
        """What was made of a photo; waits for it.

        Raises `RejectedImageError` and what else `Task.read` does, and `ClusterError` where the cluster is gone.
        """
        return self._task.read(self._waited(said))

    def close(self) -> None:
        """Take back what is not done yet, and leave the cluster as it was."""
        with self._lock:
            running = dict(self._running)
        for each in chain.from_iterable(running.values()):
            _say(each, ClusterError("this was cancelled"))
        with suppress(Exception):  # the cluster may be gone
            self._client.cancel(list(running))
        with suppress(Exception):
            self._client.close(timeout=2)

    def _send(self, some: list[_Asked], photos: list[dict[str, str]]) -> None:
        from facesearch.pipeline import dask_worker

        try:
            task = self._client.submit(dask_worker.answers, __version__, self._task.words, photos, pure=False)
        except Exception as error:
            raise ClusterError(self._gone()) from error
        with self._lock:
            self._running[task] = some
        task.add_done_callback(lambda done: self._arrived(done, some))

    def _arrived(self, task: Any, some: list[_Asked]) -> None:  # in a thread of Dask's client
        with self._lock:
            self._running.pop(task, None)
        try:
            self._take(task, some)
        except Exception as error:  # nobody else would hear of it
            for each in some:
                _say(each, error)

    def _take(self, task: Any, some: list[_Asked]) -> None:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            answers = task.result(timeout=_LOOK_SECONDS)
        except KilledWorker:
            self._halve(some)
            return
        except (CancelledError, FutureCancelledError, OSError, Late) as error:
            raise ClusterError(self._gone()) from error
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise ClusterError(f"a worker of {self._address} cannot run facesearch {__version__} ({reason})") from error
        unseen = []
        for each, answer in zip(some, answers, strict=True):
            if "unseen" in answer:
                unseen.append(each)
            else:
                _say(each, answer)
        self._handed_over = self._handed_over or len(unseen) == len(some)
        self._hand_over(unseen)

    def _halve(self, some: list[_Asked]) -> None:
        """Workers died of a task again and again: it is found which of its photos is to blame."""
        if len(some) == 1:
            _say(some[0], _rejected(UnreadableImageError("the process that read this image failed")))
            return
        for half in (some[: len(some) // 2], some[len(some) // 2 :]):
            self._hand_over(half)

    def _hand_over(self, some: list[_Asked]) -> None:
        together: list[_Asked] = []
        contents: list[dict[str, str]] = []
        size = 0
        for each in some:
            try:
                data = read_bytes(each.photo.path)
            except RejectedImageError as error:
                _say(each, _rejected(error))
                continue
            if together and size + len(data) > MOST_BYTES:
                self._send(together, contents)
                together, contents, size = [], [], 0
            together.append(each)
            contents.append({"path": _path(each), "content": base64.b64encode(data).decode("ascii")})
            size += len(data)
        if together:
            self._send(together, contents)

    def _waited(self, said: Future[Answer]) -> Answer:
        alone = None
        while True:
            try:
                return said.result(timeout=_LOOK_SECONDS)
            except Late:
                if said.done():
                    raise
            if self._client.status != "running":
                raise ClusterError(self._gone())
            now = time.monotonic()
            alone = None if self._client.scheduler_info()["workers"] else (alone or now)
            if alone is not None and now - alone > LOST_SECONDS:
                raise ClusterError(f"the cluster {self._address} has no workers any more; {_AGAIN}")

    def _gone(self) -> str:
        return f"the cluster {self._address} is gone; {_AGAIN}"


_AGAIN = "what is enrolled stays; run the command again to go on"


def _say(asked: _Asked, said: Answer | Exception) -> None:
    """Tell who waits; what was told before stays."""
    with suppress(InvalidStateError):
        if isinstance(said, Exception):
            asked.said.set_exception(said)
        else:
            asked.said.set_result(said)


def _rejected(error: RejectedImageError) -> Answer:
    return {"rejected": str(error), "kind": type(error).__name__}


def _path(asked: _Asked) -> str:
    return os.fspath(asked.photo.path.absolute())


def _connected(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--cluster needs Dask: pip install 'facesearch[cluster]'") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is said here, in one line
    try:
        client: Any = Client(address, timeout=START_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, Late) as error:
        raise ClusterError(f"no Dask scheduler answers at {address}; start one with: dask scheduler") from error
    try:
        client.wait_for_workers(1, timeout=START_SECONDS)
    except Late as error:
        client.close()
        raise ClusterError(f"the cluster {address} has no workers; start one with: dask worker {address}") from error
    return client
