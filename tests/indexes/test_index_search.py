from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_samples import (
    DIMENSION,
    FINE,
    KINDS,
    directions,
    exact_search,
    filled_index,
    people,
    ready_index,
)

from indexes import InvalidInputError, VectorIndex, create_index, parse_kind, row_search, rows


def built(kind: str, x: np.ndarray) -> VectorIndex:
    index = create_index(kind, x.shape[1])
    index.train(x)
    index.add(np.arange(len(x)), x)
    return index


def test_flat_answers_as_the_exact_search() -> None:
    x, q, _ = people()
    scores, ids = built("flat", x).search(q, 7)
    expected_scores, expected_ids = exact_search(np.arange(len(x)), x, q, 7)
    assert (scores.dtype.name, ids.dtype.name, scores.shape) == ("float32", "int64", (len(q), 7))
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)


def test_sq8_finds_the_right_identity_and_nearly_always_the_nearest_vector_with_nearly_its_score() -> None:
    x, q, owners = people()
    index = create_index("sq8", x.shape[1])
    index.add(np.arange(len(x)), x)
    scores, ids = index.search(q, 1)
    expected_scores, expected_ids = exact_search(np.arange(len(x)), x, q, 1)
    assert (owners[ids[:, 0]] == np.arange(len(q))).all()
    assert (ids == expected_ids).mean() >= 0.93  # ten images of one person lie close together
    np.testing.assert_allclose(scores, expected_scores, atol=0.005)


@pytest.mark.parametrize("kind", ["sq8", "sq6", "sq4"])
def test_scalar_codes_learn_nothing(kind: str) -> None:
    x, q, _ = people()
    preset, taught = create_index(kind, x.shape[1]), create_index(kind, x.shape[1])
    taught.train(x)
    assert taught.learnt_from == ""
    for index in (preset, taught):
        index.add(np.arange(len(x)), x)
    np.testing.assert_equal(preset.search(q, 5), taught.search(q, 5))


def test_pq_finds_the_right_identity_and_most_of_the_nearest_vectors() -> None:
    x, q, owners = people(dimension=64)
    _, ids = built("pq16", x).search(q, 10)
    _, expected = exact_search(np.arange(len(x)), x, q, 10)
    assert (owners[ids[:, 0]] == np.arange(len(q))).mean() >= 0.99
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids.tolist(), expected.tolist(), strict=True)])
    assert recall >= 0.85


@pytest.mark.parametrize("kind", ["opq4", "pq4"])
def test_the_same_training_vectors_teach_the_same(kind: str) -> None:
    x, q = directions(600), directions(5, seed=5)
    np.testing.assert_equal(built(kind, x).search(q, 9), built(kind, x).search(q, 9))


@pytest.mark.parametrize("kind", ["opq4", "pq4"])
def test_a_large_training_set_is_sampled_the_same_way_every_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_LARGEST_SAMPLE", 300)
    x, q = directions(1000), directions(5, seed=5)
    np.testing.assert_equal(built(kind, x).search(q, 9), built(kind, x).search(q, 9))


