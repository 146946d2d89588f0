"""What workers of a Dask cluster run: photos, looked at by processes of `facesearch.pipeline.worker` on their machine.

As on one machine, a photo that kills what reads it costs that photo alone.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import get_worker

from facesearch import __version__
from facesearch.errors import EncoderMismatchError
from facesearch.pipeline.tasks import Task
from facesearch.pipeline.worker_pool import WorkerPool

Asked = dict[str, Any]

IDLE_SECONDS = 30.0  # after which processes end

_lock = threading.Lock()
_pools: dict[tuple[str, ...], _Pool] = {}


@dataclass(slots=True)
class _Pool:
    """Processes, how many tasks are using them, and how many have used them."""

    processes: WorkerPool[Any]
    users: int = 0
    uses: int = 0


def answers(version: str, words: tuple[str, ...], photos: Sequence[Asked]) -> list[dict[str, Any]]:
    """What a task (`facesearch.pipeline.tasks`) makes of photos. version: of facesearch, where it was asked.

    A photo has a `path` and the `sha256` (hex) of its content; with `content` (base64) it is handed over. Where this
    machine has no file of that path and content, the answer is `{"unseen": true}`.
    """
    if version != __version__:
        refused = f"{_where()} has facesearch {__version__}, not {version}"
        return [{"refused": refused, "kind": EncoderMismatchError.__name__}] * len(photos)
    with _processes(words) as pool:
        return [_named(pool.answer(asked)) if _is_seen(asked) else {"unseen": True} for asked in photos]


@contextmanager
def _processes(words: tuple[str, ...]) -> Iterator[WorkerPool[Any]]:
    """Processes with a task, as many as this worker has threads; they end when nobody has used them for a while."""
    with _lock:
        if words not in _pools:
            _pools[words] = _Pool(WorkerPool(get_worker().state.nthreads, Task(words, dict)))
        pool = _pools[words]
        pool.users += 1
        pool.uses += 1
    try:
        yield pool.processes
    finally:
        with _lock:
            pool.users -= 1
            uses = pool.uses
        clock = threading.Timer(IDLE_SECONDS, _end, (words, pool, uses))
        clock.daemon = True
        clock.start()


def _end(words: tuple[str, ...], pool: _Pool, uses: int) -> None:
    """End processes that were not used since so many uses."""
    with _lock:
        if pool.users or pool.uses != uses:
            return
        _pools.pop(words, None)
    pool.processes.close()


def _is_seen(asked: Asked) -> bool:
    if "content" in asked:
        return True
    try:
        with Path(asked["path"]).open("rb") as file:
            return bool(hashlib.file_digest(file, "sha256").hexdigest() == asked["sha256"])
    except OSError:
        return False


def _named(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "refused": f"{_where()}: {answer['refused']}"} if "refused" in answer else answer


def _where() -> str:
    return f"the worker {get_worker().address}"
