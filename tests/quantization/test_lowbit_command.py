"""Few bits through the command line and the encoders' registry."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
if find_spec("timm") is None:  # importing it would need its torchvision mended first
    pytest.skip("needs timm: pip install 'facesearch[torch]'", allow_module_level=True)

from command_line import Command

from benchmarks.drawn_weights import drawn_checkpoint
from facesearch.encoders import load_encoder
from facesearch.encoders.storage import model_folder
from facesearch.errors import UnknownEncoderError, WeightsError
from facesearch.workshop.model_import import ImportRequest, import_model
from facesearch.workshop.sample_crops import sample_crops

pytestmark = pytest.mark.slow


@pytest.fixture
def edgeface(tmp_path: Path) -> str:
    """The name of an imported EdgeFace-XXS with drawn weights."""
    import_model(drawn_checkpoint("edgeface-xxs", tmp_path), ImportRequest("edgeface-xxs", sampler=None, trusted=True))
    return "edgeface-xxs"


def test_an_encoder_of_few_bits_is_one_like_any_other(facesearch: Command, edgeface: str) -> None:
    words = ("encoders", "quantize", edgeface, "--precision", "w4a8", "--method", "svdquant", "--json")
    made = facesearch(*words)
    assert made.status == 0
    file = made.json["files"][0]
    assert file["encoder"] == "edgeface-xxs:w4a8@torch"
    assert file["scheme"] == "w4a8-svdquant-simulated"
    assert file["simulated"] is True
    assert file["average_bits"] == {"weights": 4, "activations": 8}
    assert file["size_ratio"] < 0.2
    assert any("simulated" in warning for warning in made.json["warnings"])
    encoder, original = load_encoder(file["encoder"]), load_encoder("edgeface-xxs@torch")
    crops = sample_crops("arcface", 112).crops[:8]
    templates = encoder.encode(crops)
    assert np.allclose(np.linalg.norm(templates, axis=1), 1, atol=1e-5)
    assert float((templates * original.encode(crops)).sum(axis=1).mean()) > 0.8
    assert encoder.fingerprint != original.fingerprint
    listed = facesearch("encoders", "show", edgeface, "--json")
    assert "edgeface-xxs:w4a8@torch" in listed.out
    _refuses_a_damaged_file(edgeface)


def _refuses_a_damaged_file(name: str) -> None:
    path = model_folder(name) / f"{name}.w4a8-svdquant-simulated.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_encoder(f"{name}:w4a8@torch")


def test_the_embedded_model_can_have_few_bits(facesearch: Command) -> None:
    made = facesearch("encoders", "quantize", "dlib-resnet", "--precision", "w8a8", "--method", "rounding", "--json")
    assert made.status == 0
    assert made.json["files"][0]["cosine"]["mean"] > 0.99


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--precision", "w4a4", "--backend", "onnx"), "--backend torch only"),
        (("--precision", "w4a4", "--recipe", "static"), "--recipe goes with --precision int8"),
        (("--precision", "int8", "--method", "quantface"), "--method goes with --precision w3a3"),
        (("--precision", "w4a99"), "no precision"),
        (("--precision", "w4a4", "--method", "maxmin", "--budget-bits", "4"), "allocates"),
    ],
)
def test_options_that_do_not_go_together_are_refused(facesearch: Command, words: tuple[str, ...], message: str) -> None:
    refused = facesearch("encoders", "quantize", "dlib-resnet", *words)
    assert refused.status == 2
    assert message in refused.err
    assert len(refused.err.strip().splitlines()) == 1


def test_what_is_not_made_yet_is_told_with_the_command_that_makes_it() -> None:
    with pytest.raises(UnknownEncoderError, match="encoders quantize dlib-resnet --precision w4a4"):
        load_encoder("dlib-resnet:w4a4@torch")
