"""Detection: every face once, nothing where there is none, the same answer at every size and from every thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from facesearch.faces import Face, FaceDetector
from facesearch.faces.area import AreaSampler
from facesearch.faces.boxes import Boxes
from facesearch.faces.mtcnn import Detections, Mtcnn, Thresholds
from facesearch.faces.windows import Window
from facesearch.photos.decoding import load_image
from facesearch.workshop.sample_people import draw_people, group_photo

RGB = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(threads=1)


@pytest.fixture(scope="module")
def photos(people_photos: Path) -> list[RGB]:
    return [load_image(path) for path in sorted(people_photos.glob("*/*.jpg"))]


@pytest.fixture(scope="module")
def portrait(photos: list[RGB], detector: FaceDetector) -> tuple[RGB, Face]:
    """A photo and the one face in it."""
    for photo in photos:
        faces = detector.detect(photo)
        if len(faces) == 1:
            return photo, faces[0]
    raise AssertionError("no photo with one face")


def resized(image: RGB, factor: float) -> RGB:
    height, width = image.shape[:2]
    size = (round(width * factor), round(height * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def same(one: list[Face], other: list[Face]) -> bool:
    return len(one) == len(other) and all(
        a.box == b.box and a.score == b.score and np.array_equal(a.landmarks, b.landmarks)
        for a, b in zip(one, other, strict=True)
    )


def test_exactly_one_face_is_found_in_photos_of_one_person(photos: list[RGB], detector: FaceDetector) -> None:
    counts = [len(detector.detect(photo)) for photo in photos]
    assert counts.count(1) >= 0.95 * len(counts)


def test_the_landmarks_lie_in_the_box_in_their_places(portrait: tuple[RGB, Face]) -> None:
    _, face = portrait
    x, y, w, h = face.box
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert ((face.landmarks > [x, y]) & (face.landmarks < [x + w, y + h])).all()
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert 0.7 <= face.score <= 1
    assert face.landmarks.dtype == np.float32


def test_every_face_of_a_group_is_found_largest_first(detector: FaceDetector) -> None:
    faces = detector.detect(group_photo(draw_people(3), dominant=1))
    assert len(faces) == 3
    assert [face.size for face in faces] == sorted((face.size for face in faces), reverse=True)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((200, 300, 3), np.uint8),
        np.full((200, 300, 3), 255, np.uint8),
        np.random.default_rng(4).integers(0, 256, (240, 320, 3), dtype=np.uint8),
        np.zeros((10, 10, 3), np.uint8),
        np.zeros((10, 2000, 3), np.uint8),
    ],
    ids=["black", "white", "noise", "tiny", "strip"],
)
def test_no_face_is_found_where_there_is_none(image: RGB, detector: FaceDetector) -> None:
    assert detector.detect(image, min_face=20) == []


def test_faces_below_the_smallest_size_are_left_out(portrait: tuple[RGB, Face], detector: FaceDetector) -> None:
    photo, face = portrait
    assert len(detector.detect(photo, min_face=int(face.size * 0.6))) == 1
    assert detector.detect(photo, min_face=int(face.size * 2.5)) == []
    small = resized(photo, 18 / face.size)
    assert FaceDetector(threads=1).detect(small) == []
    assert len(FaceDetector(12, threads=1).detect(small)) == 1


def test_a_smallest_face_below_what_the_network_sees_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 12 pixels"):
        FaceDetector(11)


@pytest.mark.parametrize("min_face", [40, 100, 200, 400])
def test_a_large_photo_gives_the_same_face_with_a_larger_smallest_face(
    portrait: tuple[RGB, Face], detector: FaceDetector, min_face: int
) -> None:
    photo, face = portrait
    factor = 3000 / max(photo.shape)
    (found,) = detector.detect(resized(photo, factor), min_face=min_face)
    tolerance = 0.05 * face.size  # MTCNN itself moves by some percent from scale to scale
    np.testing.assert_allclose(np.array(found.box) / factor, face.box, atol=2 * tolerance)
    np.testing.assert_allclose(found.landmarks / factor, face.landmarks, atol=tolerance)


@pytest.mark.parametrize("min_face, tolerance", [(100, 0.01), (400, 0.05)])
def test_searching_a_reduced_photo_finds_the_face_of_the_full_one(
    portrait: tuple[RGB, Face], detector: FaceDetector, min_face: int, tolerance: float
) -> None:
    large = resized(portrait[0], 3000 / max(portrait[0].shape))
    full = Mtcnn(threads=1).search(large, min_face)
    (reduced,) = detector.detect(large, min_face=min_face)
    x, y, w, h = reduced.box
    np.testing.assert_allclose([x, y, x + w, y + h], full.boxes[0], atol=tolerance * reduced.size)
    np.testing.assert_allclose(reduced.landmarks, full.landmarks[0], atol=tolerance * reduced.size)


def test_photos_beyond_the_pixel_limit_are_searched_at_a_fraction(
    portrait: tuple[RGB, Face], detector: FaceDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []
    search = Mtcnn.search

    def noted(self: Mtcnn, image: RGB, min_face: float) -> Detections:
        searched.append(image.size // 3)
        return search(self, image, min_face)

    monkeypatch.setattr(Mtcnn, "search", noted)
    photo, face = portrait
    factor = 5300 / max(photo.shape)
    large = resized(photo, factor)
    assert large.size // 3 > 24_000_000
    (found,) = detector.detect(large, min_face=90)
    assert searched and max(searched) <= 24_000_000
    np.testing.assert_allclose(found.landmarks / factor, face.landmarks, atol=0.05 * face.size)


def test_landmarks_of_a_tight_crop_are_those_of_the_whole_photo(photos: list[RGB], detector: FaceDetector) -> None:
    with_frame: list[float] = []
    without: list[float] = []
    for photo in photos:
        faces = detector.detect(photo)
        if len(faces) != 1:
            continue
        size, landmarks = faces[0].size, faces[0].landmarks
        left, top = (max(int(value), 0) for value in landmarks.min(0) - 0.2 * size)
        right, bottom = (int(value) for value in landmarks.max(0) + 0.2 * size)
        tight = np.ascontiguousarray(photo[top:bottom, left:right])
        expected = landmarks - np.array([left, top], dtype=np.float32)
        for found, errors in (
            (detector.detect(tight), with_frame),
            (detector._search(tight, Window(0, 0, right - left, bottom - top), 40), without),
        ):
            errors.append(float(np.abs(found[0].landmarks - expected).max()) / size if found else 1.0)
    assert len(with_frame) >= 30
    assert np.quantile(with_frame, 0.9) < 0.06
    assert np.median(with_frame) < 0.03
    assert np.median(without) > 0.1  # the reason for searching again with a frame; drop that if this is ever mended


@pytest.mark.parametrize("height", [12, 13, 74, 75, 76, 77, 139, 140, 141, 300])
def test_looking_at_strips_says_what_looking_at_the_whole_says(height: int) -> None:
    mtcnn = Mtcnn(threads=1, thresholds=Thresholds(proposal=0.01))
    image = np.random.default_rng(height).integers(0, 256, (height, 60, 3), dtype=np.uint8)
    sampler = AreaSampler(image)
    (whole,) = mtcnn._stages[0].run(None, {"image": sampler.shrink(height, 60)[None]})
    ((places, answers),) = mtcnn._scan(sampler, [(height, 60)])
    likely = np.argwhere(whole[0, 0] >= np.log(0.01 / 0.99))
    assert np.array_equal(places[::-1].T, likely)
    np.testing.assert_allclose(answers, whole[0][:, places[1], places[0]], atol=1e-5)


def test_threads_sharing_a_detector_get_the_same_faces(photos: list[RGB], detector: FaceDetector) -> None:
    some = photos[:8]
    expected = [detector.detect(photo) for photo in some]
    with ThreadPoolExecutor(4) as pool:
        for faces, index in zip(pool.map(detector.detect, some * 3), [*range(8)] * 3, strict=True):
            assert same(faces, expected[index])


def test_a_mosaic_of_faces_is_searched_within_bounds(
    portrait: tuple[RGB, Face], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    look = Mtcnn._look

    def noted(self: Mtcnn, stage: int, sampler: AreaSampler, boxes: Boxes, size: int) -> Any:
        looked.append(len(boxes))
        return look(self, stage, sampler, boxes, size)

    monkeypatch.setattr(Mtcnn, "_look", noted)
    monkeypatch.setattr("facesearch.faces.mtcnn._MOST_PROPOSALS", 300)
    monkeypatch.setattr("facesearch.faces.mtcnn._MOST_REFINED", 40)
    photo, face = portrait
    tile = resized(photo, 20 / face.size)
    found = Mtcnn(threads=1).search(np.tile(tile, (12, 12, 1)), 12)
    assert looked[0] == 300
    assert len(found.scores) <= looked[1] <= 40
