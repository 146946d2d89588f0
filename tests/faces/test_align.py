"""Alignment: transforms recover what made them, crops show what they should and nothing that is not there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facesearch.errors import UsageError
from facesearch.faces.align import ARCFACE, CROPS, Crop, CropName, find_crop, similarity, warp
from facesearch.faces.face import Face

Points = npt.NDArray[np.float64]
RGB = npt.NDArray[np.uint8]


def transform(scale: float, angle: float, x: float, y: float) -> Points:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


def moved(points: Points, by: Points) -> Points:
    result: Points = points @ by[:, :2].T + by[:, 2]
    return result


def smooth_image(height: int, width: int) -> RGB:
    y, x = np.mgrid[:height, :width]
    planes = [127 + 100 * np.sin(x / 9 + k) * np.cos(y / 11 - k) for k in range(3)]
    return np.stack(planes, axis=2).round().astype(np.uint8)


numbers = st.floats(-300, 300)


@settings(deadline=None)
@given(
    scale=st.floats(0.05, 20),
    angle=st.floats(-np.pi, np.pi),
    x=numbers,
    y=numbers,
    seed=st.integers(0, 999),
    n=st.integers(2, 8),
)
def test_a_similarity_transform_is_recovered_exactly(
    scale: float, angle: float, x: float, y: float, seed: int, n: int
) -> None:
    points = np.random.default_rng(seed).uniform(0, 100, (n, 2))
    expected = transform(scale, angle, x, y)
    weights = np.random.default_rng(seed + 1).uniform(0.1, 1, n)
    np.testing.assert_allclose(similarity(points, moved(points, expected)), expected, atol=1e-6 * max(scale, 1))
    np.testing.assert_allclose(
        similarity(points, moved(points, expected), weights), expected, atol=1e-6 * max(scale, 1)
    )


def test_a_point_without_weight_does_not_count() -> None:
    expected = transform(1.5, 0.3, 4, -7)
    target = moved(ARCFACE, expected)
    target[2] += 50
    weights = np.array([1.0, 1.0, 0.0, 1.0, 1.0])
    np.testing.assert_allclose(similarity(ARCFACE, target, weights), expected, atol=1e-9)
    assert not np.allclose(similarity(ARCFACE, target), expected, atol=0.1)


def test_the_transform_has_the_least_squared_error() -> None:
    generator = np.random.default_rng(5)
    target = ARCFACE + generator.normal(0, 4, ARCFACE.shape)
    best = similarity(ARCFACE, target)
    least = ((moved(ARCFACE, best) - target) ** 2).sum()
    for _ in range(200):
        nearby = transform(*generator.normal([1, 0, 0, 0], [0.02, 0.02, 1, 1])) - transform(1, 0, 0, 0) + best
        assert ((moved(ARCFACE, nearby) - target) ** 2).sum() >= least


def test_mirrored_points_are_turned_and_never_mirrored() -> None:
    result = similarity(ARCFACE * [-1, 1], ARCFACE)
    assert np.linalg.det(result[:, :2]) > 0


@pytest.mark.parametrize(
    "points",
    [np.zeros((5, 2)), np.full((5, 2), 33.0), np.column_stack([np.arange(5.0), np.zeros(5)])],
    ids=["zero", "one place", "line"],
)
@pytest.mark.parametrize("crop", CROPS.values(), ids=lambda crop: crop.name)
def test_degenerate_landmarks_still_give_a_crop(points: Points, crop: Crop) -> None:
    assert np.isfinite(similarity(points, ARCFACE)).all()
    face = Face((10.0, 10.0, 30.0, 30.0), 0.9, points.astype(np.float32))
    assert crop.cut(smooth_image(60, 60), face).shape == (crop.size, crop.size, 3)


def test_the_identity_shows_the_image_itself() -> None:
    image = smooth_image(64, 64)
    assert np.array_equal(warp(image, transform(1, 0, 0, 0), 64), image)


def test_a_translation_moves_by_whole_pixels_and_is_black_outside() -> None:
    image = smooth_image(64, 64)
    image[image == 0] = 1
    crop = warp(image, transform(1, 0, 5, -3), 64)
    assert np.array_equal(crop[:61, 5:], image[3:, :59])
    assert not crop[:, :5].any()
    assert not crop[61:].any()


def test_parts_outside_of_the_image_are_black() -> None:
    white = np.full((40, 40, 3), 255, dtype=np.uint8)
    crop = warp(white, transform(1, 0, 30, 30), 100)
    assert (crop[31:69, 31:69] == 255).all()
    outside = crop.copy()
    outside[29:71, 29:71] = 0
    assert not outside.any()
    assert not warp(white, transform(1, 0, 500, 500), 100).any()


def test_a_quarter_turn_turns_the_pixels() -> None:
    image = smooth_image(50, 50)
    crop = warp(image, transform(1, np.pi / 2, 49, 0), 50)
    np.testing.assert_allclose(crop.astype(int), np.rot90(image, -1).astype(int), atol=1)


@pytest.mark.parametrize("offset", [0, 1])
def test_shrinking_to_a_quarter_averages_instead_of_aliasing(offset: int) -> None:
    y, x = np.mgrid[:400, :400]
    board = np.repeat((((x + y + offset) % 2) * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    crop = warp(board, transform(0.25, 0, 0, 0), 100)
    assert np.abs(crop[1:-1, 1:-1].astype(int) - 127).max() <= 1


@pytest.mark.parametrize("scale", [1.6, 0.7, 0.5, 0.34, 0.25, 0.12])
def test_scaling_keeps_everything_in_its_place(scale: float) -> None:
    y, x = np.mgrid[:200, :200]
    ramp = np.stack([x * 1.275, y * 1.275, x * 0], axis=2).round().astype(np.uint8)
    size = int(200 * scale)
    crop = warp(ramp, transform(scale, 0, 0, 0), size).astype(float)
    step = 1.275 / scale  # grey levels from one pixel of the crop to the next
    inner = slice(2, size - 2)
    expected = np.arange(size)[inner] * step - 0.25  # between rounding and cutting to whole numbers
    assert abs((crop[size // 2, inner, 0] - expected).mean()) < 0.35 + 0.1 * step
    assert abs((crop[inner, size // 2, 1] - expected).mean()) < 0.35 + 0.1 * step


@pytest.mark.parametrize("name, size", [("arcface", 112), ("mtcnn-margin", 160), ("dlib-chip", 150)])
@pytest.mark.parametrize(
    "x, y, side",
    [(80, 60, 50), (-20, -15, 60), (270, 200, 60), (-100, -80, 500), (150, 100, 3), (500, 500, 40), (-80, -80, 40)],
    ids=["inside", "over the corner", "over the other corner", "larger than all", "tiny", "beyond", "before"],
)
def test_crops_have_their_size_wherever_the_face_is(name: CropName, size: int, x: float, y: float, side: float) -> None:
    image = smooth_image(240, 300)
    landmarks = (ARCFACE / 112 * side + [x, y]).astype(np.float32)
    crop = CROPS[name].cut(image, Face((x, y, side, side), 0.99, landmarks))
    assert CROPS[name].size == size
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    assert crop.any() == (x + side > 0 and x < 300)


def test_the_arcface_crop_puts_the_landmarks_on_the_template() -> None:
    image = np.zeros((300, 300, 3), dtype=np.uint8)
    landmarks = moved(ARCFACE, transform(1.3, 0.2, 60, 40))
    for x, y in landmarks.round().astype(int):
        image[y - 2 : y + 3, x - 2 : x + 3] = 255
    crop = CROPS["arcface"].cut(image, Face((60.0, 60.0, 150.0, 150.0), 0.99, landmarks.astype(np.float32)))
    lit = crop[:, :, 0].astype(float)
    rows, columns = np.mgrid[:112, :112]
    for x, y in ARCFACE:
        near = lit * (np.hypot(columns - x, rows - y) < 6)
        centre = np.array([(near * columns).sum(), (near * rows).sum()]) / near.sum()
        np.testing.assert_allclose(centre, [x, y], atol=0.6)


def test_the_margin_crop_is_that_of_facenet_pytorch() -> None:
    image = smooth_image(200, 260)
    crop = CROPS["mtcnn-margin"].cut(image, Face((100.0, 50.0, 73.0, 100.0), 0.99, np.zeros((5, 2), np.float32)))
    # margin 14 of 160: 73 · 14 / 146 = 7 and 100 · 14 / 146 = 9.59 pixels, half of it on each side
    expected = Image.fromarray(image).crop((96, 45, 176, 154)).resize((160, 160), Image.Resampling.BILINEAR)
    assert np.array_equal(crop, np.asarray(expected))


def test_a_kind_of_crop_is_found_by_its_name_and_an_unknown_one_is_refused_naming_what_there_is() -> None:
    assert [find_crop(name) for name in CROPS] == list(CROPS.values())
    with pytest.raises(UsageError, match=r"no kind of crop is named 'square'; there are: arcface, mtcnn-margin, dlib"):
        find_crop("square")
