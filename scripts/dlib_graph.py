"""dlib's face recognition ResNet as ONNX, from the `.dat` inside face-recognition-models (CC0).

The network (`dnn_face_recognition_v1`, Davis King 2017): a 29-layer ResNet on 150×150 chips, 128-d output. What differs
from common practice: convolutions with stride 2 have no padding; where a block halves the resolution its skip path is
average-pooled, and of the two summands the smaller one is filled up with zeros at its right, bottom and last channels.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from scripts.dlib_dat import MODEL_FILE, Convolution, models_folder, read_network
from scripts.graph import Graph

CHIP_SIZE = 150
DIMENSION = 128
_MEAN_RGB = np.array([122.782, 117.001, 104.298])  # dlib's input_rgb_image
_SCALE = 1 / 256
_CHANNELS = [32] * 3 + [64] * 4 + [128] * 3 + [256] * 4
_HALVING = {3, 7, 10, 13}  # blocks that halve the resolution


def _folded(layer: Convolution) -> tuple[np.ndarray, np.ndarray]:
    gamma = layer.gamma.astype(np.float64)
    return layer.weight * gamma[:, None, None, None], layer.bias * gamma + layer.beta


def build_dlib_resnet(*, half_weights: bool) -> bytes:
    """`crops` (n, 150, 150, 3) uint8 RGB -> `embedding` (n, 128) float32, not normalised."""
    layers, matrix = read_network(models_folder() / MODEL_FILE)
    graph = Graph("dlib-resnet", half_weights=half_weights)
    pixels = graph.node("Cast", ["crops"], "pixels", to=TensorProto.FLOAT)
    planes = graph.node("Transpose", [pixels], "planes", perm=[0, 3, 1, 2])
    weight, bias = _folded(layers[0])
    weight = weight * _SCALE
    bias = bias - (weight * _MEAN_RGB[None, :, None, None]).sum((1, 2, 3))
    x = graph.node("Relu", [graph.conv(planes, "stem", weight, bias, stride=2)], "stem.relu")
    x = graph.max_pool(x, 3, ceil=False)
    size, channels = 35, 32  # 150 -> 72 (7×7, stride 2) -> 35 (pool 3, stride 2)
    for block, width in enumerate(_CHANNELS):
        name = f"block{block}"
        first, second = layers[1 + 2 * block : 3 + 2 * block]
        halving = block in _HALVING
        y = graph.conv(x, name + ".a", *_folded(first), stride=2 if halving else 1, pad=0 if halving else 1)
        y = graph.conv(graph.node("Relu", [y], name + ".a.relu"), name + ".b", *_folded(second), pad=1)
        if halving:
            pooled = {"kernel_shape": [2, 2], "strides": [2, 2]}
            x = graph.node("AveragePool", [x], name + ".skip", **pooled)
            main, skip = (size - 3) // 2 + 1, size // 2
            size = max(main, skip)
            y = _fill(graph, y, name + ".b.filled", 0, size - main)
            x = _fill(graph, x, name + ".skip.filled", width - channels, size - skip)
            channels = width
        x = graph.node("Relu", [graph.node("Add", [y, x], name + ".sum")], name + ".relu")
    x = graph.node("Flatten", [graph.node("GlobalAveragePool", [x], "mean")], "flat")
    graph.gemm(x, "embedding", matrix.T)
    shape: list[int | str] = ["n", CHIP_SIZE, CHIP_SIZE, 3]
    return graph.model({"crops": (TensorProto.UINT8, shape)}, {"embedding": ["n", DIMENSION]})


def _fill(graph: Graph, source: str, output: str, channels: int, pixels: int) -> str:
    """Zeros appended to the channels and to the right and bottom."""
    if not channels and not pixels:
        return source
    return graph.node(
        "Pad", [source, graph.constant(output + ".pads", [0, 0, 0, 0, 0, channels, pixels, pixels])], output
    )
