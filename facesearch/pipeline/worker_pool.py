"""Several processes that look at photos.

Threads of one process share its interpreter lock, which costs a tenth of two cores. Processes share nothing. They are
plain programs spoken to in JSON lines (`facesearch.pipeline.worker`): nothing is unpickled, and a script that enrols
needs no main guard. What kills a worker, a hostile image for example, costs that one photo.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from facesearch.errors import UnreadableImageError
from facesearch.files.own_processes import command, environment
from facesearch.pipeline.tasks import Task

T = TypeVar("T")

WORTH_PROCESSES = 200  # photos; fewer are done before other processes have started
MOST_SECONDS = 120.0  # for one photo, and the loading of the models before the first
_TOO_LONG = "it takes too long to read"


class WorkerPool(Generic[T]):
    """`count` processes with the same task; `ask` and `answer` may be called from as many threads."""

    def __init__(self, count: int, task: Task[T]) -> None:
        self._task = task
        self._environment = environment()
        self._command = command("facesearch.pipeline.worker", *task.words)
        self._all: list[subprocess.Popen[str]] = []
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        for _ in range(count):
            self._idle.put(self._start())

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            env=self._environment,
        )
        self._all.append(process)
        return process

    def ask(self, path: Path) -> T:
        """What is made of the photo in a file; raises `RejectedImageError` and what else `Task.read` does."""
        return self._task.read(self.answer({"path": os.fspath(path.absolute())}))

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The same as a process says it. asked: as `facesearch.pipeline.worker` reads it."""
        process = self._idle.get()
        since = time.monotonic()
        clock = threading.Timer(MOST_SECONDS, process.kill)
        clock.start()
        try:
            return _ask(process, asked)
        except (OSError, ValueError):
            _end(process)
            late = time.monotonic() - since >= MOST_SECONDS
            with suppress(OSError):  # no memory for another one now: the next photo tries again
                process = self._start()
            reason = _TOO_LONG if late else "the process that read this image failed"
            return {"rejected": reason, "kind": UnreadableImageError.__name__}
        finally:
            clock.cancel()
            self._idle.put(process)

    def close(self) -> None:
        """End all processes."""
        for process in self._all:
            _end(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ask(process: subprocess.Popen[str], asked: Mapping[str, Any]) -> dict[str, Any]:
    """One line there and one back; raises OSError or ValueError where the process is gone."""
    assert process.stdin is not None  # noqa: S101 - for the type checker
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was not sent is not wanted any more
                pipe.close()
    process.wait()
