from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from index_samples import DIMENSION, KINDS, directions, filled_index, ready_index

from indexes import DuplicateIdError, InvalidInputError, UntrainedIndexError, VectorIndexError, create_index

NAN_ROW = np.full((1, DIMENSION), np.nan)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(DIMENSION), r"shape \(n, 16\), not \(16,\)"),
        (np.zeros((1, DIMENSION + 1)), r"shape \(n, 16\), not \(1, 17\)"),
        (np.zeros((1, 1, DIMENSION)), "shape"),
        (NAN_ROW, "row 0 holds NaN"),
        (np.full((1, DIMENSION), -np.inf), "row 0 holds NaN or infinity"),
        (np.full((1, DIMENSION), 1e300), "row 0 holds NaN or infinity"),
        (np.full((1, DIMENSION), 1e38), "unit length: row 0"),
        (np.ones((1, DIMENSION)), "unit length: row 0 is 4 long; divide"),
        (np.zeros((1, DIMENSION), dtype=complex), "real numbers"),
        ([["a"] * DIMENSION], "real numbers"),
        ([[1.0], [1.0, 2.0]], "array of numbers"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_vectors_that_are_not_unit_float_rows_of_the_dimension_are_refused_everywhere(
    kind: str, x: Any, message: str
) -> None:
    index = filled_index(kind)
    for act in (lambda: index.add([1], x), lambda: index.search(x, 1), lambda: create_index(kind, DIMENSION).train(x)):
        with pytest.raises(InvalidInputError, match=message) as caught:
            act()
        assert "\n" not in str(caught.value)
    assert len(index) == 40


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([-1, 1], "0 or greater, and -1 is not"),
        ([1], "equally many, not 1 and 2"),
        ([[1, 2]], "shape"),
        ([1.0, 2.0], "whole numbers"),
        ([True, False], "whole numbers"),
        (["1", "2"], "whole numbers"),
        (np.array([1, 2**63], dtype=np.uint64), "fit int64"),
        ([1, 2**70], "whole numbers"),
    ],
)
def test_ids_that_are_not_whole_numbers_from_0_are_refused(ids: Any, message: str) -> None:
    index = filled_index("flat")
    with pytest.raises(InvalidInputError, match=message):
        index.add(ids, directions(2))
    assert len(index) == 40


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_given_twice_or_present_is_refused_and_nothing_of_the_call_is_added(kind: str) -> None:
    index = filled_index(kind)
    with pytest.raises(DuplicateIdError, match="id 5 stands twice"):
        index.add([4, 5, 5], directions(3))
    with pytest.raises(DuplicateIdError, match="id 3 is in the index already"):
        index.add([4, 3], directions(2))
    assert 4 not in index.ids
    assert len(index) == 40


@pytest.mark.parametrize("k", [0, -1, 1.5, "3", None])
def test_k_is_a_whole_number_from_1(k: Any) -> None:
    with pytest.raises(InvalidInputError, match="k must be"):
        filled_index("flat").search(directions(1), k)


def test_what_converts_without_loss_is_accepted() -> None:
    index = create_index("flat", np.int64(2))  # type: ignore[arg-type]
    index.add([2**62], [[1, 0]])
    index.add(np.array([7], dtype=np.uint8), np.array([[0.0, 1.0]], order="F"))
    read_only = np.asfortranarray(directions(3, 2))
    read_only.setflags(write=False)
    index.add((1, 2, 3), read_only)
    index.add([], np.empty((0, 2)))
    assert index.ids.tolist() == [1, 2, 3, 7, 2**62]
    assert index.search([[0.0, 1.0]], np.int64(1))[1].shape == (1, 1)  # type: ignore[arg-type]


def test_the_ids_handed_out_cannot_be_changed() -> None:
    index = filled_index("flat")
    with pytest.raises(ValueError, match="read-only"):
        index.ids[0] = 9


def test_an_untrained_index_says_so() -> None:
    index = create_index("pq4", DIMENSION)
    assert not index.is_trained
    assert index.training_size == 256
    for act in (lambda: index.add([1], directions(1)), lambda: index.search(directions(1), 1)):
        with pytest.raises(UntrainedIndexError, match="call train with at least 256 vectors"):
            act()
    assert index.remove([1]) == 0


def test_training_pq_on_too_few_vectors_is_refused() -> None:
    index = create_index("pq4", DIMENSION)
    with pytest.raises(VectorIndexError, match="pq4 needs 256 vectors to train, got 255"):
        index.train(directions(255))
    assert not index.is_trained


@pytest.mark.parametrize("kind", ["opq4", "pq4", "pca8,fs4+pca12,sq6"])
def test_training_an_index_that_holds_vectors_is_refused(kind: str) -> None:
    index = filled_index(kind)
    before = index.search(directions(2), 3)
    with pytest.raises(VectorIndexError, match="holds 40 vectors: train it before the first is added"):
        index.train(directions(300))
    np.testing.assert_equal(index.search(directions(2), 3), before)


@pytest.mark.parametrize("kind", ["flat", "sq8"])
def test_training_what_learns_nothing_changes_nothing(kind: str) -> None:
    index = filled_index(kind)
    index.train(directions(1))
    assert len(index) == 40


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_says_what_it_is(kind: str) -> None:
    index = ready_index(kind)
    assert (index.kind, index.dimension, index.is_trained, len(index)) == (kind, DIMENSION, True, 0)
    assert repr(index) == f"<RowsIndex {kind}, dimension 16, 0 vectors>"
