"""Crops -> templates with the embedded default."""

from __future__ import annotations

import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.encoders import Encoder, load_encoder
from facesearch.errors import EncoderMismatchError
from facesearch.faces import CROPS, FaceDetector
from facesearch.photos.decoding import load_image

Chips = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(threads=1)


@pytest.fixture(scope="module")
def chips(people_photos: Path) -> Chips:
    """At least 40 chips of faces: real ones where they are at hand."""
    data = os.environ.get("FACESEARCH_TEST_DATA")
    real = sorted(Path(data, "utkface", "unlabelled").glob("*.jpg"))[:60] if data else []
    detector, found = FaceDetector(threads=1), []
    for path in [*real, *sorted(people_photos.glob("*/*.jpg"))]:
        image = load_image(path)
        faces = detector.detect(image)
        found += [CROPS["dlib-chip"].cut(image, face) for face in faces[:1]]
        found += [CROPS["dlib-chip"].cut(image[:, ::-1], face) for face in detector.detect(image[:, ::-1])[:1]]
        if len(found) >= 48:
            break
    assert len(found) >= 40
    return np.stack(found)


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
    templates = encoder.encode(np.zeros((0, 150, 150, 3), np.uint8))
    assert templates.shape == (0, 128)
    assert templates.dtype == np.float32


def test_a_crop_without_any_contrast_still_gives_a_template(encoder: Encoder) -> None:
    assert np.isfinite(encoder.encode(np.zeros((1, 150, 150, 3), np.uint8))).all()


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((1, 112, 112, 3), np.uint8),
        np.zeros((150, 150, 3), np.uint8),
        np.zeros((1, 3, 150, 150), np.uint8),
        np.zeros((1, 150, 150, 4), np.uint8),
        np.zeros((1, 150, 150, 3), np.float32),
    ],
    ids=["another size", "no batch", "channels first", "four channels", "float"],
)
def test_crops_that_the_model_was_not_trained_on_are_refused(encoder: Encoder, crops: Chips) -> None:
    with pytest.raises(EncoderMismatchError, match=r"takes crops \(n, 150, 150, 3\) uint8, got ") as caught:
        encoder.encode(crops)
    assert str(encoder.spec) in str(caught.value)


def test_threads_sharing_an_encoder_get_the_same_templates(encoder: Encoder, chips: Chips) -> None:
    batches = [chips[start : start + 6] for start in range(0, 24, 6)] * 3
    expected = [encoder.encode(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for found, templates in zip(pool.map(encoder.encode, batches), expected, strict=True):
            assert np.array_equal(found, templates)


def test_templates_are_those_of_dlib(encoder: Encoder, chips: Chips) -> None:
    dlib = pytest.importorskip("dlib")
    if importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip("needs face-recognition-models: pip install 'facesearch[torch]'")
    from scripts.dlib_dat import MODEL_FILE, models_folder

    network = dlib.face_recognition_model_v1(str(models_folder() / MODEL_FILE))
    expected = np.array([network.compute_face_descriptor(chip) for chip in chips])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    cosines = (encoder.encode(chips) * expected).sum(axis=1)
    assert len(cosines) >= 40
    assert cosines.min() >= 0.99999
