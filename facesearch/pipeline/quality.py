"""How likely a face is to be recognised, as one number, and what makes it hard.

The number is the probability that the face, searched for where an ordinary photo of the same person is enrolled,
reaches the encoder's default threshold. It is a logistic model of what is measured on the face and of what its template
says of itself: templates of faces that nobody could recognise lie together, whatever the cause (Deng et al.,
2106.04112), and a weight per component tells how near a template is to them. Learnt by scripts/fit_quality.py on
portraits made worse.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from facesearch.assets import read_asset
from facesearch.encoders import Encoder
from facesearch.faces import Face

Vector = npt.NDArray[np.float64]

Reason = Literal[
    "EXTREME_POSE",
    "LOW_SHARPNESS",
    "LOW_BRIGHTNESS",
    "LOW_CONTRAST",
    "LOW_CONFIDENCE",
    "SMALL_BOUNDING_BOX",
    "LOW_FACE_QUALITY",
]
"""What makes a face hard to recognise, in the words of Amazon Rekognition where it has some."""

POOR = 0.3
"""Faces of lower quality are not named by the usual profile."""
FAIR = 0.5
"""Faces of lower quality, more likely missed than found, are not enrolled by the usual profile. Probes are as they
come, but a photo to be enrolled can be taken again, and a poor one is taken for others photographed as poorly."""
GOOD = 0.7
"""Faces of lower quality are not enrolled by the strict profile."""

# at most 1 of 200 photos of UTKFace is beyond each of these, whatever the colour of the skin
_LEAST_SHARPNESS = 0.72
_LEAST_BRIGHTNESS = 0.16  # of white
_LEAST_CONTRAST = 0.05
_LEAST_CONFIDENCE = 0.98
_MOST_YAW = 0.35
_PITCH = (0.28, 0.8)
# and 1 of 1,000 of the portraits, as UTKFace is cut to one size and upright
_LEAST_EYES = 14.0  # pixels
_MOST_ROLL = 25.0  # degrees

# beyond these, a measure says nothing more
_ENOUGH_EYES = 60.0
_ENOUGH_CONTRAST = 0.16
_ENOUGH_BRIGHTNESS = 0.24
_FRONTAL_PITCH = 0.6
_FAR_ROLL = 60.0
_SURE = 1e-4


@dataclass(frozen=True, slots=True)
class Judged:
    """The quality of a face, 0 to 1, and what makes it hard to recognise; nothing where it is easy."""

    quality: float
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class QualityModel:
    """template: (d + 1,), one weight per component and a constant; empty for encoders it was not learnt for.

    weights: (m + 2,), for what the template says, for each of `observed`, and a constant.
    """

    template: Vector
    weights: Vector

    @classmethod
    def of(cls, encoder: Encoder) -> QualityModel:
        """The one for an encoder's model; for one without, that which looks at no template."""
        held = _shipped()
        return held.get(encoder.spec.model, held[GENERIC])

    def judge(self, face: Face, template: npt.NDArray[np.float32]) -> Judged:
        """The quality of a face by its measures and its template (d,) of unit length; 1 where the stage "quality" has
        not measured it."""
        if "sharpness" not in face.measures:
            return Judged(1.0)
        said = self.said(template[None])[0]
        quality = _logistic(float(np.concatenate([[said], observed(face), [1.0]]) @ self.weights))
        return Judged(quality, tuple(_reasons(face, quality)))

    def said(self, templates: npt.NDArray[np.float32]) -> Vector:
        """What templates (n, d) say of themselves, (n,): the log odds that such a face is recognised; 0 without."""
        if len(self.template) != templates.shape[1] + 1:
            return np.zeros(len(templates))
        said: Vector = templates.astype(np.float64) @ self.template[:-1] + self.template[-1]
        return said


GENERIC = "generic"
"""The name of the model for encoders that none was learnt for."""


OBSERVED = ("confidence", "sharpness", "eyes", "yaw", "pitch", "roll", "contrast", "brightness")
"""The names of what `observed` gives."""


def observed(face: Face) -> Vector:
    """What counts of a face's measures, (8,) float64, each where it says something; larger for better faces."""
    measures, confidence = face.measures, min(max(face.score, _SURE), 1 - _SURE)
    return np.array(
        [
            math.log(confidence / (1 - confidence)),
            measures["sharpness"],
            math.log(min(max(measures["eyes"], 1.0), _ENOUGH_EYES)),
            -min(measures["yaw"], 1.0),
            -min(abs(measures["pitch"] - _FRONTAL_PITCH), 1.0),
            -min(measures["roll"], _FAR_ROLL) / _FAR_ROLL,
            min(measures["contrast"], _ENOUGH_CONTRAST) / _ENOUGH_CONTRAST,
            min(measures["brightness"], _ENOUGH_BRIGHTNESS) / _ENOUGH_BRIGHTNESS,
        ]
    )


def _reasons(face: Face, quality: float) -> list[Reason]:
    measures = face.measures
    low, high = _PITCH
    found: dict[Reason, bool] = {
        "EXTREME_POSE": measures["yaw"] > _MOST_YAW
        or measures["roll"] > _MOST_ROLL
        or not low <= measures["pitch"] <= high,
        "LOW_SHARPNESS": measures["sharpness"] < _LEAST_SHARPNESS,
        "LOW_BRIGHTNESS": measures["brightness"] < _LEAST_BRIGHTNESS,
        "LOW_CONTRAST": measures["contrast"] < _LEAST_CONTRAST,
        "LOW_CONFIDENCE": face.score < _LEAST_CONFIDENCE,
        "SMALL_BOUNDING_BOX": measures["eyes"] < _LEAST_EYES,
    }
    reasons = [reason for reason, holds in found.items() if holds]
    return reasons or (["LOW_FACE_QUALITY"] if quality < GOOD else [])


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(min(value, 700.0), -700.0)))


@cache
def _shipped() -> dict[str, QualityModel]:
    with np.load(io.BytesIO(read_asset("quality")), allow_pickle=False) as held:
        arrays = {name: np.asarray(held[name], np.float64) for name in held.files}
    models = {name.partition("/")[0] for name in arrays}
    return {model: QualityModel(arrays[f"{model}/template"], arrays[f"{model}/weights"]) for model in models}
