"""Which of several faces a photo is of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from facesearch.errors import NoFaceError, SeveralFacesError
from facesearch.faces.face import Face

_SURE = 0.9  # a weaker detection does not make a photo ambiguous
_RIVAL = 0.7  # a face this prominent, relative to the most prominent one, might be meant as well


def prominence(face: Face, height: int, width: int) -> float:
    """Size in pixels, less towards the edges of a photo (height, width): people put their subject in the middle.

    size · exp(−2 r²), r the distance of the face's centre from the photo's in units of its sides: 1 in the middle,
    0.61 in the middle of an edge.
    """
    x, y, w, h = face.box
    distance = math.hypot((x + w / 2) / width - 0.5, (y + h / 2) / height - 0.5)
    return face.size * math.exp(-2 * distance * distance)


def most_prominent(faces: Sequence[Face], height: int, width: int) -> Face:
    """The face that a photo is most likely of; raises `NoFaceError` if there is none."""
    if not faces:
        raise NoFaceError("no face found")
    return max(faces, key=lambda face: prominence(face, height, width))


def clear_subject(faces: Sequence[Face], height: int, width: int) -> Face:
    """The face that a photo is clearly of; raises `SeveralFacesError` where another one might be meant as well."""
    best = most_prominent(faces, height, width)
    least = _RIVAL * prominence(best, height, width)
    rivals = [face for face in faces if face.score >= _SURE and prominence(face, height, width) >= least]
    if len(rivals) > 1:
        raise SeveralFacesError(f"{len(rivals)} faces of similar size, none clearly the subject: crop the photo to one")
    return best
