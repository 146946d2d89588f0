"""Faces in photos: what MTCNN finds, with the needless work and its blind spot at the border taken away."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from facesearch.faces.face import Face, overlap
from facesearch.faces.mtcnn import LAST_CROP, LEAST_FACE, Detections, Mtcnn
from facesearch.faces.windows import Window

DEFAULT_MIN_FACE = 40  # pixels; smaller faces carry too little for a template

_MAX_PIXELS = 24_000_000  # larger images are searched at a fraction of their size: bounds memory
# MTCNN distorts faces that reach beyond the picture, as in tight crops: its landmarks are off by a tenth of the face.
# They are looked for once more with a grey frame around the picture, or what of it is near the face.
_BEYOND = 0.1  # of the face's longer side
_FRAME = 0.3  # of the picture's longer side, of its shorter one where it is long
# Panoramas and tall screenshots are searched in overlapping parts of about their shorter side.
_LONG = 4  # times the shorter side
_PART = 4096  # pixels, if that is more
_SHARED = 1.5  # of the shorter side, by two parts: more than the largest face
_NEAR = 1.0  # from the centre of the face, in units of its longer side
_SAME = 0.4  # of the union of two boxes: they are of the same face


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
        height, width = image.shape[:2]
        whole = Window(0, 0, width, height)
        faces = self._search(image, whole, least)
        if not faces:
            shorter, longer = sorted((height, width))
            border = round(_FRAME * (shorter if longer > _LONG * shorter else longer))
            faces = self._search(image, whole.grown(border), least)
        else:
            faces = [self._corrected(image, face) if _beyond(face, height, width) > _BEYOND else face for face in faces]
        return sorted(faces, key=lambda face: -face.size)

    def _corrected(self, image: npt.NDArray[np.uint8], face: Face) -> Face:
        """The face with the landmarks of the one found in the same place with a frame around the picture."""
        x, y, w, h = face.box
        side = max(w, h)
        left, top = round(x + w / 2 - _NEAR * side), round(y + h / 2 - _NEAR * side)
        size = round(2 * _NEAR * side)
        found = self._search(image, Window(left, top, left + size, top + size), max(LEAST_FACE, int(side / 3)))
        best = max(found, key=lambda other: overlap(face.box, other.box), default=None)
        if best is None or overlap(face.box, best.box) < 0.3:
            return face
        return Face(face.box, face.score, best.landmarks)

    def _search(self, image: npt.NDArray[np.uint8], window: Window, min_face: int) -> list[Face]:
        """The faces in a window that may reach beyond the image, in the image's coordinates."""
        # More of the smallest face than what the last network looks at is needless work.
        reduction = max(min_face // LAST_CROP, math.ceil(math.sqrt(window.height * window.width / _MAX_PIXELS)), 1)
        shorter, longer = sorted((window.height, window.width))
        parts = [window]
        if longer > _LONG * shorter and longer > _PART:
            parts = list(window.parts(max(_PART, _LONG * shorter), math.ceil(_SHARED * shorter)))
        faces: list[Face] = []
        for part in parts:
            found = _faces(self._mtcnn.search(part.of(image, reduction), min_face / reduction), reduction)
            moved = [_moved(face, part.left, part.top) for face in found]
            faces += [face for face in moved if not _is_cut(face, part, window)]
        return faces if len(parts) == 1 else _once(faces)


def _is_cut(face: Face, part: Window, window: Window) -> bool:
    """Whether the face reaches beyond the part of a window that it was found in, into what another part shows whole."""
    x, y, w, h = face.box
    return (
        (x < part.left and part.left > window.left)
        or (y < part.top and part.top > window.top)
        or (x + w > part.right and part.right < window.right)
        or (y + h > part.bottom and part.bottom < window.bottom)
    )


def _once(faces: list[Face]) -> list[Face]:
    """Faces that several parts of a picture show, each once: the one that is found with most certainty."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(overlap(face.box, other.box) < _SAME for other in kept):
            kept.append(face)
    return kept


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


def _moved(face: Face, right: int, down: int) -> Face:
    x, y, w, h = face.box
    landmarks = face.landmarks + np.array([right, down], dtype=np.float32)
    return Face((x + right, y + down, w, h), face.score, landmarks)
