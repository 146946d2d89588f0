"""Linear layers with weights of 4 bits that ONNX Runtime computes with as they are."""

from __future__ import annotations

import numpy as np
import onnx
from command_line import Command
from onnx import numpy_helper

from facesearch.quantization.onnx_layers import embed, layers, linear_weights, prepare, weights
from facesearch.quantization.onnx_weights import _BLOCK, _second_moments, quantize_weights, round_matrix

from .conftest import Sample


def correlated(rows: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.asarray(rng.normal(size=(rows, 4)) @ rng.normal(size=(4, width)) + 0.1 * rng.normal(size=(rows, width)))


def test_independent_inputs_round_every_weight_to_the_nearest_code() -> None:
    matrix = np.random.default_rng(1).normal(size=(70, 5)).astype(np.float32)
    rounded = round_matrix(matrix, np.eye(70))
    assert rounded.codes.shape == (96, 5)
    assert rounded.scales.shape == rounded.zeros.shape == (3, 5)
    assert rounded.codes.max() <= 15
    step = np.repeat(rounded.scales, _BLOCK, axis=0)[:70]
    inside = np.abs(rounded.values(70) - matrix) <= step * 0.5001
    assert inside.mean() > 0.99  # the ends of a range may be clipped: zero has to be a code
    assert (np.abs(rounded.values(70) - matrix) <= step * 1.01).all()


def test_what_rounding_changes_is_made_up_for_where_inputs_go_together() -> None:
    x, matrix = correlated(500, 64), np.random.default_rng(1).normal(size=(64, 8)).astype(np.float32)

    def lost(moments: np.ndarray) -> float:
        return float(np.square(x @ (round_matrix(matrix, moments).values(64) - matrix)).sum())

    assert lost(x.T @ x) < 0.5 * lost(np.eye(64))


def test_the_runtime_computes_what_the_codes_stand_for(edgeface: Sample) -> None:
    made = quantize_weights(edgeface.model, edgeface.calibration, edgeface.held_out)
    model = onnx.load_model_from_string(made.data)
    plain = prepare(edgeface.model)
    linear = [layer for layer in layers(plain) if layer.op_type == "MatMul"]
    assert sum(node.op_type == "MatMulNBits" for node in model.graph.node) == len(linear) > 10
    assert len(made.data) < 0.35 * len(edgeface.model)
    moments, stored = _second_moments(plain, linear, edgeface.calibration), weights(plain)
    for layer in linear:
        matrix = linear_weights(layer, stored)
        values = round_matrix(matrix, moments[layer.input]).values(len(matrix))
        stored[layer.weight].CopyFrom(numpy_helper.from_array(values, layer.weight))
    expected, found = embed(plain, edgeface.held_out), embed(made.data, edgeface.held_out)
    cosine = (expected * found).sum(axis=1) / np.linalg.norm(expected, axis=1) / np.linalg.norm(found, axis=1)
    assert cosine.min() > 0.99  # all but the INT8 weights of convolutions


def test_a_model_of_convolutions_alone_and_other_backends_are_refused(facesearch: Command) -> None:
    done = facesearch("encoders", "quantize", "dlib-resnet", "--precision", "w4")
    assert (done.status, "no" in done.err, "use int8" in done.err) == (2, True, True)
    done = facesearch("encoders", "quantize", "dlib-resnet", "--precision", "w4", "--backend", "openvino")
    assert (done.status, "--backend onnx only" in done.err) == (2, True)
    done = facesearch("encoders", "quantize", "dlib-resnet", "--precision", "w4", "--smooth", "0.5")
    assert (done.status, "do not go with precision w4" in done.err) == (2, True)
