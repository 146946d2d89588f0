"""Which faces are not enrolled though they are found: a poor template is taken for many other people's."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from facesearch.errors import PoorFaceError, UsageError
from facesearch.faces import Face, FaceDetector
from facesearch.faces.sharpness import sharpness
from facesearch.faces.turned import turned

Quality = Literal["off", "standard"]
"""What a face has to be like to be enrolled: anything, or neither turned nor blurred beyond recognition."""

LEAST_SHARPNESS = 0.5
"""The less sharp faces are, the less they are like sharp photos of their people and the more like each other."""

DOUBTFUL_SHARPNESS = 0.8
"""Such a face is enrolled, and named: 3 of 2,647 photos of LFW, 18 of 2,445 of UTKFace (docs/research/hygiene.md)."""


def quality_profile(name: str) -> Quality:
    """The profile of that name; raises `UsageError`."""
    for known in get_args(Quality):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise UsageError(f"no profile of quality is named '{name}'; there are: {', '.join(get_args(Quality))}")


def doubt(detector: FaceDetector, image: npt.NDArray[np.uint8], face: Face, quality: Quality) -> str | None:
    """What speaks against enrolling a face in pixels (h, w, 3), though it may be; None: nothing.

    Raises `PoorFaceError`, with the reason, for a face that should not be enrolled.
    """
    if quality == "off":
        return None
    if (way := turned(detector, image, face)) is not None:
        raise PoorFaceError(f"the face {way}: turn the photo (--quality off enrols it as it is)")
    if (sharp := sharpness(image, face)) < LEAST_SHARPNESS:
        raise PoorFaceError(
            f"the face is too blurred, or enlarged from too few pixels: sharpness {sharp:.2f}, at least "
            f"{LEAST_SHARPNESS:.2f} is needed (--quality off enrols it)"
        )
    return f"somewhat blurred: sharpness {sharp:.2f}" if sharp < DOUBTFUL_SHARPNESS else None
