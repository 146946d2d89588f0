"""Boxes as arrays (n, 4) float32: left, top, right, bottom. Pure functions."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
Overlap = Literal["union", "smaller"]

_BLOCK = 1 << 20  # entries of the overlap matrix held at once
_FEWEST = 16  # rows of it


def suppress(
    boxes: Boxes, scores: npt.NDArray[np.float32], threshold: float, over: Overlap = "union", margin: float = 0.0
) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression: the indices kept, best score first, ties in their order.

    A box goes when its intersection with a better, kept one is more than `threshold` of their union (or of the smaller
    of the two). `margin` is added to each side length: 1 where right and bottom name the last pixel inside.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[npt.NDArray[np.intp]] = [order[:0]]
    while len(order):
        left, top, right, bottom = boxes[order].T
        area = (right - left + margin) * (bottom - top + margin)
        rows = slice(0, min(len(order), max(_BLOCK // len(order), _FEWEST)))
        width = np.minimum(right[rows, None], right) - np.maximum(left[rows, None], left) + margin
        height = np.minimum(bottom[rows, None], bottom) - np.maximum(top[rows, None], top) + margin
        shared = np.maximum(width, 0) * np.maximum(height, 0)  # (block, all)
        both = area[rows, None] + area - shared
        whole = both if over == "union" else np.minimum(area[rows, None], area)
        keeps = shared / whole <= threshold
        alive = np.ones(len(order), dtype=bool)
        for row in range(len(keeps)):
            if alive[row]:
                alive[row + 1 :] &= keeps[row, row + 1 :]
        kept.append(order[rows][alive[rows]])
        order = order[rows.stop :][alive[rows.stop :]]
    return np.concatenate(kept)


def square(boxes: Boxes) -> Boxes:
    """The boxes grown about their centres to squares of their longer side."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    side = np.maximum(width, height)
    left = boxes[:, 0] + width * 0.5 - side * 0.5
    top = boxes[:, 1] + height * 0.5 - side * 0.5
    return np.stack([left, top, left + side, top + side], axis=1)


def refine(boxes: Boxes, offsets: Boxes, margin: float = 1.0) -> Boxes:
    """The boxes moved by a network's `offsets`, in units of their width and height (plus `margin`)."""
    width, height = boxes[:, 2] - boxes[:, 0] + margin, boxes[:, 3] - boxes[:, 1] + margin
    return boxes + offsets * np.stack([width, height, width, height], axis=1)


def best(scores: npt.NDArray[np.float32], most: int) -> npt.NDArray[np.intp]:
    """The indices, ascending, of the `most` best of scores (n,); of all where there are no more."""
    if len(scores) <= most:
        return np.arange(len(scores))
    return np.sort(np.argsort(-scores, kind="stable")[:most])
