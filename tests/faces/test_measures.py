"""What the stage "quality" measures of a face: its light and its pose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from facesearch.faces import Face, FaceDetector, find_stage

Pixels = npt.NDArray[np.uint8]

NAMES = {"sharpness", "brightness", "contrast", "unevenness", "eyes", "roll", "yaw", "pitch"}


@pytest.fixture(scope="module")
def image(people_photos: Path) -> Pixels:
    return np.asarray(Image.open(min(people_photos.glob("*/*.jpg"))).convert("RGB"))


@pytest.fixture(scope="module")
def face(image: Pixels) -> Face:
    return FaceDetector().detect(image)[0]


def measured(image: Pixels, face: Face) -> dict[str, float]:
    return dict(find_stage("quality")(image, [face])[0].measures)


def moved(face: Face, point: int, by: tuple[float, float]) -> Face:
    landmarks = face.landmarks.copy()
    landmarks[point] += by
    return Face(face.box, face.score, landmarks)


def test_each_measure_has_its_name(image: Pixels, face: Face) -> None:
    assert measured(image, face).keys() == NAMES


def test_a_darker_photo_is_less_bright_and_has_less_contrast(image: Pixels, face: Face) -> None:
    before, after = measured(image, face), measured((image * 0.25).astype(np.uint8), face)
    assert after["brightness"] == pytest.approx(before["brightness"] / 4, abs=0.01)
    assert after["contrast"] == pytest.approx(before["contrast"] / 4, abs=0.01)
    assert after["yaw"] == before["yaw"]


def test_light_from_one_side_is_uneven(image: Pixels, face: Face) -> None:
    lit = image.astype(np.float32)
    lit[:, : int(face.landmarks[2, 0])] *= 0.3
    assert measured(image, face)["unevenness"] < 0.15
    assert measured(lit.astype(np.uint8), face)["unevenness"] > 0.4


def test_eyes_are_measured_in_pixels(image: Pixels, face: Face) -> None:
    distance = float(np.hypot(*(face.landmarks[1] - face.landmarks[0])))
    assert measured(image, face)["eyes"] == pytest.approx(distance)


@pytest.mark.parametrize("degrees", [0, 20, -20, 90, 180])
def test_a_turned_head_rolls(degrees: float, image: Pixels) -> None:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    upright = np.array([[-20, 0], [20, 0], [0, 20], [-15, 40], [15, 40]])
    found = measured(image, Face((0, 0, 100, 100), 1.0, (upright @ turn + 100).astype(np.float32)))
    assert found["roll"] == pytest.approx(abs(degrees), abs=0.1)
    assert found["yaw"] == pytest.approx(0, abs=1e-6)
    assert found["pitch"] == pytest.approx(0.5, abs=1e-6)


def test_a_nose_to_the_side_is_yaw_and_a_low_one_pitch(image: Pixels, face: Face) -> None:
    before = measured(image, face)
    eyes = before["eyes"]
    assert measured(image, moved(face, 2, (0.5 * eyes, 0)))["yaw"] > before["yaw"] + 0.3
    assert measured(image, moved(face, 2, (0, 0.4 * eyes)))["pitch"] > before["pitch"] + 0.2


def test_landmarks_in_one_place_are_measured_all_the_same(image: Pixels) -> None:
    found = measured(image, Face((0, 0, 10, 10), 0.9, np.zeros((5, 2), np.float32)))
    assert np.isfinite(list(found.values())).all()
    assert found["sharpness"] == found["eyes"] == 0


def test_a_face_outside_of_the_picture(image: Pixels, face: Face) -> None:
    outside = Face(face.box, face.score, face.landmarks + 10_000)
    assert np.isfinite(list(measured(image, outside).values())).all()
