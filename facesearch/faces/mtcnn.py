"""MTCNN: boxes, probabilities and five landmarks from pixels.

Zhang, Zhang, Li, Qiao: Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks (2016).
Three networks: the first looks at every place of an image pyramid, the second and the third refine what it proposes.
The weights and all conventions of rounding are those of facenet-pytorch, so that the same faces are found; what differs
is the work spent on them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.assets import read_asset
from facesearch.faces.area import AreaSampler
from facesearch.faces.boxes import Boxes, best, refine, square, suppress
from facesearch.inference.onnx_session import open_session

LEAST_FACE = 12  # pixels: what the first network looks at
LAST_CROP = 48  # pixels: what the last network looks at

_STRIDE = 2  # of the first network
_CROP = 24  # what the second network looks at
_BATCHES = (0, 512, 128)  # crops looked at at once, by stage: what bounds memory
_STRIP = 32  # rows of the first network's answer
# What is looked at again in one image: ten times what a photo of a crowd has, and no more in a picture made for it.
_MOST_PLACES = 20_000  # of one level
_MOST_PROPOSALS = 10_000
_MOST_REFINED = 4_000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least face probability after each of the three stages."""

    proposal: float = 0.6
    refinement: float = 0.7
    output: float = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """n faces: boxes (n, 4) left, top, right, bottom; scores (n,); landmarks (n, 5, 2) x and y. All float32, pixels."""

    boxes: Boxes
    scores: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]


_Answer = tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]  # places (2, n) x and y, what is said of them (5, n)


