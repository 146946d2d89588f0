"""Indexes that are emptied, copied, joined, and searched without some of their ids."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexes import JoinedIndex, UnsuitableKindError, VectorIndex, create_index, join_indexes, load_index, parse_kind


def unit_vectors(count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


KINDS = (
    *("flat", "fp16", "sq8", "sq6", "sq4", "pq8", "opq8", "fs8", "rabitq", "hnsw8", "hnsw8,sq8", "tcq8"),
    *("ivf4,flat", "ivf4,sq8", "ivf4,pq8", "ivf4,fs8", "pca16,sq8", "pca16,fs4+sq8", "rabitq+sq4", "fs8+pca16,sq4"),
)
DIMENSION = 32
ROWS = 900
X = unit_vectors(ROWS, DIMENSION, seed=1)
QUERIES = (X[::60] + 0.05 * unit_vectors(15, DIMENSION, seed=2)).astype(np.float32)
IDS = np.arange(10, 10 + 3 * ROWS, 3)


def filled(kind: str, ids: NDArray[np.int64] = IDS, x: NDArray[np.float32] = X) -> VectorIndex:
    index = create_index(kind, DIMENSION)
    index.train(X)
    index.add(ids, x)
    return index


def in_parts(whole: VectorIndex, edges: tuple[int, ...] = (0, 400, 403, 880, ROWS)) -> list[VectorIndex]:
    """The rows of an index in several of the same training; the first is emptied and filled from the second on."""
    parts = []
    for first, last in pairwise(edges):
        part = whole.emptied()
        part.add(IDS[first:last], X[first:last])
        parts.append(part)
    return parts


Found = tuple[NDArray[np.float32], NDArray[np.int64]]


def assert_same(found: Found, expected: Found) -> None:
    """Scores and ids are equal to the bit."""
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1], expected[1])


def exhaustive(kind: str) -> bool:
    """Whether what is found does not depend on how the vectors are spread over parts."""
    return parse_kind(kind).exhaustive


@pytest.mark.parametrize("kind", KINDS)
def test_an_emptied_index_stores_and_scores_as_the_one_it_comes_from(kind: str) -> None:
    whole = filled(kind)
    again = whole.emptied()
    assert (len(again), again.is_trained, again.kind) == (0, True, kind)
    again.add(IDS, X)
    assert np.array_equal(again.reconstruct(IDS), whole.reconstruct(IDS))
    assert_same(again.search(QUERIES, 5), whole.search(QUERIES, 5))


@pytest.mark.parametrize("from_file", [False, True], ids=["in memory", "from a file"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_changes_without_the_original(kind: str, from_file: bool, tmp_path: Path) -> None:
    whole = filled(kind)
    if from_file:
        whole.save(tmp_path / "index")
        whole = load_index(tmp_path / "index")
    before = whole.search(QUERIES, 5)
    other = whole.copy()
    other.remove(IDS[: ROWS // 2])
    other.add([5], X[:1])
    assert (len(whole), len(other)) == (ROWS, ROWS - ROWS // 2 + 1)
    assert_same(whole.search(QUERIES, 5), before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gone", [3, 300])
def test_excluded_ids_count_as_removed(kind: str, gone: int) -> None:
    whole = filled(kind)
    nearest = whole.search(QUERIES, 20)[1]
    excluded = np.unique(np.concatenate([nearest[:, :2].ravel(), IDS[:gone], [1]]))  # 1 is not in it
    scores, ids = whole.search(QUERIES, 5, excluded=excluded)
    assert not np.isin(ids, excluded).any()
    assert (ids >= 0).all()
    if not exhaustive(kind):
        return
    less = whole.copy()
    less.remove(excluded)
    expected_scores, expected_ids = less.search(QUERIES, 5)
    assert np.array_equal(ids, expected_ids)
    assert np.array_equal(scores, expected_scores)


@pytest.mark.parametrize("kind", KINDS)
def test_all_but_a_few_can_be_excluded(kind: str) -> None:
    whole = filled(kind)
    for index in (whole, join_indexes(in_parts(whole))):
        scores, ids = index.search(QUERIES[:2], 5, excluded=IDS[:-3])
        assert (np.sort(ids, axis=1)[:, -3:] == IDS[-3:]).all()
        assert (ids[:, 3:] == -1).all()
        assert np.isneginf(scores[:, 3:]).all()
        assert (index.search(QUERIES[:2], 5, excluded=IDS)[1] == -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_joined_parts_answer_as_one_index(kind: str) -> None:
    whole = filled(kind)
    joined = join_indexes(in_parts(whole))
    assert (len(joined), joined.kind, joined.dimension) == (ROWS, kind, DIMENSION)
    assert joined.bytes_per_vector == whole.bytes_per_vector
    assert np.array_equal(joined.ids, whole.ids)
    assert np.array_equal(joined.reconstruct(IDS[::-7]), whole.reconstruct(IDS[::-7]))
    excluded = IDS[5:200:3]
    for passed in (None, excluded):
        scores, ids = joined.search(QUERIES, 5, excluded=passed)
        expected = whole.search(QUERIES, 5, excluded=passed)
        if exhaustive(kind):
            assert np.array_equal(ids, expected[1])
            assert np.array_equal(scores, expected[0])
        else:  # looks at more of the vectors, or at others
            assert (scores[:, 0] >= expected[0][:, 0] - 1e-6).mean() > 0.9
        alone = joined.search(QUERIES[3:4], 5, excluded=passed)
        assert np.array_equal(alone[1][0], ids[3])


def test_equal_vectors_in_several_parts_come_in_the_order_of_their_ids() -> None:
    same = np.tile(X[:1], (60, 1))
    parts = []
    for first in range(3):
        part = create_index("flat", DIMENSION)
        part.add(np.arange(first, 180, 3), same)
        parts.append(part)
    _, ids = join_indexes(parts).search(X[:1], 50)
    assert ids[0].tolist() == list(range(50))


def test_files_and_indexes_in_memory_can_be_joined(tmp_path: Path) -> None:
    whole = filled("sq8")
    parts = in_parts(whole)
    parts[0].save(tmp_path / "part")
    joined = join_indexes([load_index(tmp_path / "part"), *parts[1:], whole.emptied()])
    assert np.array_equal(joined.search(QUERIES, 5)[1], whole.search(QUERIES, 5)[1])
    nothing = join_indexes([whole.emptied()])
    assert len(nothing) == 0
    assert (nothing.search(QUERIES, 2)[1] == -1).all()


def test_only_indexes_of_one_kind_are_joined() -> None:
    with pytest.raises(UnsuitableKindError, match="of one kind"):
        join_indexes([filled("flat"), filled("sq8")])
    with pytest.raises(UnsuitableKindError, match="at least one"):
        join_indexes([])


@pytest.mark.parametrize("kind", KINDS)
def test_threads_that_search_at_once_find_the_same(kind: str) -> None:
    whole = filled(kind)
    joined: JoinedIndex = join_indexes(in_parts(whole))
    expected = joined.search(QUERIES, 5)
    wrong: list[object] = []

    def ask() -> None:
        for _ in range(6):
            for row in range(len(QUERIES)):
                scores, ids = joined.search(QUERIES[row : row + 1], 5, excluded=IDS[:0])
                if not (np.array_equal(ids[0], expected[1][row]) and np.array_equal(scores[0], expected[0][row])):
                    wrong.append((row, ids))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for each in askers:
        each.start()
    for each in askers:
        each.join()
    assert not wrong
