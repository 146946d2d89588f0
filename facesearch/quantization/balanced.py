"""INT8 where it costs little: products with stored weights, chosen one by one.

What other recipes lose on transformers they lose in the results of the products, in residual sums and in softmax, all
of which have a few values far out. Here those stay float. A linear layer gets INT8 weights, and a QuantizeLinear and
DequantizeLinear in front, which runtimes run as one integer product; so does a convolution, whose result is rounded
too, as the integer convolutions of ONNX Runtime need it. Every other layer keeps its float arithmetic and has its
weights stored as INT8 and widened when the model is loaded.

Ranges come from calibration, not from the call, so that a template never depends on what else is in its batch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from facesearch.quantization.onnx_layers import (
    Layer,
    Pixels,
    Values,
    consumers,
    layers,
    linear_weights,
    observe,
    to_array,
    weights,
)
from facesearch.quantization.ranges import LEVELS, Range

_EVERY = 4  # rows of a layer's input looked at, to see how noisy it is
_SHRINKS = np.linspace(0.8, 1.0, 21)  # of the largest magnitude, tried for the range of weights


def noisiest(model: onnx.ModelProto, ranges: Mapping[str, Range], names: Collection[str], crops: Pixels) -> list[str]:
    """Names of linear layers, first the one whose output has the least signal to noise once its input is rounded.

    Each on its own and without running the rest: what is seen there may still matter little to the embedding.
    """
    found = [layer for layer in layers(model) if layer.name in names]
    matrices = {layer.name: linear_weights(layer, weights(model)) for layer in found}
    noise = dict.fromkeys(matrices, 0.0)
    for values in observe(model, sorted({layer.input for layer in found}), crops):
        for layer in found:
            real = values[layer.input].reshape(-1, values[layer.input].shape[-1])[::_EVERY]  # (rows, inputs)
            lost = ranges[layer.input].rounded(real) - real
            power = ((real @ matrices[layer.name]) ** 2).sum(axis=1)  # (rows,)
            wrong = ((lost @ matrices[layer.name]) ** 2).sum(axis=1)
            # By row: a few rows far out have most of the power, and the others most of the noise.
            noise[layer.name] += float((wrong / np.maximum(power, 1e-12)).mean())
    return sorted(matrices, key=lambda name: (-noise[name], name))


def quantize_layers(
    model: onnx.ModelProto, ranges: Mapping[str, Range], *, activations: Collection[str], weights_of: Collection[str]
) -> onnx.ModelProto:
    """A copy of a prepared model with INT8 weights in the layers `weights_of`, and with quantized inputs in the layers
    `activations`, of convolutions also outputs.

    ranges: of these inputs and outputs, by tensor.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph, stored, readers = result.graph, weights(result), consumers(result)
    by_name = {layer.name: layer for layer in layers(result)}
    shared = {layer.weight for layer in by_name.values() if len(readers[layer.weight]) > 1}
    inputs: dict[str, str] = {}  # tensor -> the same, rounded
    outputs: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = outputs.get(name, name)
        layer = by_name.get(node.name)
        if layer is None:
            nodes.append(node)
            continue
        integer = node.name in activations
        if integer and layer.input not in outputs:
            if layer.input not in inputs:
                inputs[layer.input] = _round(graph, nodes, layer.input, ranges[layer.input])
            node.input[0] = inputs[layer.input]
        if node.name in weights_of and layer.weight not in shared:
            node.input[1] = _round_weights(graph, nodes, layer, stored[layer.weight], integer=integer)
        nodes.append(node)
        if integer and not layer.is_linear:
            outputs[layer.output] = _round(graph, nodes, layer.output, ranges[layer.output])
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    return result


def rounded_weights(values: Values, axis: int) -> tuple[npt.NDArray[np.int8], Values]:
    """Weights as integers, with a scale for each index of `axis` that makes the squared error least.

    Weights that lie on a grid of at most 255 steps already, as those that were published as INT8, keep it: no error.
    """
    shape = [1] * values.ndim
    shape[axis] = -1
    others = tuple(place for place in range(values.ndim) if place != axis)
    step = _grid_step(values)
    if step is not None:
        best = np.full(values.shape[axis], step)
    else:
        full = np.maximum(np.abs(values).max(axis=others), 1e-12).astype(np.float64) / 127
        best, least = full, np.full(full.shape, np.inf)
        for shrink in _SHRINKS:
            scale = (full * shrink).reshape(shape)
            error = ((np.clip(np.round(values / scale), -127, 127) * scale - values) ** 2).sum(axis=others)
            best, least = np.where(error <= least, full * shrink, best), np.minimum(error, least)
    integers = np.clip(np.round(values / best.reshape(shape)), -127, 127).astype(np.int8)
    return integers, best.astype(np.float32)


def _grid_step(values: Values) -> float | None:
    """The step of which all values are multiples, -127 to 127 times; None where there is none."""
    levels = np.unique(values.astype(np.float64))
    top = float(np.abs(levels).max(initial=0.0))
    if not top or len(levels) > LEVELS + 50 or len(levels) < 2:  # rounding to float32 can part what was equal
        return None
    gaps = np.diff(levels)
    gaps = gaps[gaps > 1e-6 * top]
    if not len(gaps):
        return None
    times = round(top / float(gaps.min()))
    if not 1 <= times <= 127:
        return None
    step = top / times
    multiples = levels / step
    return step if float(np.abs(multiples - np.round(multiples)).max()) < 0.01 else None


def _round(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], tensor: str, found: Range) -> str:
    scale, zero = found.scale_and_zero
    constants = (f"{tensor}/scale", f"{tensor}/zero_point")
    graph.initializer.append(numpy_helper.from_array(np.array(scale, np.float32), constants[0]))
    graph.initializer.append(numpy_helper.from_array(np.array(zero, np.uint8), constants[1]))
    integers, result = f"{tensor}/quantized", f"{tensor}/dequantized"
    nodes.append(helper.make_node("QuantizeLinear", [tensor, *constants], [integers], name=integers))
    nodes.append(helper.make_node("DequantizeLinear", [integers, *constants], [result], name=result))
    return result


def _round_weights(
    graph: onnx.GraphProto, nodes: list[onnx.NodeProto], layer: Layer, stored: onnx.TensorProto, *, integer: bool
) -> str:
    values, name = to_array(stored), layer.weight
    axis = 1 if layer.is_linear and layer.inputs_first else 0
    integers, scale = rounded_weights(values, axis)
    stored.CopyFrom(numpy_helper.from_array(integers, name))
    result, constant = f"{name}/dequantized", f"{name}/scale"
    if integer:
        zero = f"{name}/zero_point"
        graph.initializer.append(numpy_helper.from_array(scale, constant))
        graph.initializer.append(numpy_helper.from_array(np.zeros(len(scale), np.int8), zero))
        nodes.append(helper.make_node("DequantizeLinear", [name, constant, zero], [result], name=result, axis=axis))
        return result
    # ONNX Runtime computes these two once, when it loads the model; a DequantizeLinear it would run in every call.
    shape = [1] * values.ndim
    shape[axis] = -1
    graph.initializer.append(numpy_helper.from_array(scale.reshape(shape), constant))
    nodes.append(helper.make_node("Cast", [name], [f"{name}/widened"], name=f"{name}/widened", to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Mul", [f"{name}/widened", constant], [result], name=result))
    return result