def test_training_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    ready_index("pq4")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_places_beyond_the_last_vector_are_id_minus_1_with_score_minus_infinity(kind: str) -> None:
    index = filled_index(kind, n=3)
    scores, ids = index.search(directions(2), 5)
    assert (ids[:, 3:] == -1).all()
    assert np.isneginf(scores[:, 3:]).all()
    assert [sorted(row) for row in ids[:, :3].tolist()] == [[0, 3, 6]] * 2
    assert np.isfinite(scores[:, :3]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_index_and_an_empty_batch_have_empty_answers(kind: str) -> None:
    scores, ids = ready_index(kind).search(directions(2), 4)
    assert (ids == -1).all()
    assert np.isneginf(scores).all()
    scores, ids = filled_index(kind).search(np.empty((0, DIMENSION)), 4)
    assert scores.shape == ids.shape == (0, 4)


@pytest.mark.parametrize("copies", [2, 30, 700])
@pytest.mark.parametrize("kind", KINDS)
def test_equal_vectors_come_by_lowest_id_also_across_the_last_place(kind: str, copies: int) -> None:
    index = ready_index(kind)
    others = directions(50, seed=2)
    twin = directions(1, seed=3)
    ids = np.random.default_rng(4).permutation(5000)[: copies + 50]
    index.add(ids, np.concatenate([np.repeat(twin, copies, axis=0), others]))
    lowest = np.sort(ids[:copies])
    for k in (1, copies - 1, copies):
        # Within a batch as alone: matrix products of different shapes round differently.
        for batch in (1, 40):
            queries = np.repeat(twin, batch, axis=0)
            scores, found = index.search(queries, k)
            if kind in FINE:  # coarse codes may rank a stranger first
                np.testing.assert_array_equal(found, np.tile(lowest[:k], (batch, 1)))
                assert len(np.unique(scores)) == 1
            twins = [row[np.isin(row, lowest)] for row in found]
            if not kind.startswith("hnsw"):  # a walk may miss some of so many that are equal
                assert all((row == lowest[: len(row)]).all() for row in twins)


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_to_a_query_does_not_depend_on_its_batch_or_on_k(kind: str) -> None:
    index = filled_index(kind, n=1000, dimension=64)
    q = directions(64, 64, seed=9)
    scores, ids = index.search(q, 30)
    for row in range(0, 64, 7):
        for k in (1, 30) if parse_kind(kind).exhaustive else (30,):  # with k, the others look further
            one_scores, one_ids = index.search(q[row : row + 1], k)
            np.testing.assert_array_equal(one_scores[0], scores[row, :k])
            np.testing.assert_array_equal(one_ids[0], ids[row, :k])


@pytest.mark.parametrize("kind", KINDS)
def test_small_working_blocks_change_no_answer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    index, q = filled_index(kind, n=200), directions(30, seed=8)
    before = index.search(q, 11)
    monkeypatch.setattr(row_search, "_BLOCK", 64)
    np.testing.assert_equal(index.search(q, 11), before)


@pytest.mark.parametrize("kind", KINDS)
def test_searches_in_several_threads_answer_as_one(kind: str) -> None:
    index, q = filled_index(kind, n=500), directions(20, seed=8)
    before = index.search(q, 5)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: index.search(q, 5), range(16)):
            np.testing.assert_equal(answer, before)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 60),
    m=st.integers(1, 5),
    k=st.integers(1, 70),
    values=st.integers(2, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_flat_equals_the_exact_search_on_vectors_full_of_ties(n: int, m: int, k: int, values: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Few distinct coordinates, powers of two apart: products are exact, so ties are exact in both searches.
    x, q = (rng.integers(-values, values + 1, (rows, 4)).astype(np.float32) / 16 for rows in (n, m))
    ids = rng.permutation(10_000)[:n]
    index = create_index("flat", 4)
    index.add(ids, x)
    scores, found = index.search(q, k)
    expected_scores, expected = exact_search(ids, x, q, k)
    np.testing.assert_array_equal(found[:, : expected.shape[1]], expected)
    np.testing.assert_array_equal(scores[:, : expected.shape[1]], expected_scores)
    assert (found[:, n:] == -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_vectors_an_index_gives_back_are_those_that_its_scores_are_of(kind: str) -> None:
    index = filled_index(kind)
    index.remove([6, 30])
    q = directions(5, seed=9)
    scores, ids = index.search(q, 4)
    for row in range(len(q)):
        np.testing.assert_allclose(index.reconstruct(ids[row]) @ q[row], scores[row], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_in_an_index_can_be_given_back(kind: str) -> None:
    index = filled_index(kind)
    assert index.reconstruct([]).shape == (0, DIMENSION)
    np.testing.assert_array_equal(index.reconstruct([9, 3, 9])[0], index.reconstruct([9])[0])
    with pytest.raises(InvalidInputError, match="id 1 is not in the index"):
        index.reconstruct([0, 1])


OF_THE_DEFAULT = (
    *("flat", "fp16", "sq8", "sq6", "sq4", "pq48", "opq32", "fs32", "rabitq", "tcq64", "tcq32"),
    *("pca128,fs32+sq8", "rabitq+sq8", "ivf16,flat", "ivf16,fs32", "hnsw16", "hnsw16,sq8"),
)


@pytest.mark.parametrize("kind", OF_THE_DEFAULT)
def test_people_are_found_by_templates_of_the_default_encoders_dimension(kind: str) -> None:
    templates, probes, owners = people(100, 10, dimension=192)
    index = create_index(kind, 192)
    if index.training_size:
        index.train(templates)
    index.add(np.arange(len(templates)), templates)
    scores, ids = index.search(probes, 1)
    assert (owners[ids[:, 0]] == np.arange(100)).mean() >= 0.98
    assert (scores[:, 0] > 0.4).mean() >= 0.98
