"""Faces in photos: what MTCNN finds, with the needless work and its blind spot at the border taken away."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from facesearch.faces.face import Face
from facesearch.faces.mtcnn import LAST_CROP, LEAST_FACE, Detections, Mtcnn

DEFAULT_MIN_FACE = 40  # pixels; smaller faces carry too little for a template

_MAX_PIXELS = 24_000_000  # larger images are searched at a fraction of their size: bounds memory
# MTCNN distorts faces that reach beyond the picture, as in tight crops: its landmarks are off by a tenth of the face.
# They are looked for once more with a grey frame around the picture.
_BEYOND = 0.1  # of the face's longer side
_FRAME = 0.3  # of the picture's longer side
_GREY = 127  # zero to the networks


class FaceDetector:
    """Finds faces in RGB images. Safe to share between threads; `threads` is what one call may use (0 = all cores).

    min_face: the side, in pixels of the image given, of the smallest face to look for; at least 12.
    """

    def __init__(self, min_face: int = DEFAULT_MIN_FACE, *, threads: int = 0) -> None:
        if min_face < LEAST_FACE:
            raise ValueError(f"min_face is {min_face}, the detector needs at least {LEAST_FACE} pixels")
        self.min_face = min_face
        self._mtcnn = Mtcnn(threads=threads)

    def detect(self, image: npt.NDArray[np.uint8], min_face: int | None = None) -> list[Face]:
        """The faces in `image` (h, w, 3) uint8 RGB, largest first; empty if there is none.

        min_face: another smallest face for this image.
        """
        least = min_face or self.min_face
        faces = self._search(image, least)
        height, width = image.shape[:2]
        if not faces or any(_beyond(face, height, width) > _BEYOND for face in faces):
            border = round(_FRAME * max(height, width))
            framed = np.pad(image, ((border, border), (border, border), (0, 0)), constant_values=_GREY)
            found = [_moved(face, -border) for face in self._search(framed, least)]
            faces = [_corrected(face, found, height, width) for face in faces] if faces else found
        return sorted(faces, key=lambda face: -face.size)

    def _search(self, image: npt.NDArray[np.uint8], min_face: int) -> list[Face]:
        height, width = image.shape[:2]
        # More of the smallest face than what the last network looks at is needless work.
        reduction = max(min_face // LAST_CROP, math.ceil(math.sqrt(height * width / _MAX_PIXELS)))
        if reduction > 1:
            image = np.asarray(Image.fromarray(image).reduce(reduction))
        return _faces(self._mtcnn.search(image, min_face / reduction), reduction)


def _faces(found: Detections, scale: int) -> list[Face]:
    faces = []
    for box, score, landmarks in zip(found.boxes * scale, found.scores, found.landmarks * scale, strict=True):
        left, top, right, bottom = (float(value) for value in box)
        faces.append(Face((left, top, right - left, bottom - top), float(score), landmarks))
    return faces


def _beyond(face: Face, height: int, width: int) -> float:
    """How far the face reaches beyond the picture, as a fraction of its longer side."""
    x, y, w, h = face.box
    return max(-x, -y, x + w - width, y + h - height) / max(w, h)


def _moved(face: Face, by: float) -> Face:
    x, y, w, h = face.box
    return Face((x + by, y + by, w, h), face.score, face.landmarks + np.float32(by))


def _corrected(face: Face, found: list[Face], height: int, width: int) -> Face:
    """The face with the landmarks of the one `found` in the same place with a frame around the picture."""
    if _beyond(face, height, width) <= _BEYOND:
        return face
    best = max(found, key=lambda other: _overlap(face, other), default=None)
    if best is None or _overlap(face, best) < 0.3:
        return face
    return Face(face.box, face.score, best.landmarks)


def _overlap(one: Face, other: Face) -> float:
    """Intersection over union of the two boxes."""
    x0, y0 = max(one.box[0], other.box[0]), max(one.box[1], other.box[1])
    x1 = min(one.box[0] + one.box[2], other.box[0] + other.box[2])
    y1 = min(one.box[1] + one.box[3], other.box[1] + other.box[3])
    shared = max(x1 - x0, 0.0) * max(y1 - y0, 0.0)
    return shared / (one.size**2 + other.size**2 - shared)
