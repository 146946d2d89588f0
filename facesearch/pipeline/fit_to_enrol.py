"""Which faces are not enrolled though they are found: a poor template is taken for many other people's."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from facesearch.errors import PoorFaceError, UsageError
from facesearch.faces import Face, FaceDetector
from facesearch.faces.turned import turned
from facesearch.pipeline.quality import FAIR, GOOD, POOR, Judged
from facesearch.text.figures import floored

Quality = Literal["off", "standard", "strict"]
"""What a face has to be like to be enrolled: anything; neither turned, blurred beyond recognition nor otherwise poor;
or good enough to serve for years. With the last two, poor probes are not named."""

LEAST: dict[Quality, float] = {"off": 0.0, "standard": FAIR, "strict": GOOD}
"""The lowest quality that each of them enrols."""

LEAST_SHARPNESS = 0.5
"""The less sharp faces are, the less they are like sharp photos of their people and the more like each other."""


def quality_profile(name: str) -> Quality:
    """The profile of that name; raises `UsageError`."""
    for known in get_args(Quality):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise UsageError(f"no profile of quality is named '{name}'; there are: {', '.join(get_args(Quality))}")


def too_poor(judged: Judged, quality: Quality) -> bool:
    """Whether a probe is not to be named."""
    return quality != "off" and judged.quality < POOR


def check_upright(detector: FaceDetector, image: npt.NDArray[np.uint8], face: Face, quality: Quality) -> None:
    """Raises `PoorFaceError` for a face in pixels (h, w, 3) that is upside down or on its side."""
    if quality != "off" and (way := turned(detector, image, face)) is not None:
        raise PoorFaceError(f"the face {way}: turn the photo, or enrol it as it is (--quality off) (EXTREME_POSE)")


def doubt(face: Face, judged: Judged, quality: Quality) -> str | None:
    """What speaks against enrolling a face, though it may be; None: nothing.

    Raises `PoorFaceError`, with the reason, for a face that should not be enrolled.
    """
    if quality == "off":
        return None
    told = f"quality {floored(judged.quality)} ({', '.join(judged.reasons)})"
    if (sharpness := face.measures.get("sharpness", 1.0)) < LEAST_SHARPNESS:
        raise PoorFaceError(
            f"the face is too blurred, or enlarged from too few pixels: sharpness {floored(sharpness)}, at least "
            f"{LEAST_SHARPNESS:.2f} is needed (--quality off enrols it) (LOW_SHARPNESS)"
        )
    if judged.quality < LEAST[quality]:
        lenient = "off" if judged.quality < FAIR else "standard"
        raise PoorFaceError(
            f"the face is too poor to be recognised by: at least {LEAST[quality]:.2f} is needed (--quality {lenient} "
            f"enrols it): {told}"
        )
    if "LOW_SHARPNESS" in judged.reasons:
        if quality == "strict":
            raise PoorFaceError(f"the face is somewhat blurred (--quality standard enrols it): {told}")
        return f"somewhat blurred: sharpness {floored(sharpness)}, {told}"
    return None
