"""Whole networks of few bits: files, bit allocation, training."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

if find_spec("timm") is None:  # importing it would need its torchvision mended first
    pytest.skip("needs timm: pip install 'facesearch[torch]'", allow_module_level=True)
pytest.importorskip("scipy")

from benchmarks.drawn_weights import drawn_crops, synthetic_state
from facesearch.encoders.lowbit import file as lowbit_file
from facesearch.encoders.networks import network_of
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.errors import FacesearchError, UsageError, WeightsError
from facesearch.quantization.lowbit.allocate import Sensitivity, share_out
from facesearch.quantization.lowbit.config import (
    Allocation,
    Config,
    Distillation,
    choose_config,
)
from facesearch.quantization.lowbit.observe import embeddings, identity_loss, observe
from facesearch.quantization.lowbit.quantize_network import Quantized, quantize

from .small_networks import small_crops, small_network

pytestmark = pytest.mark.slow

FULL = Config(
    "test",
    scaling="search",
    rotation="search",
    rank=2,
    adapter_rank=1,
    training=Distillation(steps=2, batch=2, features=2),
    allocation=Allocation(crops=2),
)


@pytest.fixture(scope="module")
def edgeface() -> CropNetwork:
    return network_of("edgeface-xxs", synthetic_state("edgeface-xxs"), "drawn")


@pytest.fixture(scope="module")
def made(edgeface: CropNetwork) -> Quantized:
    """EdgeFace-XXS at 4 bits with everything there is, trained two steps."""
    return quantize(edgeface, "edgeface-xxs", FULL, drawn_crops("edgeface-xxs", 4))


def test_a_network_of_few_bits_reads_back_bit_for_bit(made: Quantized) -> None:
    crops = drawn_crops("edgeface-xxs", 3, seed=9)
    again = lowbit_file.parse(made.data, "it")
    assert torch.equal(embeddings(again.network, crops), embeddings(made.made.network, crops))
    assert (again.family, again.precision, again.scheme) == ("edgeface-xxs", "w4a4", "w4a4-test-simulated")
    assert lowbit_file.dump(again) == made.data


def test_four_bits_take_a_sixth_of_the_bytes_with_all_corrections(made: Quantized, edgeface: CropNetwork) -> None:
    floats = 4 * sum(parameter.numel() for parameter in edgeface.parameters())
    assert len(made.data) == made.report.file_bytes
    assert len(made.data) / floats < 0.18  # XXS at rank 3 everywhere; larger models have less beside their weights


def test_the_averages_keep_to_the_budget_and_are_those_of_the_layers(made: Quantized) -> None:
    report = made.report
    assert 3.9 < report.weight_bits <= 4
    assert 3.9 < report.activation_bits <= 4
    assert {each.weight_bits for each in report.layers} <= set(range(3, 9))
    layers = lowbit_file.low_bit_layers(made.made.network)
    bits = sum(layer.precision.weight.bits * layer.weight.numel() for layer in layers.values())
    assert report.weight_bits == pytest.approx(bits / sum(layer.weight.numel() for layer in layers.values()))


def test_the_float_network_is_left_as_it_was(edgeface: CropNetwork, made: Quantized) -> None:
    state = synthetic_state("edgeface-xxs")
    assert all(torch.equal(value, state[key]) for key, value in edgeface.network.state_dict().items())


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.999])
def test_a_file_that_is_cut_short_is_refused_in_one_line(made: Quantized, keep: float) -> None:
    with pytest.raises(WeightsError) as caught:
        lowbit_file.parse(made.data[: int(len(made.data) * keep)], "it")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"weight": 9},
        {"weight": 3},
        {"rows": "none"},
        {"shape": [24, 3, 4, 5]},
        {"shape": [-1, 3, 4, 4]},
        {"rank": 7},
        {"group": 12},
        {"scaled": 1, "rotated": 1},
    ],
)
def test_a_file_whose_description_does_not_fit_is_refused(made: Quantized, change: dict[str, object]) -> None:
    length = struct.unpack("<Q", made.data[:8])[0]
    header = json.loads(made.data[8 : 8 + length])
    about = json.loads(header["__metadata__"]["facesearch"])
    if about["layers"]["stem.0"] | change == about["layers"]["stem.0"]:
        pytest.skip("it is so")
    about["layers"]["stem.0"] |= change
    header["__metadata__"]["facesearch"] = json.dumps(about)
    changed = json.dumps(header).encode()
    with pytest.raises(WeightsError):
        lowbit_file.parse(struct.pack("<Q", len(changed)) + changed + made.data[8 + length :], "it")


def test_another_safetensors_file_is_refused() -> None:
    from safetensors.torch import save

    with pytest.raises(WeightsError, match="not a low-bit file"):
        lowbit_file.parse(save({"a": torch.zeros(2)}, {"format": "pt", "family": "x"}), "it")
    with pytest.raises(WeightsError, match="not a low-bit file"):
        lowbit_file.parse(b"\xff" * 64, "it")


def test_training_brings_a_network_nearer_to_the_float_one() -> None:
    network, crops = small_network("dlib-resnet"), small_crops("dlib-resnet", 32)
    fresh = small_crops("dlib-resnet", 16, seed=77)
    expected = embeddings(network, fresh)

    def loss(config: Config) -> float:
        made = quantize(network, "dlib-resnet", config, crops).made.network
        return identity_loss(embeddings(made, fresh), expected)

    plain = Config("plain", weight_bits=3, activation_bits=3)
    trained = replace(plain, adapter_rank=2, training=Distillation(steps=60, batch=16, rate=2e-3, features=2))
    assert loss(trained) < 0.7 * loss(plain)


def test_the_same_seed_gives_the_same_file() -> None:
    network, crops = small_network("facenet"), small_crops("facenet", 4)
    config = replace(FULL, training=Distillation(steps=2, batch=2, features=1))
    assert quantize(network, "x", config, crops).data == quantize(network, "x", config, crops).data


def _sensitivity(error: list[list[float]], cost: list[float]) -> Sensitivity:
    names = tuple(f"layer{number}" for number in range(len(cost)))
    values = np.array(error)
    return Sensitivity(names, (3, 4, 5), values, np.zeros_like(values), np.array(cost))


def test_bits_go_to_the_layer_that_needs_them() -> None:
    found = share_out(_sensitivity([[90, 30, 10], [3, 2, 1], [3, 2, 1]], [1, 1, 1]), 4, 1.0)
    assert found.bits == {"layer0": 5, "layer1": 4, "layer2": 3} or found.bits == {
        "layer0": 5,
        "layer1": 3,
        "layer2": 4,
    }
    assert found.average == 4
    assert share_out(_sensitivity([[90, 30, 10], [3, 2, 1]], [1, 1]), 5, 1.0).bits == {"layer0": 5, "layer1": 5}


def test_a_layer_that_costs_much_gets_few_bits() -> None:
    found = share_out(_sensitivity([[9, 3, 1], [9, 3, 1]], [10, 1]), 3.2, 1.0)
    assert found.bits == {"layer0": 3, "layer1": 5}


def test_the_programme_is_as_good_as_trying_everything() -> None:
    from itertools import product

    rng = np.random.default_rng(0)
    for _ in range(20):
        error = np.sort(rng.random((4, 3)), axis=1)[:, ::-1]
        cost = rng.integers(1, 9, 4).astype(float)
        found = share_out(_sensitivity(error.tolist(), cost.tolist()), 4, 1.0)
        chosen = [found.bits[f"layer{number}"] - 3 for number in range(4)]
        best = min(
            sum(error[layer, width] for layer, width in enumerate(widths))
            for widths in product(range(3), repeat=4)
            if (cost * (np.array(widths) + 3)).sum() <= 4 * cost.sum() + 1e-6
        )
        assert sum(error[layer, width] for layer, width in enumerate(chosen)) == pytest.approx(best)


def test_a_budget_below_the_smallest_width_is_refused() -> None:
    with pytest.raises(FacesearchError, match="ask for more bits"):
        share_out(_sensitivity([[9, 3, 1]], [1]), 2.5, 1.0)


def test_layers_are_observed_as_they_run_and_no_more_crops_than_there_are() -> None:
    network, crops = small_network("edgeface"), small_crops("edgeface", 3)
    seen = {each.name: each for each in observe(network, crops)}
    assert next(iter(seen)) == "network.stem"
    assert len(seen["network.fc.linear2"].inputs) == 3
    assert seen["network.fc.linear2"].feeder == "network.fc.linear1"
    assert seen["network.attention.mlp.fc1"].feeder == "network.attention.norm"
    assert seen["network.attention.mlp.fc2"].feeder is None
    assert not any("token_projection" in name for name in seen)  # its weight is used, but it does not run


@pytest.mark.parametrize(
    ("precision", "method", "budget", "steps", "message"),
    [
        ("w2a4", "quantface", None, None, "no precision"),
        ("w4a9", "quantface", None, None, "no precision"),
        ("fp16", "quantface", None, None, "no precision"),
        ("w4a4", "magic", None, None, "no method"),
        ("w4a4", "maxmin", 4.0, None, "allocates"),
        ("w4a4", "quantface", 9.0, None, "between 3 and 8"),
        ("w4a4", "quantface", None, -1, "negative"),
        ("w4a4", "rotation", None, 5, "trains"),
    ],
)
def test_what_does_not_go_together_is_told(
    precision: str, method: str, budget: float | None, steps: int | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        choose_config(precision, method, budget, steps)


def test_a_budget_and_steps_change_the_configuration() -> None:
    config = choose_config("w4a8", "quantface", 4.5, 10)
    assert (config.weight_bits, config.activation_bits) == (4, 8)
    assert config.allocation is not None
    assert config.allocation.budget == 4.5
    assert config.training is not None
    assert config.training.steps == 10
    assert choose_config("w4a8", "quantface", None, 0).training is None
