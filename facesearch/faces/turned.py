"""Whether a face is upside down or lies on its side: detectors see faces in such photos, in the wrong place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from facesearch.faces.detect import FaceDetector
from facesearch.faces.face import Face

_SURE = 0.99  # so sure is the detector of 99 of 100 upright faces, and of 1 of 10 in photos upside down
_AROUND = 1.5  # of the longer side of the box: how far from its middle a face is looked for
_AS_LARGE = 0.6
_LONGEST = 1024  # pixels: what is seen of a photo on its side that long is enough to say so
_TURNS = {1: "lies on its side", 2: "is upside down", 3: "lies on its side"}  # quarters of a turn to the left


def turned(detector: FaceDetector, image: npt.NDArray[np.uint8], face: Face) -> str | None:
    """How a face in pixels (h, w, 3) is turned, in words; None where it is upright.

    Only a face that the detector is not sure of is looked at again, turned: it is what is found with more certainty.
    """
    if face.score >= _SURE:
        return None
    around = _around(image, face)
    best = (face.score, 0)
    for quarters in _TURNS:
        found = detector.detect(np.ascontiguousarray(np.rot90(around, quarters)))
        scores = [other.score for other in found if other.size > _AS_LARGE * face.size]
        best = max(best, (max(scores, default=0.0), quarters))
    return _TURNS.get(best[1])


def turned_alone(detector: FaceDetector, image: npt.NDArray[np.uint8]) -> str | None:
    """How the largest face in pixels (h, w, 3) that shows none as it is, is turned, in words; None where none is seen
    any way. Large photos are looked at smaller."""
    best = (0.0, 0)
    small = Image.fromarray(image)
    small.thumbnail((_LONGEST, _LONGEST))
    image = np.asarray(small)
    for quarters in _TURNS:
        found = detector.detect(np.ascontiguousarray(np.rot90(image, quarters)))
        sizes = [face.size for face in found if face.score >= _SURE and face.size >= detector.min_face]
        best = max(best, (max(sizes, default=0.0), quarters if sizes else 0))
    return _TURNS.get(best[1])


def _around(image: npt.NDArray[np.uint8], face: Face) -> npt.NDArray[np.uint8]:
    left, top, width, height = face.box
    reach = _AROUND * max(width, height)
    x, y = left + width / 2, top + height / 2
    rows = slice(max(0, int(y - reach)), max(0, int(y + reach)))
    columns = slice(max(0, int(x - reach)), max(0, int(x + reach)))
    return image[rows, columns]
