"""INT8 on torch: small, close to FP32, the same after it was written and read again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from facesearch.assets import read_asset  # noqa: E402
from facesearch.encoders import find_model, load_encoder, storage  # noqa: E402
from facesearch.encoders.networks import int8_network  # noqa: E402
from facesearch.encoders.torch_encoder import read_state  # noqa: E402
from facesearch.errors import UsageError, WeightsError  # noqa: E402
from facesearch.quantization.torch_int8 import quantize  # noqa: E402
from facesearch.workshop.model_folder import add_file  # noqa: E402

from .backend_samples import Pixels, cosines  # noqa: E402


@pytest.fixture(scope="module")
def int8_dlib(tmp_path_factory: pytest.TempPathFactory, chips: Pixels) -> Path:
    path = tmp_path_factory.mktemp("int8") / "dlib.safetensors"
    assert quantize("dlib-resnet", read_asset("dlib-resnet"), chips, path) == int8_network.STATIC
    return path


def add(model: str, path: Path, scheme: str) -> None:
    add_file(find_model(model), path, precision="int8", backends=("torch",), scheme=scheme)


def test_a_convolutional_model_at_int8_is_small_and_close_to_fp32(int8_dlib: Path, chips: Pixels) -> None:
    add("dlib-resnet", int8_dlib, int8_network.STATIC)
    encoder = load_encoder("dlib-resnet:int8@torch")
    assert cosines(encoder, load_encoder("dlib-resnet"), chips).min() > 0.998
    assert int8_dlib.stat().st_size <= 0.27 * 4 * find_model("dlib-resnet").parameters
    assert encoder.fingerprint != load_encoder("dlib-resnet").fingerprint
    alone = np.concatenate([encoder.encode(chip[None]) for chip in chips[:3]])
    np.testing.assert_allclose(encoder.encode(chips)[:3], alone, atol=1e-5)
    np.testing.assert_array_equal(load_encoder("dlib-resnet:int8@torch").encode(chips), encoder.encode(chips))


def test_a_transformer_at_int8_is_small_close_and_independent_of_its_batch(
    edgeface: str, aligned: Pixels, tmp_path: Path
) -> None:
    source = storage.model_folder(edgeface) / f"{edgeface}.fp32.safetensors"
    path = tmp_path / "int8.safetensors"
    assert quantize(edgeface, source, aligned, path) == int8_network.DYNAMIC
    assert path.stat().st_size <= 0.27 * source.stat().st_size
    add(edgeface, path, int8_network.DYNAMIC)
    encoder = load_encoder(f"{edgeface}:int8@torch")
    assert cosines(encoder, load_encoder(edgeface), aligned).mean() > 0.98
    alone = np.concatenate([encoder.encode(crop[None]) for crop in aligned[:4]])
    assert (encoder.encode(aligned)[:4] * alone).sum(axis=1).min() > 0.9999

    state = int8_network.rounded(read_state(edgeface, source.read_bytes(), "it"))
    network = int8_network.fp32_network(edgeface, state, "it")
    int8_network.replace_linear_layers(network)
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(network(torch.from_numpy(aligned))).numpy()
    assert (expected * encoder.encode(aligned)).sum(axis=1).min() > 0.99999


@pytest.mark.filterwarnings("ignore")  # torch.ao says that it will be replaced
def test_the_file_gives_the_network_that_was_quantized(
    int8_dlib: Path, chips: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.ao.quantization import quantize_fx

    weights = int8_network.parse(int8_dlib.read_bytes(), "it")
    network = int8_network.fp32_network("dlib-resnet", weights.state, "it")
    with torch.inference_mode():
        network.network = int8_network.prepare(network.network, torch.zeros(1, 3, 150, 150))
        for start in range(0, len(chips), 8):
            network(torch.from_numpy(chips[start : start + 8]))
        assert int8_network.measured_ranges(network.network) == weights.ranges
        monkeypatch.setattr(torch.backends.quantized, "engine", "fbgemm")
        network.network = quantize_fx.convert_fx(network.network)  # type: ignore[arg-type]
        expected = torch.nn.functional.normalize(network(torch.from_numpy(chips))).numpy()
    add("dlib-resnet", int8_dlib, int8_network.STATIC)
    assert (expected * load_encoder("dlib-resnet:int8@torch").encode(chips)).sum(axis=1).min() > 0.99999


def test_codes_of_rounded_weights_are_the_same_codes() -> None:
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 5, 3, 3)).astype(np.float32))
    weight[2] = 0
    codes, scale = int8_network.encode_weight(weight)
    assert codes.abs().amax() == 127
    again, other = int8_network.encode_weight(int8_network.decode_weight(codes, scale))
    assert torch.equal(codes, again)
    torch.testing.assert_close(scale[scale < 1], other[scale < 1])
    assert (int8_network.decode_weight(codes, scale) - weight).abs().max() <= scale[scale < 1].max() / 2 + 1e-7


def test_damaged_and_foreign_files_are_refused(int8_dlib: Path, tmp_path: Path) -> None:
    data = int8_dlib.read_bytes()
    for damaged in (b"", data[:7], data[:5000], data[:-10], b"\xff" * 64, read_asset("dlib-resnet")):
        with pytest.raises(WeightsError, match="quantize the model again"):
            int8_network.parse(damaged, "it")
    weights = int8_network.parse(data, "it")
    ranges = dict(list(weights.ranges.items())[1:])
    with pytest.raises(WeightsError, match="quantize the model again"):
        int8_network.int8_network(int8_network.Int8Weights(weights.family, weights.scheme, weights.state, ranges), "it")
    add("dlib-resnet", int8_dlib, int8_network.STATIC)
    with pytest.raises(UsageError, match=r"no device|CPU only"):
        load_encoder("dlib-resnet:int8@torch", device="cuda")


def test_calibration_crops_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="calibration takes crops"):
        quantize("dlib-resnet", read_asset("dlib-resnet"), np.zeros((2, 150, 150), np.uint8), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_said_of_what_torch_will_drop_one_day() -> None:
    code = (
        "import torch; from facesearch.encoders.networks.int8_network import DynamicLinear\n"
        "print(DynamicLinear(torch.nn.Linear(64, 64))(torch.ones(2, 64)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("torch.Size([2, 64])\n", "")
