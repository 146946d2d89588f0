"""Photos made worse on purpose: the same each time, as much as asked, and still photos."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from facesearch.evaluation.degradations import STRENGTHS, Degradation, Kind
from facesearch.faces import Face, FaceDetector
from facesearch.faces.sharpness import sharpness

Pixels = npt.NDArray[np.uint8]
KINDS: tuple[Kind, ...] = get_args(Kind)


@pytest.fixture(scope="module")
def image(people_photos: Path) -> Pixels:
    return np.asarray(Image.open(min(people_photos.glob("*/*.jpg"))).convert("RGB"))


def face_of(image: Pixels, eyes: float = 80.0) -> Face:
    """A face in the middle of a photo."""
    middle = np.array([image.shape[1] / 2, image.shape[0] / 2])
    landmarks = middle + eyes * np.array([[-0.5, -0.4], [0.5, -0.4], [0, 0], [-0.4, 0.5], [0.4, 0.5]])
    left, top = middle - 1.25 * eyes
    return Face((left, top, 2.5 * eyes, 2.5 * eyes), 0.99, landmarks.astype(np.float32))


def worse(image: Pixels, kind: Kind, share: float, seed: int = 0) -> Pixels:
    strength = Degradation.between(kind, share)
    return Degradation(kind, strength)(image, face_of(image), np.random.default_rng(seed))


def difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_photo(kind: Kind, image: Pixels) -> None:
    assert np.array_equal(worse(image, kind, 0.5), worse(image, kind, 0.5))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "turned"])
def test_the_stronger_the_further_from_the_photo(kind: Kind, image: Pixels) -> None:
    found = [worse(image, kind, share) for share in (0.0, 0.5, 1.0)]
    assert all(each.shape == image.shape and each.dtype == np.uint8 for each in found)
    distances = [difference(image, each) for each in found]
    assert distances == sorted(distances)
    assert 0 < distances[0] < distances[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_photo_given_stays_as_it_is(kind: Kind, image: Pixels) -> None:
    before = image.copy()
    worse(image, kind, 1.0)
    assert np.array_equal(image, before)


def test_blur_and_smallness_take_sharpness_away(image: Pixels) -> None:
    (face, *_) = FaceDetector().detect(image)
    for kind in ("blur", "small"):
        assert sharpness(worse(image, kind, 1.0), face) < 0.5 < sharpness(image, face)


def test_dark_photos_have_noise_of_their_own(image: Pixels) -> None:
    one, other = (worse(image, "dark", 0.5, seed) for seed in (0, 1))
    assert one.mean() < image.mean() / 4
    assert not np.array_equal(one, other)


def test_turned_photos_are_whole_and_turn_either_way(image: Pixels) -> None:
    found = {worse(image, "turned", 0.2, seed).tobytes() for seed in range(8)}
    assert len(found) == 2
    assert worse(image, "turned", 0.5).shape[0] > image.shape[0]


def test_draws_are_of_all_kinds_between_least_and_most() -> None:
    generator = np.random.default_rng(3)
    drawn = [Degradation.drawn(generator) for _ in range(200)]
    assert {each.kind for each in drawn} == set(KINDS)
    for each in drawn:
        low, high = sorted(STRENGTHS[each.kind])
        assert low <= each.strength <= high


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 90, 3)])
def test_tiny_photos(kind: Kind, shape: tuple[int, int, int]) -> None:
    found = worse(np.full(shape, 200, np.uint8), kind, 1.0)
    assert found.ndim == 3
    assert found.dtype == np.uint8


def test_a_face_smaller_than_asked_for_is_not_enlarged(image: Pixels) -> None:
    few = Degradation("small", 100.0)(image, face_of(image, 20.0), np.random.default_rng(0))
    assert difference(image, few) < 1


def test_movement_blurs_along_one_line(image: Pixels) -> None:
    (face, *_) = FaceDetector().detect(image)
    for seed in range(4):
        moved = Degradation("motion", 0.6)(image, face, np.random.default_rng(seed))
        assert sharpness(moved, face) < 0.5


def test_large_photos_become_as_bad_as_small_ones(image: Pixels) -> None:
    large = np.asarray(Image.fromarray(image).resize((image.shape[1] * 2, image.shape[0] * 2)))
    for kind in ("motion", "noise", "jpeg"):
        way = Degradation(kind, Degradation.between(kind, 0.7))
        once, twice = (
            way(photo, face_of(photo, eyes), np.random.default_rng(1)) for photo, eyes in ((image, 80), (large, 160))
        )
        small = np.asarray(Image.fromarray(twice).resize(image.shape[1::-1], Image.Resampling.BOX))
        assert difference(small, once) < difference(image, once) / 4


def test_what_is_covered_is_of_one_colour_and_within_the_face(image: Pixels) -> None:
    face = face_of(image)
    changed = np.any(Degradation("covered", 0.4)(image, face, np.random.default_rng(5)) != image, axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    share = (np.ptp(rows) + 1) * (np.ptp(columns) + 1) / (face.box[2] * face.box[3])
    assert share == pytest.approx(0.4, abs=0.03)
    assert face.box[0] - 1 <= columns[0] and columns[-1] <= face.box[0] + face.box[2]
