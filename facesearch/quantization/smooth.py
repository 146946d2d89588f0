"""SmoothQuant on an ONNX graph: move what is hard to quantize from the activations into the weights.

Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models", ICML 2023
(arXiv 2211.10438), equation 4: s_j = max|X_j|^α / max|W_j|^(1−α) for each input channel j of a linear layer; X is
divided by s and W multiplied with it, which leaves the product as it was.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from facesearch.quantization.onnx_layers import (
    Layer,
    Pixels,
    consumers,
    layers,
    linear_weights,
    observe,
    producers,
    to_array,
    weights,
)

_LEAST = 1e-5  # of a maximum, as in the authors' code
_MOST_UNEVEN = 1e4  # ratio of a scale to their mean: a channel that is nearly always zero needs no more


def smooth(model: onnx.ModelProto, crops: Pixels, alpha: float, skip: Collection[str] = ()) -> list[str]:
    """Equalise the inputs of the linear layers of a prepared model in place; returns the names of those layers.

    crops: (n, h, w, 3) for the ranges. alpha: 0 leaves the difficulty with the activations, 1 moves all of it to the
    weights. skip: names of layers to leave alone; so are those whose weights another node reads too.

    The division is folded into the layer normalisation before, where nothing else reads it, else done at run time by
    one product with a constant.
    """
    readers, makers, stored = consumers(model), producers(model), weights(model)
    outputs = {output.name for output in model.graph.output}
    found = [
        layer
        for layer in layers(model)
        if layer.is_linear and layer.name not in skip and len(readers[layer.weight]) == 1
    ]
    groups: dict[str, list[Layer]] = {}  # layers that share an input share its scale
    for layer in found:
        groups.setdefault(layer.input, []).append(layer)
    highest = channel_maxima(model, list(groups), crops)
    for tensor, group in groups.items():
        scale = _scale(highest[tensor], [linear_weights(layer, stored) for layer in group], alpha)  # (inputs,)
        for layer in group:
            values = linear_weights(layer, stored) * scale[:, None]
            stored[layer.weight].CopyFrom(
                numpy_helper.from_array(np.ascontiguousarray(values if layer.inputs_first else values.T), layer.weight)
            )
        names = {layer.name for layer in group}
        maker = makers.get(tensor)
        alone = tensor not in outputs and all(node.name in names for node in readers[tensor])
        if not (alone and maker is not None and _fold(model, maker, readers, scale)):
            _divide(model, tensor, names, scale)
    return [layer.name for layer in found]


def channel_maxima(model: onnx.ModelProto, tensors: list[str], crops: Pixels) -> dict[str, npt.NDArray[np.float64]]:
    """The largest magnitude of each channel (last axis) of each tensor over all crops."""
    found: dict[str, npt.NDArray[np.float64]] = {}
    for values in observe(model, tensors, crops):
        for name in tensors:
            array = np.abs(values[name]).reshape(-1, values[name].shape[-1]).max(axis=0).astype(np.float64)
            found[name] = np.maximum(found[name], array) if name in found else array
    return found


def _scale(
    highest: npt.NDArray[np.float64], matrices: list[npt.NDArray[np.float32]], alpha: float
) -> npt.NDArray[np.float32]:
    widest = np.max([np.abs(matrix).max(axis=1) for matrix in matrices], axis=0).astype(np.float64)  # (inputs,)
    scale = np.maximum(highest, _LEAST) ** alpha / np.maximum(widest, _LEAST) ** (1 - alpha)
    scale /= np.exp(np.log(scale).mean())  # keeps the magnitudes of both sides
    limited: npt.NDArray[np.float32] = np.clip(scale, 1 / _MOST_UNEVEN, _MOST_UNEVEN).astype(np.float32)
    return limited


def _fold(
    model: onnx.ModelProto,
    maker: onnx.NodeProto,
    readers: dict[str, list[onnx.NodeProto]],
    scale: npt.NDArray[np.float32],
) -> bool:
    """Divide the gain and bias of a layer normalisation; False where the node is none, or shares them."""
    if maker.op_type != "LayerNormalization":
        return False
    stored = weights(model)
    constants = [name for name in maker.input[1:] if name]
    if not all(
        name in stored and len(readers[name]) == 1 and to_array(stored[name]).shape == scale.shape for name in constants
    ):
        return False
    for name in constants:
        stored[name].CopyFrom(numpy_helper.from_array(to_array(stored[name]) / scale, name))
    return True


def _divide(model: onnx.ModelProto, tensor: str, names: set[str], scale: npt.NDArray[np.float32]) -> None:
    """Put a product with 1 / scale between a tensor and the layers of these names."""
    graph = model.graph
    constant, result = f"{tensor}/smooth_scale", f"{tensor}/smoothed"
    graph.initializer.append(numpy_helper.from_array((1 / scale).astype(np.float32), constant))
    first = next(place for place, node in enumerate(graph.node) if node.name in names)
    for node in graph.node:
        if node.name in names:
            node.input[0] = result
    graph.node.insert(first, helper.make_node("Mul", [tensor, constant], [result], name=f"{tensor}/smooth"))
