"""A forked child does with indexes what its parent did with several threads, and waits for no threads that are gone."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

import faiss
import numpy as np
import pytest
from index_samples import directions

from indexes import create_index, join_indexes
from indexes.threads import thread_count, threads

pytestmark = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no processes are forked here"
)
KINDS = ("flat", "sq8", "pq8", "rabitq+sq8", "ivf8,flat", "hnsw16", "tcq16", "pca8,fs4+sq8")
DIMENSION = 64
SECONDS = 60  # a child that hangs does so for ever; a busy machine may be slow


def in_child(question: Callable[[], object]) -> object:
    """What question gives in a forked child; fails where there is no answer in time."""

    def answer(end: Connection) -> None:
        end.send(question())

    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=answer, args=(sending,))
    child.start()
    sending.close()
    try:
        assert receiving.poll(SECONDS), "the child hangs"
        return receiving.recv()
    finally:
        child.kill()
        child.join()


@pytest.mark.parametrize("kind", KINDS)
def test_a_forked_child_answers_as_its_parent(kind: str) -> None:
    x, q = directions(3_000, DIMENSION, seed=1), directions(64, DIMENSION, seed=2)
    index = create_index(kind, DIMENSION)
    with threads(4):  # as many as OpenMP then keeps waiting
        index.train(x)
        index.add(np.arange(3_000), x)
        part = index.emptied()
        part.add(np.arange(3_000, 3_100), x[:100])
        for one in (index, join_indexes([index, part])):

            def ask(one=one) -> list[object]:  # type: ignore[no-untyped-def]
                answers: list[object] = [one.search(q, 5), one.search(q[:1], 5), one.search(q[:3], 5, excluded=[4, 5])]
                return [*answers, one.reconstruct(np.arange(2_500))]

            np.testing.assert_equal(in_child(ask), ask())


@pytest.mark.parametrize("kind", KINDS)
def test_a_forked_child_changes_and_trains_indexes_also_in_threads_of_its_own(kind: str) -> None:
    x, q = directions(3_000, DIMENSION, seed=1), directions(64, DIMENSION, seed=2)
    index = create_index(kind, DIMENSION)
    index.train(x)
    index.add(np.arange(3_000), x)
    index.search(q, 5)

    def change() -> tuple[int, int]:
        def work(_: int) -> int:
            copy = index.copy()
            copy.remove(np.arange(1_500))
            copy.add(np.arange(5_000, 8_000), x)
            copy.search(q, 5)
            made = create_index(kind, DIMENSION)
            made.train(x[:600])
            return len(copy)

        first = work(0)
        with ThreadPoolExecutor(2) as pool:
            return (first, sum(pool.map(work, range(2))))

    assert in_child(change) == (4_500, 9_000)


def test_everything_takes_one_thread_in_a_forked_child_and_leaves_it_so() -> None:
    create_index("flat", 8).search(directions(1, 8), 1)

    def look() -> list[int]:
        counts = [thread_count(), faiss.omp_get_max_threads()]
        with threads(4):
            counts += [thread_count(), faiss.omp_get_max_threads()]
        return [*counts, faiss.omp_get_max_threads()]

    with threads(3):  # what the parent had chosen is not what the child gets back
        assert in_child(look) == [1] * 5
        assert thread_count() == 3


def test_a_fork_before_faiss_is_loaded_costs_no_threads() -> None:
    script = (
        "import multiprocessing as m, indexes.threads as t\n"
        "p = m.get_context('fork').Pool(1)\n"
        "print(p.apply(t.thread_count) == t.thread_count())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout == "True\n"
