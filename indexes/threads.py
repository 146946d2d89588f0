"""How many threads a search takes, and whether several are faster than one.

FAISS (its OpenMP) keeps a number of threads for each thread that sets it. OpenMP's threads wait by spinning, which on a
machine that is busy takes the cores from those who have work, and for a single probe FAISS gains nothing by them: a
single probe is scanned by OpenMP's one thread, and what several threads share out are the parts of an index.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from indexes.faiss_library import faiss

MOST_PARTS = 8  # that threads share out at a time

_chosen: ContextVar[int] = ContextVar("threads", default=0)
_in_child = False  # of a process that had loaded FAISS and was forked


def thread_count() -> int:
    """Threads that a search may take: what `threads` chose, else all cores that this process may use.

    One in a process that was forked after FAISS was loaded: OpenMP's other threads exist in its parent only, and
    waiting for them never ends.
    """
    if _in_child:
        return 1
    return _chosen.get() or _cores()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let searches within use so many threads (0: all cores); what FAISS was set to before is restored afterwards."""
    with _set(count, None):
        yield


@contextmanager
def threads_for_parts(count: int) -> Iterator[None]:
    """Let so many threads share out the parts of an index within, and FAISS use one for each."""
    with _set(count, 1):
        yield


@contextmanager
def _set(count: int, for_openmp: int | None) -> Iterator[None]:
    library = faiss()
    token = _chosen.set(count)
    before = library.omp_get_max_threads()
    library.omp_set_num_threads(1 if _in_child else for_openmp or thread_count())
    try:
        yield
    finally:
        library.omp_set_num_threads(1 if _in_child else before)  # forked within, a child keeps to one
        _chosen.reset(token)


@cache
def parts_pool() -> ThreadPoolExecutor:
    """The threads that share out parts."""
    return ThreadPoolExecutor(MOST_PARTS, thread_name_prefix="index-parts")


class ThreadChoice:
    """Whether several threads answer a single probe sooner than one: learnt from how long each way took.

    The other way than the one in use is tried now and then, seldomer the more often it lost. Safe to share between
    threads. `choose` says whether to use several; `tell` takes how long that was.
    """

    _WORTH = 1e-3  # seconds that a probe takes: below, waking a thread takes longer than it saves
    _FIRST_TRIAL, _LONGEST_WAIT = 8, 1024  # probes between two trials
    _CLEARLY = 0.9  # part of the time in use that a trial has to stay below

    def __init__(self) -> None:
        self._several = False
        self._typical = 0.0  # seconds, of the way in use
        self._wait = self._left = self._FIRST_TRIAL
        self._lock = threading.Lock()

    def choose(self) -> bool:
        """Whether the next probe is to be answered by several threads."""
        with self._lock:
            if self._typical < self._WORTH:
                return False
            self._left -= 1
            return self._several != (self._left <= 0)

    def tell(self, several: bool, seconds: float) -> None:
        """Say how long a probe took."""
        with self._lock:
            if several == self._several:
                self._typical = seconds if not self._typical else 0.8 * self._typical + 0.2 * seconds
                return
            if seconds < self._CLEARLY * self._typical:
                self._several, self._typical, self._wait = several, seconds, self._FIRST_TRIAL
            else:
                self._wait = min(2 * self._wait, self._LONGEST_WAIT)
            self._left = self._wait


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def _after_fork() -> None:
    global _in_child
    parts_pool.cache_clear()
    if faiss.cache_info().currsize:
        _in_child = True
        faiss().omp_set_num_threads(1)  # also for what FAISS does outside of searches


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
