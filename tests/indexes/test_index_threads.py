from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest
from index_samples import KINDS, directions, filled_index

from indexes.threads import thread_count, threads


def test_a_chosen_number_of_threads_holds_within_and_what_was_set_before_is_restored() -> None:
    before = faiss.omp_get_max_threads()
    with threads(3):
        assert (thread_count(), faiss.omp_get_max_threads()) == (3, 3)
        with threads(1):
            assert (thread_count(), faiss.omp_get_max_threads()) == (1, 1)
        assert thread_count() == 3
        with pytest.raises(RuntimeError), threads(2):
            raise RuntimeError
        assert (thread_count(), faiss.omp_get_max_threads()) == (3, 3)
    assert faiss.omp_get_max_threads() == before
    with threads(0):
        assert thread_count() == faiss.omp_get_max_threads() >= 1


def test_a_search_leaves_the_number_of_threads_of_faiss_as_it_was_also_in_other_threads() -> None:
    index, q = filled_index("rabitq+sq8"), directions(50, seed=3)
    before = faiss.omp_get_max_threads()
    with threads(5):
        index.search(q, 3)
        index.search(q[:1], 3)
        assert faiss.omp_get_max_threads() == 5
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(thread_count).result() == len(os.sched_getaffinity(0))  # theirs is their own
    assert faiss.omp_get_max_threads() == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_threads_changes_no_answer(kind: str) -> None:
    index, q = filled_index(kind, n=300), directions(30, seed=8)
    with threads(1):
        expected = index.search(q, 7)
    for count in (2, 3, 16):
        with threads(count):
            np.testing.assert_equal(index.search(q, 7), expected)


@pytest.mark.parametrize("kind", ["flat", "sq8", "fs64+sq8"])
def test_other_threads_run_on_during_a_search(kind: str) -> None:
    index, q = filled_index(kind, n=20_000, dimension=128), directions(400, 128, seed=8)
    started, ticks, done = threading.Event(), [0], threading.Event()

    def count() -> None:
        started.set()
        while not done.is_set():
            ticks[0] += 1
            time.sleep(0.0005)

    counter = threading.Thread(target=count)
    counter.start()
    started.wait()
    before, begun = ticks[0], time.perf_counter()
    with threads(1):
        index.search(q, 5)
    spent, counted = time.perf_counter() - begun, ticks[0] - before
    done.set()
    counter.join()
    # A search that kept the interpreter's lock would let the counter tick once per switch interval at most, while FAISS
    # is at work not at all.
    assert counted > spent / 0.01
