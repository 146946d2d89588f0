"""Boxes as arrays (n, 4) float32: left, top, right, bottom. Pure functions."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
Overlap = Literal["union", "smaller"]

_BLOCK = 1024  # rows of the overlap matrix held at once


def suppress(
    boxes: Boxes, scores: npt.NDArray[np.float32], threshold: float, over: Overlap = "union", margin: float = 0.0
) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression: the indices kept, best score first, ties in their order.

    A box goes when its intersection with a better, kept one is more than `threshold` of their union (or of the smaller
    of the two). `margin` is added to each side length: 1 where right and bottom name the last pixel inside.
    """
    order = np.argsort(-scores, kind="stable")
    left, top, right, bottom = boxes[order].T
    area = (right - left + margin) * (bottom - top + margin)
    alive = np.ones(len(order), dtype=bool)
    for start in range(0, len(order), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(order)))
        if not alive[rows].any():
            continue
        width = np.minimum(right[rows, None], right[start:]) - np.maximum(left[rows, None], left[start:]) + margin
        height = np.minimum(bottom[rows, None], bottom[start:]) - np.maximum(top[rows, None], top[start:]) + margin
        shared = np.maximum(width, 0) * np.maximum(height, 0)  # (block, rest)
        if over == "union":
            whole = area[rows, None] + area[start:] - shared
        else:
            whole = np.minimum(area[rows, None], area[start:])
        keeps = shared / whole <= threshold
        for row in range(keeps.shape[0]):
            if alive[start + row]:
                alive[start + row + 1 :] &= keeps[row, row + 1 :]
    return order[alive]


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
