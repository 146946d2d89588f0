"""Crops -> templates with the embedded default."""

from __future__ import annotations

import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.encoders import Encoder, load_encoder
from facesearch.errors import EncoderMismatchError
from facesearch.faces import Face, FaceDetector, find_crop
from facesearch.photos.decoding import load_image

Chips = npt.NDArray[np.uint8]


@pytest.fixture(scope="module", params=["mobilefacenet", "dlib-resnet"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return load_encoder(request.param, threads=1)


@pytest.fixture(scope="module")
def faces(people_photos: Path) -> list[tuple[Chips, Face]]:
    """At least 40 faces, each with its photo: real ones where they are at hand."""
    data = os.environ.get("FACESEARCH_TEST_DATA")
    real = sorted(Path(data, "utkface", "unlabelled").glob("*.jpg"))[:60] if data else []
    detector, found = FaceDetector(threads=1), []
    for path in [*real, *sorted(people_photos.glob("*/*.jpg"))]:
        image = load_image(path)
        for seen in (image, image[:, ::-1]):
            found += [(seen, face) for face in detector.detect(seen)[:1]]
        if len(found) >= 48:
            break
    assert len(found) >= 40
    return found


@pytest.fixture(scope="module")
def chips(encoder: Encoder, faces: list[tuple[Chips, Face]]) -> Chips:
    """Their crops, as the encoder wants them."""
    return np.stack([find_crop(encoder.crop).cut(image, face) for image, face in faces])


def test_templates_are_float32_of_unit_length(encoder: Encoder, chips: Chips) -> None:
    templates = encoder.encode(chips)
    assert templates.shape == (len(chips), encoder.dimension)
    assert templates.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(templates, axis=1), 1, atol=1e-6)


def test_a_template_does_not_depend_on_what_is_encoded_with_it(encoder: Encoder, chips: Chips) -> None:
    together = encoder.encode(chips)  # more than one batch
    alone = np.concatenate([encoder.encode(chip[None]) for chip in chips])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(chips[::-1])[::-1], together, atol=1e-5)


def test_no_crops_give_no_templates(encoder: Encoder) -> None:
    side = encoder.crop_size
    templates = encoder.encode(np.zeros((0, side, side, 3), np.uint8))
    assert templates.shape == (0, encoder.dimension)
    assert templates.dtype == np.float32


def test_a_crop_without_any_contrast_still_gives_a_template(encoder: Encoder) -> None:
    assert np.isfinite(encoder.encode(np.zeros((1, encoder.crop_size, encoder.crop_size, 3), np.uint8))).all()


@pytest.mark.parametrize(
    ("larger", "shape", "kind"),
    [
        (1, (1, 0, 0, 3), np.uint8),
        (0, (0, 0, 3), np.uint8),
        (0, (1, 3, 0, 0), np.uint8),
        (0, (1, 0, 0, 4), np.uint8),
        (0, (1, 0, 0, 3), np.float32),
    ],
    ids=["another size", "no batch", "channels first", "four channels", "float"],
)
def test_crops_that_the_model_was_not_trained_on_are_refused(
    encoder: Encoder, larger: int, shape: tuple[int, ...], kind: type
) -> None:
    side = encoder.crop_size
    crops: npt.NDArray[Any] = np.zeros([length or side + larger for length in shape], kind)
    with pytest.raises(EncoderMismatchError, match=rf"takes crops \(n, {side}, {side}, 3\) uint8, got ") as caught:
        encoder.encode(crops)
    assert str(encoder.spec) in str(caught.value)


def test_threads_sharing_an_encoder_get_the_same_templates(encoder: Encoder, chips: Chips) -> None:
    batches = [chips[start : start + 6] for start in range(0, 24, 6)] * 3
    expected = [encoder.encode(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for found, templates in zip(pool.map(encoder.encode, batches), expected, strict=True):
            assert np.array_equal(found, templates)


def test_templates_are_those_of_dlib(faces: list[tuple[Chips, Face]]) -> None:
    dlib = pytest.importorskip("dlib")
    if importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip("needs face-recognition-models: pip install 'facesearch[torch]'")
    from scripts.dlib_dat import MODEL_FILE, models_folder

    encoder = load_encoder("dlib-resnet", threads=1)
    chips = np.stack([find_crop(encoder.crop).cut(image, face) for image, face in faces])
    network = dlib.face_recognition_model_v1(str(models_folder() / MODEL_FILE))
    expected = np.array([network.compute_face_descriptor(chip) for chip in chips])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    cosines = (encoder.encode(chips) * expected).sum(axis=1)
    assert len(cosines) >= 40
    assert cosines.min() >= 0.99999
