"""`facesearch encoders quantize`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import Command

from facesearch import load_encoder
from facesearch.encoders import find_model, variants
from facesearch.encoders.storage import models_folder, read_manifest
from facesearch.errors import WeightsError

from .small_model import store_small_model


def test_the_embedded_model_becomes_int8(facesearch: Command, people_photos: Path) -> None:
    made = facesearch("encoders", "quantize", "dlib-resnet", "--calibration", people_photos, "--json")
    assert made.status == 0, made.err
    (file,) = made.json["files"]
    assert file["encoder"] == "dlib-resnet:int8@onnx"
    assert file["size_ratio"] <= 0.27
    assert file["fp32_bytes"] == 4 * find_model("dlib-resnet").parameters
    assert file["cosine"]["min"] > 0.99
    assert file["layers"][0]["snr_db"] > 10
    assert len(made.json["calibration"]["sha256"]) == 64
    stored = read_manifest("dlib-resnet")
    assert stored is not None
    assert stored.files[0].calibration_sha256 == made.json["calibration"]["sha256"]
    crops = np.random.default_rng(0).integers(0, 256, (2, 150, 150, 3), dtype=np.uint8)
    assert load_encoder("dlib-resnet:int8@onnx").encode(crops).shape == (2, 128)
    precisions = {(row.spec.precision, row.scheme) for row in variants(find_model("dlib-resnet"))}
    assert precisions == {("fp32", "fp32"), ("int8", "int8-qdq-u8s8-perchannel")}


def test_without_photos_synthetic_people_do_and_it_says_so(facesearch: Command) -> None:
    store_small_model("small")
    made = facesearch("encoders", "quantize", "small")
    assert made.status == 0, made.err
    assert "synthetic people" in made.err
    assert "small:int8@onnx" in made.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dlib-resnet", "--precision", "w5"], "no precision 'w5'"),
        (["dlib-resnet", "--backend", "tensorrt"], "no backend 'tensorrt'"),
        (["dlib-resnet", "--recipe", "best"], "no recipe is named 'best'"),
        (["dlib-resnet", "--recipe", "nncf"], "--backend openvino"),
        (["dlib-resnet", "--smooth", "3"], "--smooth"),
        (["dlib-resnet", "--calibration", "nowhere"], "nowhere: no such folder"),
        (["edgeface-xs"], "encoders pull edgeface-xs"),
        (["nobody"], "no model named 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(facesearch: Command, words: list[str], said: str) -> None:
    done = facesearch("encoders", "quantize", *words)
    assert done.status == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (models_folder() / "dlib-resnet").exists()


def test_a_folder_without_faces_is_refused(facesearch: Command, tmp_path: Path) -> None:
    from PIL import Image

    empty = facesearch("encoders", "quantize", "dlib-resnet", "--calibration", tmp_path)
    assert (empty.status, "has no photos" in empty.err) == (2, True)
    for number in range(3):
        Image.new("RGB", (80, 80), (number, 90, 200)).save(tmp_path / f"{number}.png")
    (tmp_path / "damaged.jpg").write_bytes(b"no photo")
    done = facesearch("encoders", "quantize", "dlib-resnet", "--calibration", tmp_path)
    assert done.status == 2
    assert "0 usable photos" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (models_folder() / "dlib-resnet").exists()


def test_a_model_that_fails_its_trial_is_not_stored(monkeypatch: pytest.MonkeyPatch, people_photos: Path) -> None:
    from facesearch.workshop import quantize as quantizing

    store_small_model("small")
    before = sorted(path.name for path in (models_folder() / "small").iterdir())

    class Broken:
        def encode(self, crops: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> object:
            return np.full((len(crops), 8), np.nan, np.float32)

    monkeypatch.setattr(quantizing, "load", lambda *given, **named: Broken())
    with pytest.raises(WeightsError, match="not finite"):
        quantizing.quantize_encoder("small")
    assert sorted(path.name for path in (models_folder() / "small").iterdir()) == before


def test_the_order_of_files_and_their_names_do_not_change_the_result(people_photos: Path, tmp_path: Path) -> None:
    from facesearch.workshop.quantize import calibration_crops

    model = find_model("dlib-resnet")
    shutil.copytree(people_photos, tmp_path / "copy")
    one, other = calibration_crops(model, people_photos), calibration_crops(model, tmp_path / "copy")
    assert one.sha256 == other.sha256
    np.testing.assert_array_equal(one.crops, other.crops)
    assert len(one.held_out) == (len(one.crops) + len(one.held_out)) // 5
