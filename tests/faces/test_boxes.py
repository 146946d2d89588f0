"""Boxes: suppression keeps what the plain definition keeps; moves and squares are worked by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facesearch.faces.boxes import Boxes, Overlap, best, refine, square, suppress

Scores = npt.NDArray[np.float32]


def naive(boxes: Boxes, scores: Scores, threshold: float, over: Overlap, margin: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        for j in kept:
            width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0]) + margin
            height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1]) + margin
            shared = max(width, 0.0) * max(height, 0.0)
            areas = [(boxes[k, 2] - boxes[k, 0] + margin) * (boxes[k, 3] - boxes[k, 1] + margin) for k in (i, j)]
            if shared / (min(areas) if over == "smaller" else sum(areas) - shared) > threshold:
                break
        else:
            kept.append(i)
    return kept


def random_boxes(seed: int, n: int, extent: int) -> tuple[Boxes, Scores]:
    generator = np.random.default_rng(seed)
    corners, sides = generator.integers(0, extent, (n, 2)), generator.integers(1, 25, (n, 2))
    scores = generator.integers(0, n + 1, n) / np.float32(n + 1)  # with ties
    return np.hstack([corners, corners + sides]).astype(np.float32), scores.astype(np.float32)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 50),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
    over=st.sampled_from(["union", "smaller"]),
    margin=st.sampled_from([0.0, 1.0]),
)
def test_suppression_keeps_what_the_naive_one_keeps(
    seed: int, n: int, threshold: float, over: Overlap, margin: float
) -> None:
    boxes, scores = random_boxes(seed, n, extent=40)
    assert suppress(boxes, scores, threshold, over, margin).tolist() == naive(boxes, scores, threshold, over, margin)


@pytest.mark.parametrize("over", ["union", "smaller"])
def test_suppression_of_thousands_of_boxes_keeps_what_the_naive_one_keeps(over: Overlap) -> None:
    boxes, scores = random_boxes(3, 1500, extent=90)
    assert suppress(boxes, scores, 0.5, over).tolist() == naive(boxes, scores, 0.5, over, 0.0)


def test_of_equal_boxes_the_first_of_the_best_is_kept() -> None:
    boxes = np.tile(np.array([[2, 2, 9, 9]], dtype=np.float32), (4, 1))
    assert suppress(boxes, np.array([0.8, 0.9, 0.9, 0.1], dtype=np.float32), 0.5).tolist() == [1]


def test_a_small_box_inside_a_large_one_goes_by_the_smaller_area_alone() -> None:
    boxes = np.array([[0, 0, 100, 100], [10, 10, 20, 20]], dtype=np.float32)
    scores = np.array([0.9, 0.8], dtype=np.float32)
    assert suppress(boxes, scores, 0.7).tolist() == [0, 1]
    assert suppress(boxes, scores, 0.7, over="smaller").tolist() == [0]


def test_square_grows_the_shorter_side_about_the_centre() -> None:
    boxes = np.array([[10, 20, 30, 60], [0, 0, 8, 2], [1, 1, 5, 5]], dtype=np.float32)
    assert square(boxes).tolist() == [[0, 20, 40, 60], [0, -3, 8, 5], [1, 1, 5, 5]]


def test_refine_moves_each_side_in_units_of_the_inclusive_size() -> None:
    boxes = np.array([[10, 20, 19, 39]], dtype=np.float32)  # 10 by 20 pixels
    offsets = np.array([[0.1, -0.1, 0.5, 0.25]], dtype=np.float32)
    np.testing.assert_allclose(refine(boxes, offsets), [[11, 18, 24, 44]], rtol=1e-6)
    np.testing.assert_allclose(refine(boxes, offsets, margin=0), [[10.9, 18.1, 23.5, 43.75]], rtol=1e-6)


def test_no_boxes_are_no_trouble() -> None:
    none = np.zeros((0, 4), dtype=np.float32)
    assert suppress(none, np.zeros(0, dtype=np.float32), 0.5).tolist() == []
    assert square(none).shape == refine(none, none).shape == (0, 4)


def test_the_best_scores_keep_their_order_and_of_equal_ones_the_first_stay() -> None:
    scores = np.array([0.5, 0.9, 0.5, 0.1, 0.7, 0.5], np.float32)
    assert best(scores, 4).tolist() == [0, 1, 2, 4]
    assert best(scores, 6).tolist() == best(scores, 9).tolist() == [0, 1, 2, 3, 4, 5]
