"""Crops of people who do not exist, to test, compare and calibrate encoders with where no photos are given."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from facesearch.faces import Face, FaceDetector, find_crop
from facesearch.workshop.sample_people import draw_people, take_photo
from facesearch.workshop.selftest import LabelledCrops

_PEOPLE = 8
_PHOTOS = 3
_TRIED = 5  # photos taken of a person, should no face be found on some
_SIDE = 240  # pixels


@lru_cache(maxsize=8)
def sample_crops(kind: str, size: int) -> LabelledCrops:
    """Crops of one kind, resized to `size` pixels, of synthetic people; always the same ones.

    Raises `UsageError` for an unknown kind of crop.
    """
    crop = find_crop(kind)
    crops, people = [], []
    for number, photo, face in _sample_faces():
        cut = Image.fromarray(crop.cut(photo, face))
        crops.append(np.asarray(cut.resize((size, size), Image.Resampling.BILINEAR)))
        people.append(number)
    return LabelledCrops(np.stack(crops), np.array(people))


@lru_cache(maxsize=1)
def _sample_faces() -> list[tuple[int, npt.NDArray[np.uint8], Face]]:
    """Number of a person, photo, face: a few photos of each of a few people."""
    detector = FaceDetector()
    found = []
    for number, person in enumerate(draw_people(_PEOPLE)):
        taken = 0
        for shot in range(_TRIED):
            photo = take_photo(person, shot, (_SIDE, _SIDE))
            faces = detector.detect(photo) if taken < _PHOTOS else []
            if faces:
                found.append((number, photo, max(faces, key=lambda face: face.score)))
                taken += 1
    return found
