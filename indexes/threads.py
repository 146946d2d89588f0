"""How many threads a search may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from indexes.faiss_library import faiss


@contextmanager
def one_thread() -> Iterator[None]:
    """Let searches run in one thread, for times that do not hang on what else the machine does.

    It holds for the whole process; a single query uses no second thread anyway, but would wait for it.
    """
    library = faiss()
    before = library.omp_get_max_threads()
    library.omp_set_num_threads(1)
    try:
        yield
    finally:
        library.omp_set_num_threads(before)
