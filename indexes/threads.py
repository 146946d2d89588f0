"""How many threads a search takes. FAISS (its OpenMP) keeps that number, for the thread that sets it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from indexes.faiss_library import faiss

_chosen: ContextVar[int] = ContextVar("threads", default=0)


def thread_count() -> int:
    """Threads that a search may take: what `threads` chose, else all cores that this process may use."""
    return _chosen.get() or len(os.sched_getaffinity(0))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let searches within use so many threads (0: all cores); what FAISS was set to before is restored afterwards."""
    library = faiss()
    token = _chosen.set(count)
    before = library.omp_get_max_threads()
    library.omp_set_num_threads(thread_count())
    try:
        yield
    finally:
        library.omp_set_num_threads(before)
        _chosen.reset(token)
