"""Layers of few bits: equal to the float layer before rounding, and whole numbers after it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch")
import torch

if find_spec("timm") is None:  # importing it would need its torchvision mended first
    pytest.skip("needs timm: pip install 'facesearch[torch]'", allow_module_level=True)

from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from facesearch.encoders.lowbit.file import low_bit_layers
from facesearch.encoders.lowbit.layer import LowBitLayer, Precision, shape_of
from facesearch.encoders.lowbit.uniform import Grid, Steps, encode, steps_between
from facesearch.quantization.lowbit.balance import Balance, apply, channel_scale, low_rank
from facesearch.quantization.lowbit.config import METHODS, Config
from facesearch.quantization.lowbit.quantize_network import balanced
from facesearch.quantization.lowbit.ranges import precision_for, set_ranges
from facesearch.quantization.onnx_int8 import quantize_onnx
from facesearch.quantization.onnx_layers import LINEAR, layers, prepare
from facesearch.quantization.recipe import STATIC
from facesearch.workshop.onnx_export import export_onnx

from .small_networks import SMALL, small_crops, small_network

LAYERS: dict[str, Callable[[], tuple[nn.Linear | nn.Conv2d, torch.Tensor]]] = {
    "linear": lambda: (nn.Linear(12, 7), torch.randn(3, 5, 12)),
    "1x1": lambda: (nn.Conv2d(12, 7, 1), torch.randn(3, 12, 6, 6)),
    "3x3": lambda: (nn.Conv2d(12, 7, 3, padding=1), torch.randn(3, 12, 6, 6)),
    "patches": lambda: (nn.Conv2d(12, 7, 2, stride=2, bias=False), torch.randn(3, 12, 6, 6)),
    "depth-wise": lambda: (nn.Conv2d(12, 12, 3, padding=1, groups=12), torch.randn(3, 12, 6, 6)),
}
CONFIG = Config("test")


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("rank", [0, 2])
def test_scales_rotations_and_low_rank_branches_change_nothing_in_floats(kind: str, rank: int) -> None:
    torch.manual_seed(0)
    plain, values = LAYERS[kind]()
    shape = shape_of(plain)
    layer = LowBitLayer.of(plain, precision_for(shape, CONFIG, 4, 4))
    scale = torch.rand(shape.channels) + 0.1
    apply(layer, Balance(scale, shape.groups == 1, 0.0), rank, seed=3)
    layer.rounds_activations = layer.rounds_weight = False
    assert torch.allclose(layer(values), plain(values), atol=1e-5)
    assert layer.rank == (rank if shape.groups == 1 else 0)


@pytest.mark.parametrize("kind", LAYERS)
def test_templates_do_not_depend_on_what_is_encoded_together(kind: str) -> None:
    torch.manual_seed(0)
    plain, values = LAYERS[kind]()
    layer = LowBitLayer.of(plain, precision_for(shape_of(plain), CONFIG, 4, 4))
    set_ranges(layer, values, CONFIG)
    alone = torch.cat(
        [layer(each[None]) for each in values * torch.tensor([1, 10, 100]).reshape(3, *[1] * (values.ndim - 1))]
    )
    together = layer(values * torch.tensor([1, 10, 100]).reshape(3, *[1] * (values.ndim - 1)))
    assert torch.allclose(alone, together, rtol=1e-4, atol=1e-4)


def test_a_linear_layer_is_a_product_of_whole_numbers() -> None:
    torch.manual_seed(0)
    plain, values = LAYERS["linear"]()
    rows = values.reshape(-1, 12)
    layer = LowBitLayer.of(plain, precision_for(shape_of(plain), CONFIG, 4, 4))
    set_ranges(layer, values, CONFIG)
    found = layer(rows)
    low, high = torch.aminmax(rows, dim=1)
    grid = layer.precision.activation
    steps = steps_between(low * layer.clip[0], high * layer.clip[1], grid)
    codes = encode(rows, steps, grid).to(torch.int64) - steps.zero[:, None]  # (m, 12)
    weight = layer.weight_codes().to(torch.int64)  # (7, 12)
    product = (codes @ weight.T).double() * steps.scale.double()[:, None] * layer.weight_scale.double()
    assert plain.bias is not None
    assert torch.allclose(found.double(), product + plain.bias, atol=1e-5)


def test_a_frozen_layer_computes_with_its_codes_and_stays_frozen() -> None:
    torch.manual_seed(0)
    plain, values = LAYERS["3x3"]()
    layer = LowBitLayer.of(plain, precision_for(shape_of(plain), CONFIG, 3, 8))
    set_ranges(layer, values, CONFIG)
    before, codes = layer(values), layer.weight_codes()
    layer.freeze()
    assert torch.equal(layer(values), before)
    assert torch.equal(layer.weight_codes(), codes)
    assert len(set(layer.weight.flatten().tolist())) <= 7 * 8


def test_the_finest_rows_are_those_that_whole_number_products_allow() -> None:
    rows = {kind: shape_of(make()[0]).dynamic_rows for kind, make in LAYERS.items()}
    assert rows == {"linear": "token", "1x1": "pixel", "3x3": "image", "patches": "image", "depth-wise": "channel"}
    assert shape_of(nn.Conv2d(12, 6, 3, groups=3)).dynamic_rows == "image"
    with pytest.raises(ValueError, match="not a layer"):
        shape_of(nn.LayerNorm(4))


def test_channels_in_groups_share_no_range() -> None:
    precision = Precision(Grid(4, True), Grid(4, False), "token", activation_group=4)
    layer = LowBitLayer.of(nn.Linear(12, 7), precision)
    assert layer.rows_of_input(torch.zeros(3, 5, 12)).shape == (45, 4)


@given(st.integers(2, 9), st.integers(2, 9), st.integers(1, 3), st.integers(0, 1000))
@settings(deadline=None)
def test_the_low_rank_part_is_that_of_the_singular_values(rows: int, columns: int, rank: int, seed: int) -> None:
    rank = min(rank, rows, columns)
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    up, down = low_rank(weight, rank)
    u, s, v = torch.linalg.svd(weight, full_matrices=False)
    assert torch.allclose(up @ down, u[:, :rank] @ torch.diag(s[:rank]) @ v[:rank], atol=1e-3)


def test_channel_scales_even_out_inputs_and_weights() -> None:
    inputs = torch.randn(50, 8) * torch.logspace(-2, 2, 8)
    weight = torch.randn(5, 8)
    scale = channel_scale(inputs, weight, 0.5)
    assert float(scale.log().mean()) == pytest.approx(0, abs=1e-5)
    before, after = inputs.abs().amax(dim=0), (inputs / scale).abs().amax(dim=0)
    assert float(after.max() / after.min()) < float(before.max() / before.min()) / 20


@pytest.mark.parametrize("family", SMALL)
@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=3)
def test_a_balanced_network_of_any_family_equals_the_float_one(family: str, seed: int) -> None:
    network, crops = small_network(family, seed), small_crops(family, seed=seed)
    config = Config("test", scaling="fixed", rotation="all", rank=2, seed=seed)
    made = balanced(network, config, crops)
    assert low_bit_layers(made)
    with torch.no_grad():
        expected, found = network(torch.from_numpy(crops)), made(torch.from_numpy(crops))
    expected, found = nn.functional.normalize(expected), nn.functional.normalize(found)
    assert float((expected - found).abs().max()) < 1e-5


@pytest.mark.parametrize("factors", [False, True])
@pytest.mark.parametrize("family", ["edgeface", "dlib-resnet"])
def test_a_balanced_network_can_be_exported_and_its_rotations_are_not_quantized(
    family: str, factors: bool, tmp_path: Path
) -> None:
    network, crops = small_network(family), small_crops(family)
    made = balanced(network, Config("test", scaling="fixed", rotation="all"), crops)
    turned = 0
    for layer in low_bit_layers(made).values():
        turned += layer.signs is not None
        if factors:
            layer.turn_by_factors()
    export_onnx(made, tmp_path / "balanced.onnx", crops.shape[1])
    model = prepare((tmp_path / "balanced.onnx").read_bytes())
    found, products = layers(model), [node for node in model.graph.node if node.op_type in ("Conv", *LINEAR)]
    assert turned > 1
    assert len(found) == len(low_bit_layers(made))
    assert len(products) > len(found)
    quantized = quantize_onnx((tmp_path / "balanced.onnx").read_bytes(), STATIC, crops, crops)
    assert quantized.fidelity.mean > 0.98


def test_scales_move_into_normalisations_and_rotations_into_linear_layers_before() -> None:
    network, crops = small_network("edgeface"), small_crops("edgeface")
    layers = low_bit_layers(balanced(network, Config("test", scaling="fixed", rotation="all"), crops))
    qkv, second = layers["network.attention.xca.qkv"], layers["network.fc.linear2"]
    assert qkv.channel_scale is None  # in norm_xca
    assert qkv.signs is not None  # a normalisation takes no rotation
    assert second.channel_scale is None
    assert second.signs is None  # both in linear1
    assert layers["network.attention.mlp.fc2"].channel_scale is not None  # GELU stands before it


def test_a_normalisation_that_something_else_reads_as_well_is_left_alone() -> None:
    network, crops = small_network("transface"), small_crops("transface")
    made = balanced(network, Config("test", scaling="fixed"), crops)

    def changed(name: str) -> bool:
        weights = (each.get_submodule(name).get_parameter("weight") for each in (made, network))
        return not torch.equal(*weights)

    assert not changed("network.norm")
    assert changed("network.blocks.0.norm1")


def test_each_method_is_one_configuration() -> None:
    assert {config.method for config in METHODS.values()} == set(METHODS)
    assert isinstance(METHODS["maxmin"], Config)
    assert Steps is not None
