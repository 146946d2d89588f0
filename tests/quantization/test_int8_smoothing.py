"""SmoothQuant on ONNX graphs, and rounding of weights."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from facesearch.quantization.balanced import rounded_weights
from facesearch.quantization.onnx_layers import embed, layers, prepare
from facesearch.quantization.smooth import smooth

from .conftest import Sample


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.8])
def test_smoothing_changes_weights_but_no_template(edgeface: Sample, alpha: float) -> None:
    model = prepare(edgeface.model)
    expected = embed(model, edgeface.held_out)
    before = {tensor.name: tensor.raw_data for tensor in model.graph.initializer}
    smoothed = smooth(model, edgeface.calibration, alpha)
    found = embed(model, edgeface.held_out)
    assert len(smoothed) > 20
    assert sum(before.get(tensor.name) != tensor.raw_data for tensor in model.graph.initializer) > 20
    assert np.abs(found - expected).max() < 1e-5 * max(1.0, float(np.abs(expected).max()))


def test_scales_go_into_the_layer_normalisation_where_only_linear_layers_read_it() -> None:
    model = _normalised(shared=False)
    expected = embed(model, _crops())
    assert smooth(model, _crops(), 0.5) == ["first", "second"]
    assert [node.op_type for node in model.graph.node].count("Mul") == 0
    np.testing.assert_allclose(embed(model, _crops()), expected, rtol=1e-4, atol=1e-4)


def test_a_normalisation_that_others_read_stays_and_a_product_is_put_before_the_layers() -> None:
    model = _normalised(shared=True)
    expected = embed(model, _crops())
    assert smooth(model, _crops(), 0.5) == ["first", "second"]
    assert [node.op_type for node in model.graph.node].count("Mul") == 1
    np.testing.assert_allclose(embed(model, _crops()), expected, rtol=1e-4, atol=1e-4)


def test_weights_that_two_layers_share_are_left_alone() -> None:
    model = _normalised(shared=False)
    for node in model.graph.node:
        if node.name == "second":
            node.input[1] = "w1"
    assert smooth(model, _crops(), 0.5) == []


def test_products_of_activations_are_no_layers(edgeface: Sample) -> None:
    model = prepare(edgeface.model)
    found = {layer.name for layer in layers(model)}
    products = [node.name for node in model.graph.node if node.op_type == "MatMul" and node.name not in found]
    assert len(products) == 6  # two in each of three attention blocks
    assert {layer.op_type for layer in layers(model)} == {"Conv", "MatMul", "Gemm"}


@given(st.integers(0, 2**32 - 1), st.integers(0, 1))
@settings(max_examples=30, deadline=None)
def test_weights_are_rounded_to_half_a_step_of_their_channel_at_most(seed: int, axis: int) -> None:
    values = np.random.default_rng(seed).normal(size=(17, 9)).astype(np.float32)
    integers, scale = rounded_weights(values, axis)
    steps = scale.reshape((-1, 1) if axis == 0 else (1, -1))
    error = np.abs(integers * steps - values)
    inside = np.abs(values) <= 127 * steps
    assert integers.min() >= -127
    assert (error[inside] <= np.broadcast_to(steps / 2, values.shape)[inside] * 1.001).all()
    assert (error <= 0.21 * np.abs(values).max()).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_weights_that_were_integers_once_are_kept_exactly(seed: int) -> None:
    random = np.random.default_rng(seed)
    integers = random.integers(-127, 128, (64, 32))
    integers[0, 0] = 127
    values = (integers * random.uniform(1e-4, 1)).astype(np.float32)
    found, scale = rounded_weights(values, 1)
    np.testing.assert_array_equal(found, integers)
    np.testing.assert_allclose(found * scale, values, rtol=1e-6)


def _crops() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (8, 4, 4, 3), dtype=np.uint8)


def _normalised(*, shared: bool) -> onnx.ModelProto:
    """crops -> layer normalisation -> two linear layers, summed; shared: the normalised values are added too."""
    random = np.random.default_rng(0)
    arrays = {
        "gain": random.uniform(0.01, 20, 48),
        "shift": random.normal(size=48),
        "w1": random.normal(size=(48, 48)),
        "w2": random.normal(size=(48, 48)),
        "shape": np.array([-1, 48], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["crops"], ["real"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["real", "shape"], ["flat"], name="flatten"),
        helper.make_node("LayerNormalization", ["flat", "gain", "shift"], ["normal"], name="normalise"),
        helper.make_node("MatMul", ["normal", "w1"], ["a"], name="first"),
        helper.make_node("MatMul", ["normal", "w2"], ["b"], name="second"),
        helper.make_node("Add", ["a", "b"], ["sum" if shared else "embedding"], name="add"),
    ]
    if shared:
        nodes.append(helper.make_node("Add", ["sum", "normal"], ["embedding"], name="residual"))
    tensors = [
        numpy_helper.from_array(np.asarray(value, np.int64 if name == "shape" else np.float32), name)
        for name, value in arrays.items()
    ]
    graph = helper.make_graph(
        nodes,
        "normalised",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", 4, 4, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 48])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
