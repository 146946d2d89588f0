"""Faces that the usual scales pass over."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.errors import TinyFaceError
from facesearch.faces import Face, FaceDetector
from facesearch.pipeline.finding import find_faces


class Passing(FaceDetector):
    """Finds nothing at the usual scales, and one face of a given side in a search for smaller ones."""

    def __init__(self, side: float) -> None:
        self.min_face = 40
        self._side = side

    def detect(self, image: npt.NDArray[np.uint8], min_face: int | None = None) -> list[Face]:
        if min_face is None:
            return []
        return [Face((0.0, 0.0, self._side, self._side), 0.99, np.zeros((5, 2), np.float32))]


PIXELS = np.zeros((300, 300, 3), np.uint8)


def test_a_large_face_that_was_passed_over_is_taken() -> None:
    (face,) = find_faces(Passing(245.0), PIXELS)
    assert face.size == 245


def test_a_small_face_is_still_said_to_be_too_small() -> None:
    with pytest.raises(TinyFaceError, match="only 39 pixels wide, at least 40"):
        find_faces(Passing(39.5), PIXELS)
