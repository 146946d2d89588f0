"""What is measured on the faces of a photo, stage by stage.

stage = find_stage("quality")
faces = stage(image, faces)          # the same faces, each with more measures
faces[0].measures["sharpness"]       # 0.93
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facesearch.errors import UsageError
from facesearch.faces.face import Face
from facesearch.faces.features import features
from facesearch.faces.sharpness import sharpness_of

QUALITY = "quality"

_HALF_TURN = 180.0  # degrees


class FaceStage(Protocol):
    """Measures faces. Safe to share between threads; the same photo gives the same measures."""

    def __call__(self, image: npt.NDArray[np.uint8], faces: Sequence[Face]) -> list[Face]:
        """image (h, w, 3) uint8 RGB and the faces in it -> the same faces, in their order, with more measures."""
        ...


class QualityStage:
    """What makes a face hard to recognise, as far as it shows without an encoder; names as in ISO/IEC 29794-5.

    eyes: inter-eye distance in pixels. sharpness: 1 or less, see `facesearch.faces.sharpness`. brightness, contrast:
    mean and standard deviation of its grey levels, 0 to 1. unevenness: by how much one half is lighter than the other,
    0 to 1. yaw: how far the nose is from the middle between the eyes, pitch: how far it is from the eyes on the way to
    the mouth, both as shares, 0 and about 0.6 from the front. roll: degrees that the line of the eyes is turned by.
    """

    def __call__(self, image: npt.NDArray[np.uint8], faces: Sequence[Face]) -> list[Face]:
        return [face.measured(**_light(image, face), **_pose(face)) for face in faces]


def _light(image: npt.NDArray[np.uint8], face: Face) -> Mapping[str, float]:
    grey = features(image, face)
    left, right = (float(half.mean()) for half in np.hsplit(grey, 2))
    return {
        "sharpness": sharpness_of(grey),
        "brightness": float(grey.mean()) / 255,
        "contrast": float(grey.std()) / 255,
        "unevenness": abs(left - right) / max(left + right, 1.0),
    }


def _pose(face: Face) -> Mapping[str, float]:
    """From the five landmarks, in the directions of the line of the eyes and across it."""
    left, right, nose, *corners = face.landmarks.astype(np.float64)
    along = (right - left) / max(face.eyes, 1e-6)
    across = np.array([-along[1], along[0]])
    middle, mouth = (left + right) / 2, (corners[0] + corners[1]) / 2
    return {
        "eyes": face.eyes,
        "roll": abs(math.atan2(along[1], along[0])) / math.pi * _HALF_TURN,
        "yaw": abs(float((nose - middle) @ along)) / max(face.eyes, 1e-6),
        "pitch": float((nose - middle) @ across) / max(float((mouth - middle) @ across), 1e-6),
    }


STAGES: dict[str, type[FaceStage]] = {QUALITY: QualityStage}
"""Every stage by name: a new one is a class and a line here."""


def find_stage(name: str) -> FaceStage:
    """The stage of that name; raises `UsageError`."""
    if name not in STAGES:
        raise UsageError(f"no stage is named '{name}'; there are: {', '.join(STAGES)}")
    return STAGES[name]()
