"""What the detector finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One detected face, in pixels of the image it was found in.

    box: left, top, width, height; may reach beyond the image. score: probability in [0, 1].
    landmarks: (5, 2) float32, x and y of the eye on the left side of the picture, the eye on its right side, the tip of
    the nose, the left and the right corner of the mouth. measures: what stages have found out about it, by name.
    """

    box: Box
    score: float
    landmarks: npt.NDArray[np.float32]
    measures: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def measured(self, **values: float) -> Face:
        """The same face with more measures."""
        return replace(self, measures=MappingProxyType({**self.measures, **values}))

    @property
    def size(self) -> float:
        """The geometric mean of the box's sides, in pixels."""
        return size(self.box)

    @property
    def eyes(self) -> float:
        """The inter-eye distance, in pixels."""
        left, right = self.landmarks[:2].astype(np.float64)
        return float(np.hypot(*(right - left)))

    def scaled(self, share: float) -> Face:
        """The same face in an image that is `share` times as large."""
        left, top, width, height = self.box
        box = (left * share, top * share, width * share, height * share)
        return replace(self, box=box, landmarks=self.landmarks * np.float32(share))


def size(box: Box) -> float:
    """The geometric mean of a box's sides, in pixels."""
    return float(np.sqrt(max(box[2], 0.0) * max(box[3], 0.0)))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    both = one[2] * one[3] + other[2] * other[3] - shared
    return shared / both if both > 0 else 0.0
