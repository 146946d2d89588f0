"""Equalisation of channels in convolutional networks: the same function, with channels that suit one range.

Depth-wise convolutions leave channels of very different magnitude, which then share the steps of one activation. A
channel can be divided by any s > 0 where it is made and multiplied by it where it is read, through whatever is
positively homogeneous in between: ReLU, PReLU, products with constants, pooling, sums of what is scaled alike.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019 (arXiv 1906.04721).
There s evens out the ranges of weights. Weights have a range for each output channel here, so s evens out activations,
as far as the weights that read them allow: s = max|X|^α / max|W|^(1−α), as in SmoothQuant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from facesearch.quantization.onnx_layers import Pixels, consumers, observe, to_array, weights

_HOMOGENEOUS = {"Relu", "PRelu", "LeakyRelu", "Identity", "MaxPool", "AveragePool", "GlobalAveragePool", "Mul", "Add"}
_LEAST = 1e-5  # of a maximum
_MOST_UNEVEN = 1e3  # ratio of a scale to their mean

Scale = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Convolution:
    """source, output: the sets of tensors that it reads and makes; bias is empty where it has none."""

    input: str
    weight: str
    bias: str
    source: str
    output: str
    is_depthwise: bool


def depthwise(model: onnx.ModelProto) -> set[str]:
    """The names of the convolutions that filter each channel by itself."""
    stored = weights(model)
    return {node.name for node in model.graph.node if node.op_type == "Conv" and _is_depthwise(node, stored)}


def equalise(model: onnx.ModelProto, crops: Pixels, alpha: float) -> int:
    """Scale the channels between the convolutions of a prepared model in place; returns how many sets of tensors were.

    crops: (n, h, w, 3) for the ranges. alpha: 0 evens out the weights, 1 the activations. What another kind of node
    makes or reads is left alone, and so is a convolution whose weights another node reads too.
    """
    found = _convolutions(model)
    scales = _scales(model, found, crops, alpha)
    stored = weights(model)
    for each in found:
        values = to_array(stored[each.weight]).astype(np.float64)  # (out, in / groups, h, w)
        if each.source in scales:
            values *= scales[each.source].reshape((-1, 1, 1, 1) if each.is_depthwise else (1, -1, 1, 1))
        if each.output in scales:
            values /= scales[each.output].reshape(-1, 1, 1, 1)
            if each.bias:
                _store(stored[each.bias], to_array(stored[each.bias]) / scales[each.output])
        _store(stored[each.weight], values)
    return len(scales)


def _scales(model: onnx.ModelProto, found: list[_Convolution], crops: Pixels, alpha: float) -> dict[str, Scale]:
    """For each set of tensors that may be scaled and has a reader, a factor for each channel."""
    stored = weights(model)
    read = [each for each in found if each.source]
    highest: dict[str, Scale] = {}
    for values in observe(model, sorted({each.input for each in read}), crops):
        for each in read:
            top = np.abs(values[each.input]).max(axis=(0, 2, 3)).astype(np.float64)
            highest[each.source] = np.maximum(highest.get(each.source, 0.0), top)
    widest: dict[str, Scale] = {}
    for each in read:
        if not each.is_depthwise:
            top = np.abs(to_array(stored[each.weight])).max(axis=(0, 2, 3)).astype(np.float64)
            widest[each.source] = np.maximum(widest.get(each.source, 0.0), top)
    scales = {}
    for name, top in highest.items():
        scale = np.maximum(top, _LEAST)
        if name in widest:  # a depth-wise filter has a scale for each channel: nothing is lost there
            scale = scale**alpha / np.maximum(widest[name], _LEAST) ** (1 - alpha)
        scale /= np.exp(np.log(scale).mean())
        scales[name] = np.clip(scale, 1 / _MOST_UNEVEN, _MOST_UNEVEN)
    return scales


def _convolutions(model: onnx.ModelProto) -> list[_Convolution]:
    """All that can be scaled on one side at least; a side that cannot is empty."""
    stored, readers = weights(model), consumers(model)
    sets = _Sets()
    fixed = {value.name for value in (*model.graph.input, *model.graph.output)}
    usable = []
    for node in model.graph.node:
        active = [name for name in node.input if name and name not in stored]
        if node.op_type == "Conv" and _is_usable(node, stored, readers):
            usable.append(node)
        elif node.op_type in _HOMOGENEOUS and not (node.op_type == "Add" and len(active) < len(node.input)):
            for name in active:
                sets.join(name, node.output[0])
            if node.op_type == "Mul" and len(active) > 1:
                fixed.update(node.output)
        else:
            fixed.update((*active, *node.output))
    roots = {sets.root(name) for name in fixed}

    def side(name: str) -> str:
        root = sets.root(name)
        return "" if root in roots else root

    return [
        _Convolution(
            node.input[0],
            node.input[1],
            node.input[2] if len(node.input) > 2 else "",
            side(node.input[0]),
            side(node.output[0]),
            _is_depthwise(node, stored),
        )
        for node in usable
    ]


def _is_usable(
    node: onnx.NodeProto, stored: dict[str, onnx.TensorProto], readers: dict[str, list[onnx.NodeProto]]
) -> bool:
    constants = list(node.input[1:])
    alone = all(name in stored and len(readers[name]) == 1 for name in constants if name)
    return alone and len(stored[node.input[1]].dims) == 4 and (_groups(node) == 1 or _is_depthwise(node, stored))


def _is_depthwise(node: onnx.NodeProto, stored: dict[str, onnx.TensorProto]) -> bool:
    groups = _groups(node)
    return groups > 1 and node.input[1] in stored and list(stored[node.input[1]].dims[:2]) == [groups, 1]


def _groups(node: onnx.NodeProto) -> int:
    return next((int(helper.get_attribute_value(each)) for each in node.attribute if each.name == "group"), 1)


def _store(tensor: onnx.TensorProto, values: npt.NDArray[np.float64]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))


class _Sets:
    """Tensors that have to be scaled alike, by one of them."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def root(self, name: str) -> str:
        while self._parents.get(name, name) != name:
            name = self._parents[name]
        return name

    def join(self, one: str, other: str) -> None:
        self._parents[self.root(one)] = self.root(other)
