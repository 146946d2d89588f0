"""How sharp a face is, and which way up."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facesearch.faces import Face, FaceDetector
from facesearch.faces.sharpness import sharpness
from facesearch.faces.turned import turned


@pytest.fixture(scope="module")
def photo(people_photos: Path) -> Image.Image:
    return Image.open(min(people_photos.glob("*/*.jpg"))).convert("RGB")


@pytest.fixture(scope="module")
def face(photo: Image.Image) -> Face:
    return FaceDetector().detect(np.asarray(photo))[0]


def test_blur_takes_sharpness_away(photo: Image.Image, face: Face) -> None:
    eyes = float(np.hypot(*(face.landmarks[1] - face.landmarks[0])))
    values = [
        sharpness(np.asarray(photo.filter(ImageFilter.GaussianBlur(share * eyes))), face)
        for share in (0, 0.05, 0.08, 0.12)
    ]
    assert values[0] > 0.9
    assert all(more > less for more, less in pairwise(values))
    assert values[-1] < 0.3


@pytest.mark.parametrize("light", [0.2, 0.5, 1.0])
def test_light_does_not_count(light: float, photo: Image.Image, face: Face) -> None:
    blurred = np.asarray(photo.filter(ImageFilter.GaussianBlur(6)))
    assert sharpness((blurred * light).astype(np.uint8), face) == pytest.approx(sharpness(blurred, face), abs=0.06)


def test_size_does_not_count(photo: Image.Image, face: Face) -> None:
    blurred = photo.filter(ImageFilter.GaussianBlur(6))
    large = Face(tuple(2 * side for side in face.box), face.score, face.landmarks * 2)  # type: ignore[arg-type]
    twice = np.asarray(blurred.resize((2 * photo.width, 2 * photo.height)))
    assert sharpness(twice, large) == pytest.approx(sharpness(np.asarray(blurred), face), abs=0.06)


@pytest.mark.parametrize("strength", [6, 20, 40])
def test_noise_does_not_make_a_blurred_face_sharp(strength: float, photo: Image.Image, face: Face) -> None:
    blurred = np.asarray(photo.filter(ImageFilter.GaussianBlur(10)), np.float64)
    noise = np.random.default_rng(1).normal(0, strength, blurred.shape)
    assert sharpness(np.clip(blurred + noise, 0, 255).astype(np.uint8), face) < 0.5


def test_noise_does_not_make_a_sharp_face_blurred(photo: Image.Image, face: Face) -> None:
    noise = np.random.default_rng(1).normal(0, 20, (photo.height, photo.width, 3))
    assert sharpness(np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8), face) > 0.9


def test_an_even_patch_has_no_sharpness(face: Face) -> None:
    assert sharpness(np.full((400, 400, 3), 90, np.uint8), face) == 0.0


def test_landmarks_in_one_place_have_no_sharpness(photo: Image.Image) -> None:
    broken = Face((0, 0, 10, 10), 0.9, np.zeros((5, 2), np.float32))
    assert sharpness(np.asarray(photo), broken) == 0.0


@pytest.mark.parametrize(("quarters", "said"), [(0, None), (1, "lies on its side"), (2, "is upside down")])
def test_a_face_that_is_not_sure_is_looked_at_turned(
    quarters: int, said: str | None, photo: Image.Image, face: Face
) -> None:
    pixels = np.ascontiguousarray(np.rot90(np.asarray(photo), quarters))
    x, y, width, height = face.box
    if quarters == 2:
        x, y = pixels.shape[1] - x - width, pixels.shape[0] - y - height
    elif quarters == 1:
        x, y, width, height = y, pixels.shape[0] - x - width, height, width
    doubtful = Face((x, y, width, height), 0.8, face.landmarks)
    assert turned(FaceDetector(), pixels, doubtful) == said


def test_a_sure_face_is_not_looked_at_again() -> None:
    class Untouched:
        def detect(self, *_: object) -> list[Face]:
            raise AssertionError

    sure = Face((0, 0, 50, 50), 0.999, np.zeros((5, 2), np.float32))
    assert turned(Untouched(), np.zeros((50, 50, 3), np.uint8), sure) is None  # type: ignore[arg-type]


def test_a_box_beyond_the_picture_is_looked_at_within_it() -> None:
    outside = Face((-300.0, -300.0, 60.0, 60.0), 0.8, np.zeros((5, 2), np.float32))
    assert turned(FaceDetector(), np.zeros((100, 100, 3), np.uint8), outside) is None
