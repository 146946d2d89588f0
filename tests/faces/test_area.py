"""Area averages: every output pixel is the plain mean of its window, however large that is."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facesearch.faces.area import AreaSampler

Image = npt.NDArray[np.uint8]


def random_image(seed: int, height: int, width: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def average_pooled(image: Image, height: int, width: int) -> npt.NDArray[np.float64]:
    """Adaptive average pooling by its definition: (3, height, width)."""
    h, w, _ = image.shape
    pooled = np.empty((3, height, width))
    for i in range(height):
        rows = slice(math.floor(i * h / height), math.ceil((i + 1) * h / height))
        for j in range(width):
            columns = slice(math.floor(j * w / width), math.ceil((j + 1) * w / width))
            pooled[:, i, j] = image[rows, columns].reshape(-1, 3).astype(np.float64).mean(0)
    return pooled


sides = st.integers(1, 40)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 99), h=sides, w=sides, height=sides, width=sides)
def test_shrinking_is_adaptive_average_pooling(seed: int, h: int, w: int, height: int, width: int) -> None:
    image = random_image(seed, h, w)
    shrunk = AreaSampler(image).shrink(height, width)
    assert shrunk.shape == (3, height, width)
    assert shrunk.dtype == np.float32
    np.testing.assert_allclose(shrunk, average_pooled(image, height, width), atol=1e-3)


coordinates = st.integers(-15, 45)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 99),
    h=sides,
    w=sides,
    corners=st.lists(st.tuples(coordinates, coordinates, coordinates, coordinates), min_size=1, max_size=6),
    size=st.sampled_from([3, 24, 48]),
)
def test_crops_are_the_pooled_part_of_the_image_inside_the_box(
    seed: int, h: int, w: int, corners: list[tuple[int, int, int, int]], size: int
) -> None:
    image = random_image(seed, h, w)
    boxes = np.array(corners, dtype=np.float32) + np.float32(0.25)
    crops, inside = AreaSampler(image).crops(boxes, size)
    expected = []
    for index, (left, top, right, bottom) in enumerate(np.trunc(boxes).astype(int)):
        part = image[max(top, 1) - 1 : max(min(bottom, h), 0), max(left, 1) - 1 : max(min(right, w), 0)]
        assert inside[index] == (part.size > 0)
        if part.size:
            expected.append(average_pooled(part, size, size))
    assert crops.shape == (len(expected), 3, size, size)
    for crop, pooled in zip(crops, expected, strict=True):
        np.testing.assert_allclose(crop, pooled, atol=1e-3)


def test_sums_beyond_32_bits_do_not_matter() -> None:
    # 17 million white pixels sum to more than 2³²
    image = np.full((3400, 5000, 3), 255, dtype=np.uint8)
    image[3000:, 4500:] = 100
    shrunk = AreaSampler(image).shrink(34, 50)
    np.testing.assert_allclose(shrunk[:, :30, :45], 255, rtol=1e-6)
    np.testing.assert_allclose(shrunk[:, 30:, 45:], 100, rtol=1e-6)


@pytest.mark.parametrize(
    "h, w, height, width", [(57, 91, 24, 24), (333, 200, 109, 66), (7, 5, 24, 48), (640, 480, 71, 54)]
)
def test_it_agrees_with_the_interpolation_of_torch(h: int, w: int, height: int, width: int) -> None:
    torch = pytest.importorskip("torch")
    image = random_image(h, h, w)
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].float()

    def interpolated(*size: int) -> npt.NDArray[np.float32]:
        result: npt.NDArray[np.float32] = torch.nn.functional.interpolate(planes, size=size, mode="area")[0].numpy()
        return result

    sampler = AreaSampler(image)
    np.testing.assert_allclose(sampler.shrink(height, width), interpolated(height, width), atol=1e-3)
    crops, _ = sampler.crops(np.array([[1, 1, w, h]], dtype=np.float32), 24)
    np.testing.assert_allclose(crops[0], interpolated(24, 24), atol=1e-3)


def test_detection_loads_no_torch() -> None:
    code = "import sys, facesearch.faces; facesearch.faces.FaceDetector(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