class Mtcnn:
    """The cascade. Safe to share between threads; `threads` is what one call may use (0 = all cores)."""

    def __init__(self, *, threads: int = 0, scale_factor: float = 0.709, thresholds: Thresholds | None = None) -> None:
        self._factor = scale_factor
        self._thresholds = thresholds or Thresholds()
        count = threads or os.cpu_count() or 1
        # Strips of the pyramid keep all cores busy better than the threads of one operator.
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="mtcnn") if count > 1 else None
        self._stages = [
            open_session(read_asset(name), threads=1 if name == "pnet" else threads)
            for name in ("pnet", "rnet", "onet")
        ]

    def search(self, image: npt.NDArray[np.uint8], min_face: float) -> Detections:
        """The faces of at least `min_face` pixels in `image` (h, w, 3) uint8 RGB, best score first."""
        sampler = AreaSampler(image)
        boxes = self._propose(sampler, max(min_face, LEAST_FACE))
        boxes = self._refine(sampler, boxes)
        return self._finish(sampler, boxes)

    def _propose(self, sampler: AreaSampler, min_face: float) -> Boxes:
        scales = []
        scale = LEAST_FACE / min_face
        shorter = min(sampler.height, sampler.width) * scale
        while shorter >= LEAST_FACE:
            scales.append(scale)
            scale, shorter = scale * self._factor, shorter * self._factor
        levels = [(int(sampler.height * scale + 1), int(sampler.width * scale + 1)) for scale in scales]
        found = [np.zeros((0, 9), dtype=np.float32)]
        for (places, out), scale in zip(self._scan(sampler, levels), scales, strict=True):
            found.append(_candidates(places, out, scale))
        rows = np.concatenate(found)  # (n, 9): box, probability, offsets
        rows = rows[best(rows[:, 4], _MOST_PROPOSALS)]
        rows = rows[suppress(rows[:, :4], rows[:, 4], 0.7)]
        return square(refine(rows[:, :4], rows[:, 5:], margin=0))

    def _scan(self, sampler: AreaSampler, levels: Sequence[tuple[int, int]]) -> list[_Answer]:
        """What the first network says of the likely places of the levels (height, width).

        Levels are made and looked at in strips, which stay in the processor's cache and are shared among the threads.
        """
        strips = []
        for number, (height, width) in enumerate(levels):
            total = (height - 1) // 2 - 4  # rows of the answer: each looks at 12 rows, every 2 rows
            for start in range(0, total, _STRIP):
                end = min(start + _STRIP, total)
                rows = slice(_STRIDE * start, height if end == total else _STRIDE * end + LEAST_FACE - _STRIDE)
                strips.append((number, height, width, rows))
        proposal = self._thresholds.proposal
        least = math.log(proposal / (1 - proposal))

        def look(strip: tuple[int, int, int, slice]) -> _Answer:
            _, height, width, rows = strip
            (out,) = self._stages[0].run(None, {"image": sampler.shrink(height, width, rows)[None]})
            y, x = np.nonzero(out[0, 0] >= least)
            return np.stack([x, y + rows.start // _STRIDE]), out[0][:, y, x]

        answers = list(self._pool.map(look, strips) if self._pool else map(look, strips))
        return [
            (np.concatenate([p for p, _ in of_level], axis=1), np.concatenate([out for _, out in of_level], axis=1))
            for number in range(len(levels))
            for of_level in [[answer for strip, answer in zip(strips, answers, strict=True) if strip[0] == number]]
        ]

    def _refine(self, sampler: AreaSampler, boxes: Boxes) -> Boxes:
        boxes, out = self._look(1, sampler, boxes, _CROP)
        scores = _probability(out[:, 0])
        good = np.flatnonzero(scores > self._thresholds.refinement)
        good = good[best(scores[good], _MOST_REFINED)]
        boxes, scores, offsets = boxes[good], scores[good], out[good, 1:5]
        keep = suppress(boxes, scores, 0.7)
        return square(refine(boxes[keep], offsets[keep]))

    def _finish(self, sampler: AreaSampler, boxes: Boxes) -> Detections:
        boxes, out = self._look(2, sampler, boxes, LAST_CROP)
        scores = _probability(out[:, 0])
        # Backwards: of saturated scores, which are equal, the reference keeps the last one here, not the first.
        good = np.flatnonzero(scores > self._thresholds.output)[::-1]
        boxes, scores, out = boxes[good], scores[good], out[good]
        size = boxes[:, 2:] - boxes[:, :2] + 1  # (n, 2)
        points = np.stack([out[:, 5:10], out[:, 10:15]], axis=2)  # (n, 5, 2)
        landmarks = points * size[:, None, :] + boxes[:, None, :2] - 1
        boxes = refine(boxes, out[:, 1:5])
        keep = suppress(boxes, scores, 0.7, over="smaller", margin=1)
        return Detections(boxes[keep], scores[keep], landmarks[keep])

    def _look(self, stage: int, sampler: AreaSampler, boxes: Boxes, size: int) -> tuple[Boxes, npt.NDArray[np.float32]]:
        """Run a later stage on crops: the boxes that lie inside the image and the network's rows for them."""
        rows = [np.zeros((0, 15 if stage == 2 else 5), dtype=np.float32)]
        kept = [np.zeros((0, 4), dtype=np.float32)]
        for start in range(0, len(boxes), _BATCHES[stage]):
            some = boxes[start : start + _BATCHES[stage]]
            crops, inside = sampler.crops(some, size)
            if len(crops):
                rows.append(self._stages[stage].run(None, {"image": crops})[0])
                kept.append(some[inside])
        return np.concatenate(kept), np.concatenate(rows)


def _probability(logit: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The logistic function, in float32 as the reference computes it: ties of saturated scores decide what survives."""
    one = np.float32(1)
    probability: npt.NDArray[np.float32] = one / (one + np.exp(-np.maximum(logit, np.float32(-80))))
    return probability


def _candidates(places: npt.NDArray[np.intp], out: npt.NDArray[np.float32], scale: float) -> npt.NDArray[np.float32]:
    """What the first network proposes at one level: (n, 9) box, probability, offsets, without overlaps above 0.5."""
    likely = best(out[0], _MOST_PLACES)
    places, out = places[:, likely], out[:, likely]
    grid = places.T.astype(np.float32) * _STRIDE  # (n, 2)
    first = np.floor((grid + 1) / np.float32(scale))
    last = np.floor((grid + LEAST_FACE) / np.float32(scale))
    scores = _probability(out[0])
    rows = np.concatenate([first, last, scores[:, None], out[1:].T], axis=1)
    return rows[suppress(rows[:, :4], scores, 0.5)]
