"""MTCNN's three networks (Zhang et al. 2016) as ONNX, from the weights inside the facenet-pytorch wheel (MIT).

The graphs compute what facenet-pytorch's modules compute, rearranged to be fast in ONNX Runtime on a CPU:

- pixels come in as 0..255; the normalisation (x − 127.5) / 128 is folded into the first convolution;
- a PReLU in front of a max pooling moves behind it, where there are a quarter as many values. For slopes a ≥ 0 the
  two commute. For a < 0, prelu(x) = max(x, a·x), so the convolution yields both x and a·x for those channels, both
  are pooled, and the larger one is taken;
- in the first network, which looks at whole images, the other PReLUs become a·x + (1 − a)·relu(x), with the factors in
  convolutions of one pixel: ONNX Runtime keeps those in its blocked layout, and would reorder the data before and
  after its own PReLU;
- the two-class softmax becomes the difference of its logits: probability = sigmoid(logit).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from scripts.graph import Graph

Array = npt.NDArray[np.float64]
Weights = dict[str, Array]


def read_weights(name: str) -> Weights:
    """The state dict of `pnet`, `rnet` or `onet`, as float64, read with `weights_only=True`."""
    import torch

    spec = importlib.util.find_spec("facenet_pytorch")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("facenet-pytorch is not installed: pip install 'facesearch[torch]'")
    state = torch.load(Path(spec.origin).parent / "data" / f"{name}.pt", weights_only=True, map_location="cpu")
    return {key: value.double().numpy() for key, value in state.items()}


def _slope(weights: Weights, layer: str) -> Array:
    return weights[f"prelu{layer[-1]}.weight"]


def _column(values: Array) -> Array:
    return values.reshape(-1, 1, 1)


def _first(weights: Weights) -> tuple[Array, Array]:
    """The first convolution with the normalisation of the pixels folded in."""
    weight = weights["conv1.weight"] / 128.0
    return weight, weights["conv1.bias"] - 127.5 * weight.sum((1, 2, 3))


def _conv(graph: Graph, source: str, layer: str, weight: Array, weights: Weights) -> str:
    output = graph.conv(source, layer, weight, weights[layer + ".bias"])
    return graph.prelu(output, _column(_slope(weights, layer)))


def _conv_pool(
    graph: Graph, source: str, layer: str, weight: Array, bias: Array, slope: Array, size: int
) -> tuple[str, npt.NDArray[np.intp]]:
    """Convolution, PReLU, max pooling, with the PReLU behind; the output and the order of its channels."""
    negative, other = np.flatnonzero(slope < 0), np.flatnonzero(slope >= 0)
    order = np.concatenate([negative, other])
    scaled = weight[negative] * slope[negative, None, None, None]
    both = graph.conv(
        source,
        layer,
        np.concatenate([weight[order], scaled]),
        np.concatenate([bias[order], bias[negative] * slope[negative]]),
    )
    pooled = graph.max_pool(both, size, ceil=True)
    names = [layer + ".x", layer + ".positive", layer + ".ax"]
    x, positive, ax = graph.split(pooled, [len(negative), len(other), len(negative)], names)
    larger = graph.node("Max", [x, ax], layer + ".negative")
    scaled_positive = graph.prelu(positive, _column(slope[other]))
    return graph.node("Concat", [larger, scaled_positive], layer + ".joined", axis=1), order


def _scaled_sum(graph: Graph, source: str, output: str, slope: Array) -> str:
    """PReLU as a sum of two convolutions of one pixel, each scaling every channel on its own."""
    factors, none = slope[:, None, None, None], 0 * slope
    linear = graph.conv(source, output + ".linear", factors, none, groups=len(slope))
    relu = graph.node("Relu", [source], output + ".relu")
    return graph.node(
        "Add", [linear, graph.conv(relu, output + ".positive", 1 - factors, none, groups=len(slope))], output
    )


def _heads(weights: Weights, classifier: str, *others: str) -> tuple[Array, Array]:
    """All heads as one matrix: the face logit (difference of the two class logits) first."""
    weight, bias = weights[classifier + ".weight"], weights[classifier + ".bias"]
    rows = [weight[1:] - weight[:1], *(weights[name + ".weight"] for name in others)]
    return np.concatenate(rows), np.concatenate([bias[1:] - bias[:1], *(weights[name + ".bias"] for name in others)])


def _flatten(graph: Graph, source: str) -> str:
    # facenet-pytorch flattens (n, c, h, w) in the order w, h, c
    return graph.node("Flatten", [graph.node("Transpose", [source], "turned", perm=[0, 3, 2, 1])], "flat")


def build_pnet() -> bytes:
    """`image` (n, 3, h, w) float32 0..255 -> `out` (n, 5, h', w'): face logit and four box offsets per cell."""
    weights, graph = read_weights("pnet"), Graph("pnet")
    output, order = _conv_pool(graph, "image", "conv1", *_first(weights), _slope(weights, "conv1"), 2)
    output = graph.conv(output, "conv2", weights["conv2.weight"][:, order], weights["conv2.bias"])
    output = _scaled_sum(graph, output, "conv2.prelu", _slope(weights, "conv2"))
    output = graph.conv(output, "conv3", weights["conv3.weight"], weights["conv3.bias"])
    weight, bias = _heads(weights, "conv4_1", "conv4_2")
    slope = _slope(weights, "conv3")[:, None, None]
    linear = graph.conv(output, "out.linear", weight * slope, bias)
    positive = graph.conv(graph.node("Relu", [output], "conv3.relu"), "out.positive", weight * (1 - slope), 0 * bias)
    graph.node("Add", [linear, positive], "out")
    return graph.model({"image": (TensorProto.FLOAT, ["n", 3, "h", "w"])}, {"out": ["n", 5, "rows", "columns"]})


def build_rnet() -> bytes:
    """`image` (n, 3, 24, 24) float32 0..255 -> `out` (n, 5): face logit, four box offsets."""
    weights, graph = read_weights("rnet"), Graph("rnet")
    output, order = _conv_pool(graph, "image", "conv1", *_first(weights), _slope(weights, "conv1"), 3)
    weight = weights["conv2.weight"][:, order]
    output, order = _conv_pool(graph, output, "conv2", weight, weights["conv2.bias"], _slope(weights, "conv2"), 3)
    output = _conv(graph, output, "conv3", weights["conv3.weight"][:, order], weights)
    output = graph.gemm(_flatten(graph, output), "dense4", weights["dense4.weight"], weights["dense4.bias"])
    output = graph.prelu(output, weights["prelu4.weight"])
    graph.gemm(output, "out", *_heads(weights, "dense5_1", "dense5_2"))
    return graph.model({"image": (TensorProto.FLOAT, ["n", 3, 24, 24])}, {"out": ["n", 5]})


def build_onet() -> bytes:
    """`image` (n, 3, 48, 48) float32 0..255 -> `out` (n, 15): face logit, four box offsets, five x, five y."""
    weights, graph = read_weights("onet"), Graph("onet")
    output, order = _conv_pool(graph, "image", "conv1", *_first(weights), _slope(weights, "conv1"), 3)
    weight = weights["conv2.weight"][:, order]
    output, order = _conv_pool(graph, output, "conv2", weight, weights["conv2.bias"], _slope(weights, "conv2"), 3)
    weight = weights["conv3.weight"][:, order]
    output, order = _conv_pool(graph, output, "conv3", weight, weights["conv3.bias"], _slope(weights, "conv3"), 2)
    output = _conv(graph, output, "conv4", weights["conv4.weight"][:, order], weights)
    output = graph.gemm(_flatten(graph, output), "dense5", weights["dense5.weight"], weights["dense5.bias"])
    output = graph.prelu(output, weights["prelu5.weight"])
    graph.gemm(output, "out", *_heads(weights, "dense6_1", "dense6_2", "dense6_3"))
    return graph.model({"image": (TensorProto.FLOAT, ["n", 3, 48, 48])}, {"out": ["n", 15]})


BUILDERS: dict[str, Callable[[], bytes]] = {"pnet": build_pnet, "rnet": build_rnet, "onet": build_onet}
