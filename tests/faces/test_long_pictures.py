"""Panoramas, tall screenshots and strips: every face once, within bounds of memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from facesearch.faces import Face, FaceDetector
from facesearch.faces.mtcnn import Detections, Mtcnn
from facesearch.faces.windows import Window
from facesearch.photos.decoding import load_image
from facesearch.workshop.sample_people import draw_people, write_photos

RGB = npt.NDArray[np.uint8]

FACES = 8


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(threads=1)


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> list[RGB]:
    paths = write_photos(tmp_path_factory.mktemp("people"), draw_people(FACES), 1)
    squares = [Image.fromarray(load_image(path)).resize((600, 600)) for path in paths]
    return [np.asarray(square) for square in squares]


def strip(portraits: list[RGB], width: int, first: int = 300) -> tuple[RGB, list[int]]:
    """The portraits side by side in a picture of a given width, and where the centre of each is."""
    picture = np.full((600, width, 3), 120, np.uint8)
    centres = [round(place) for place in np.linspace(first, width - first, len(portraits))]
    for portrait, centre in zip(portraits, centres, strict=True):
        picture[:, centre - 300 : centre + 300] = portrait
    return picture, centres


def places(faces: list[Face], axis: int) -> list[int]:
    return sorted(round(face.box[axis] + face.box[axis + 2] / 2) for face in faces)


@pytest.mark.parametrize("width", [7200, 7501, 15_000])
def test_every_face_of_a_panorama_is_found_once(portraits: list[RGB], detector: FaceDetector, width: int) -> None:
    picture, centres = strip(portraits, width)
    np.testing.assert_allclose(places(detector.detect(picture), 0), centres, atol=60)


def test_every_face_of_a_tall_screenshot_is_found_once(portraits: list[RGB], detector: FaceDetector) -> None:
    picture, centres = strip(portraits, 7200)
    tall = np.ascontiguousarray(np.concatenate([picture[:, c - 300 : c + 300] for c in centres]))
    tall = np.pad(tall, ((2000, 300), (0, 0), (0, 0)), constant_values=255)
    expected = [2300 + 600 * number for number in range(FACES)]
    np.testing.assert_allclose(places(detector.detect(tall), 1), expected, atol=80)


@pytest.mark.parametrize("centre", [4096, 3646, 3196, 2746])
def test_a_face_where_two_parts_meet_is_found_once(portraits: list[RGB], detector: FaceDetector, centre: int) -> None:
    picture = np.full((600, 7200, 3), 120, np.uint8)
    picture[:, centre - 300 : centre + 300] = portraits[0]
    (face,) = detector.detect(picture)
    alone = max(detector.detect(portraits[0]), key=lambda other: other.size)
    np.testing.assert_allclose(face.landmarks[:, 0] - (centre - 300), alone.landmarks[:, 0], atol=0.06 * alone.size)


def test_parts_cover_a_window_and_overlap() -> None:
    window = Window(-10, -5, 1000, 95)
    parts = list(window.parts(400, 150))
    assert [(part.left, part.right) for part in parts] == [(-10, 390), (240, 640), (490, 890), (740, 1000)]
    assert {(part.top, part.bottom) for part in parts} == {(-5, 95)}
    assert list(window.parts(1010, 150)) == [window]


@pytest.mark.parametrize("reduction", [1, 2, 3])
def test_a_window_shows_the_picture_with_grey_around_it(reduction: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    framed = np.pad(image, ((7, 9), (7, 9), (0, 0)), constant_values=127)
    expected = np.asarray(Image.fromarray(framed).reduce(reduction))
    seen = Window(-7, -7, 49, 59).of(image, reduction)
    assert np.array_equal(seen, expected)


def test_a_window_that_is_reduced_in_bands_is_the_window_reduced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (101, 77, 3), dtype=np.uint8)
    expected = Window(-3, -9, 90, 107).of(image, 4)
    monkeypatch.setattr("facesearch.faces.windows._BAND", 1000)
    assert np.array_equal(Window(-3, -9, 90, 107).of(image, 4), expected)


@pytest.mark.parametrize("shape", [(10, 400_000), (50_000, 12), (20_000, 60)])
def test_a_strip_takes_memory_in_proportion_to_its_pixels(shape: tuple[int, int], detector: FaceDetector) -> None:
    image = np.full((*shape, 3), 120, np.uint8)
    tracemalloc.start()
    try:
        assert detector.detect(image) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100e6


def test_the_frame_of_a_tall_screenshot_is_as_wide_as_its_shorter_side_asks(
    detector: FaceDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[tuple[int, int]] = []

    def noted(self: Mtcnn, image: RGB, min_face: float) -> Detections:
        searched.append(image.shape[:2])
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))

    monkeypatch.setattr(Mtcnn, "search", noted)
    detector.detect(np.zeros((20_000, 1080, 3), np.uint8))
    assert max(height for height, _ in searched) <= 7000
    assert max(width for _, width in searched) <= 1080 * 1.6
    searched.clear()
    detector.detect(np.zeros((1080, 1920, 3), np.uint8))
    assert searched == [(1080, 1920), (1080 + 2 * 576, 1920 + 2 * 576)]
