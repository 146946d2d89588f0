"""What is measured on the faces of a photo, stage by stage.

stage = find_stage("quality")
faces = stage(image, faces)          # the same faces, each with one more measure
faces[0].measures["quality"]         # 0.93
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facesearch.errors import UsageError
from facesearch.faces.face import Face

QUALITY = "quality"
_GOOD_SIZE = 112.0  # pixels; larger faces add nothing to a template


class FaceStage(Protocol):
    """Measures faces. Safe to share between threads; the same photo gives the same measures."""

    def __call__(self, image: npt.NDArray[np.uint8], faces: Sequence[Face]) -> list[Face]:
        """image (h, w, 3) uint8 RGB and the faces in it -> the same faces, in their order, with more measures."""
        ...


class QualityStage:
    """`quality` in 0..1: how sure the detector is, less for a face smaller than what encoders are given."""

    def __call__(self, image: npt.NDArray[np.uint8], faces: Sequence[Face]) -> list[Face]:
        return [face.measured(quality=face.score * min(1.0, face.size / _GOOD_SIZE)) for face in faces]


STAGES: dict[str, type[FaceStage]] = {QUALITY: QualityStage}
"""Every stage by name: a new one is a class and a line here."""


def find_stage(name: str) -> FaceStage:
    """The stage of that name; raises `UsageError`."""
    if name not in STAGES:
        raise UsageError(f"no stage is named '{name}'; there are: {', '.join(STAGES)}")
    return STAGES[name]()
