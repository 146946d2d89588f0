"""One model, three backends: the same templates."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from facesearch.encoders import BACKENDS, load_encoder
from facesearch.errors import EncoderMismatchError, UsageError
from facesearch.workshop.model_import import ImportRequest, import_model

from .backend_samples import Pixels, cosines, sample

pytest.importorskip("torch")
pytest.importorskip("openvino")

from benchmarks.drawn_weights import drawn_checkpoint

OTHERS = [name for name in BACKENDS if name != "onnx"]
LARGE = os.environ.get("FACESEARCH_LARGE_MODELS")  # minutes and gigabytes


@pytest.mark.parametrize("model", ["mobilefacenet", "dlib-resnet"])
@pytest.mark.parametrize("backend", OTHERS)
def test_an_embedded_model_is_the_same_on_every_backend(backend: str, model: str) -> None:
    encoder, reference = load_encoder(f"{model}:fp32@{backend}"), load_encoder(model)
    crops = sample(encoder.crop, encoder.crop_size)
    assert cosines(encoder, reference, crops).min() >= 0.9999
    assert encoder.fingerprint == reference.fingerprint
    assert str(encoder.spec) == f"{model}:fp32@{backend}"


@pytest.mark.parametrize("backend", OTHERS)
def test_an_imported_model_is_the_same_on_every_backend(backend: str, edgeface: str, aligned: Pixels) -> None:
    assert cosines(load_encoder(f"{edgeface}@{backend}"), load_encoder(edgeface), aligned).min() >= 0.9999


@pytest.mark.parametrize("name", ["edgeface-xxs", "edgeface-xs"])
def test_a_trained_model_is_the_same_on_every_backend(name: str, trained_weights: Path, aligned: Pixels) -> None:
    path = trained_weights / f"{name.replace('-', '_')}.safetensors"
    import_model(path, ImportRequest(name, sampler=None, trusted=True))
    for backend in OTHERS:
        assert cosines(load_encoder(f"{name}@{backend}"), load_encoder(name), aligned).min() >= 0.9999


@pytest.mark.skipif(not LARGE, reason="takes minutes: set FACESEARCH_LARGE_MODELS=1")
@pytest.mark.parametrize("name", ["facenet-vggface2", "transface-s"])
def test_a_large_model_is_the_same_on_every_backend(name: str, tmp_path: Path) -> None:
    import_model(drawn_checkpoint(name, tmp_path), ImportRequest(name, sampler=None, trusted=True))
    reference = load_encoder(name)
    crops = sample(reference.crop, reference.crop_size)[:6]
    for backend in OTHERS:
        assert cosines(load_encoder(f"{name}@{backend}"), reference, crops).min() >= 0.9999


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_template_does_not_depend_on_the_rest_of_its_batch(backend: str, edgeface: str, aligned: Pixels) -> None:
    encoder = load_encoder(f"{edgeface}@{backend}", threads=1)
    crops = np.concatenate([aligned, aligned[::-1]])
    assert len(crops) > 32
    together = encoder.encode(crops)
    alone = np.concatenate([encoder.encode(crop[None]) for crop in aligned[:4]])
    np.testing.assert_allclose(together[:4], alone, atol=1e-5)
    np.testing.assert_allclose(together[: len(aligned)], together[len(aligned) :][::-1], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert together.dtype == np.float32


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("threads", [0, 1])
def test_several_threads_share_one_encoder(backend: str, threads: int, chips: Pixels) -> None:
    encoder = load_encoder(f"dlib-resnet@{backend}", threads=threads, warm_up=True)
    expected = encoder.encode(chips[:6])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: encoder.encode(chips[number % 6][None])[0], range(24)))
    np.testing.assert_allclose(np.stack(found), expected[np.arange(24) % 6], atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_templates_of_an_earlier_call_stay_as_they_are(backend: str, chips: Pixels) -> None:
    encoder = load_encoder(f"dlib-resnet@{backend}")
    first = encoder.encode(chips[:1])
    kept = first.copy()
    encoder.encode(chips[5:6])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("backend", BACKENDS)
def test_crops_of_any_layout_in_memory_give_the_same_and_are_not_written_to(backend: str, chips: Pixels) -> None:
    encoder = load_encoder(f"dlib-resnet@{backend}")
    crops = chips[:4].copy()
    expected = encoder.encode(crops)
    crops.setflags(write=False)
    np.testing.assert_allclose(encoder.encode(crops), expected, atol=1e-6)
    np.testing.assert_allclose(encoder.encode(crops[::2]), expected[::2], atol=1e-5)
    np.testing.assert_allclose(encoder.encode(np.asfortranarray(crops)), expected, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "crops",
    [np.zeros((1, 112, 112, 3), np.uint8), np.zeros((150, 150, 3), np.uint8), np.zeros((1, 150, 150, 3), np.float32)],
    ids=["another size", "no batch", "float"],
)
def test_crops_that_do_not_fit_are_refused(backend: str, crops: Pixels) -> None:
    with pytest.raises(EncoderMismatchError, match=r"takes crops \(n, 150, 150, 3\) uint8, got "):
        load_encoder(f"dlib-resnet@{backend}").encode(crops)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_crops_give_no_templates(backend: str) -> None:
    assert load_encoder(f"dlib-resnet@{backend}").encode(np.zeros((0, 150, 150, 3), np.uint8)).shape == (0, 128)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_device_is_the_one_asked_for_or_an_error_names_those_there_are(backend: str) -> None:
    assert getattr(load_encoder(f"dlib-resnet@{backend}", device="cpu"), "device", None) == "cpu"
    with pytest.raises(UsageError, match=r"no device 'abacus' here; there are: .*cpu"):
        load_encoder(f"dlib-resnet@{backend}", device="abacus")


def test_threads_of_torch_are_those_of_the_caller_afterwards(chips: Pixels) -> None:
    import torch

    before = torch.get_num_threads()
    load_encoder("dlib-resnet@torch", threads=before + 1).encode(chips[:1])
    assert torch.get_num_threads() == before
