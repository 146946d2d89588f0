"""An FP32 ONNX model -> ONNX with linear layers whose weights have 4 bits, and stay so when it runs.

ONNX Runtime's operator MatMulNBits (com.microsoft) keeps blocks of weights as integers with a scale and a zero point
each and widens them inside the product: file and memory are small. Activations stay float. All other weights
(convolutions, the head) are stored as INT8 with a scale per output channel and widened when the model is loaded.

Weights are rounded one input after the other, and what rounding one of them changes in the layer's output is made up
for by those that follow: Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
Transformers", ICLR 2023.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from facesearch.errors import UsageError
from facesearch.quantization.balanced import quantize_layers
from facesearch.quantization.fidelity import summarise
from facesearch.quantization.onnx_int8 import QuantizedModel
from facesearch.quantization.onnx_layers import Layer, Pixels, embed, layers, linear_weights, observe, prepare, weights

SCHEME = "w4-gptq"

_BITS = 4
_LEVELS = 2**_BITS - 1
_BLOCK = 32  # weights that share a scale and a zero point
_DAMPING = 0.01  # of the mean of the diagonal: inputs that never vary would make it singular
_DOMAIN = "com.microsoft"

Values = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Rounded:
    """A matrix (k, n) in blocks along k: codes (k', n), k' padded; scales and zeros (blocks, n)."""

    codes: Codes
    scales: Values
    zeros: Codes

    def values(self, inputs: int) -> Values:
        """The matrix (inputs, n) that it stands for."""
        spread = np.repeat(self.scales, _BLOCK, axis=0), np.repeat(self.zeros, _BLOCK, axis=0)
        matrix: Values = (self.codes.astype(np.float32) - spread[1]) * spread[0]
        return matrix[:inputs]


def quantize_weights(
    data: bytes, calibration: Pixels, held_out: Pixels, step: Callable[[str], None] = lambda text: None
) -> QuantizedModel:
    """Quantize the weights of an FP32 model: crops (n, h, w, 3) uint8 -> embedding (n, d) float32.

    calibration, held_out: crops (n, h, w, 3) uint8; the second are those that fidelity is measured on. Raises
    `UsageError` for a model without products with a constant matrix, as one of convolutions alone.
    """
    prepared = prepare(data)
    found = layers(prepared)
    linear = [layer for layer in found if layer.op_type == "MatMul"]
    if not linear:
        raise UsageError("precision w4 is for linear layers, of which this model has none: use int8")
    step("observing the inputs of linear layers")
    moments = _second_moments(prepared, linear, calibration)
    step("rounding weights")
    stored = weights(prepared)
    rounded = {layer.name: round_matrix(linear_weights(layer, stored), moments[layer.input]) for layer in linear}
    rest = {layer.name for layer in found} - set(rounded)
    made = _with_products(quantize_layers(prepared, {}, activations=(), weights_of=rest), linear, rounded)
    return QuantizedModel(
        made.SerializeToString(deterministic=True), summarise(embed(prepared, held_out), embed(made, held_out))
    )


def round_matrix(matrix: Values, moments: npt.NDArray[np.float64]) -> Rounded:
    """Round a matrix (k, n) whose inputs have second moments (k, k), so that its products change little."""
    k, n = matrix.shape
    padded = -(-k // _BLOCK) * _BLOCK
    codes = np.zeros((padded, n), np.uint8)
    scales = np.empty((padded // _BLOCK, n), np.float32)
    zeros = np.empty((padded // _BLOCK, n), np.uint8)
    damped = moments + np.eye(k) * max(_DAMPING * float(np.diag(moments).mean()), 1e-12)
    follow = np.linalg.cholesky(np.linalg.inv(damped)).T  # upper: row i says what the inputs after i make up for
    left = matrix.astype(np.float64)
    for row in range(k):
        block = row // _BLOCK
        if row % _BLOCK == 0:
            part = left[row : row + _BLOCK]
            low, high = np.minimum(part.min(axis=0), 0), np.maximum(part.max(axis=0), 0)
            scales[block] = np.maximum((high - low) / _LEVELS, 1e-8)
            zeros[block] = np.clip(np.round(-low / scales[block]), 0, _LEVELS)
        scale, zero = scales[block].astype(np.float64), zeros[block].astype(np.float64)
        code = np.clip(np.round(left[row] / scale) + zero, 0, _LEVELS)
        codes[row] = code
        wrong = (left[row] - (code - zero) * scale) / follow[row, row]
        left[row + 1 :] -= np.outer(follow[row, row + 1 :], wrong)
    codes[k:] = np.repeat(zeros[-1:], padded - k, axis=0)
    return Rounded(codes, scales, zeros)


def _second_moments(model: onnx.ModelProto, linear: list[Layer], crops: Pixels) -> dict[str, npt.NDArray[np.float64]]:
    names = sorted({layer.input for layer in linear})
    sums: dict[str, npt.NDArray[np.float64]] = {}
    for values in observe(model, names, crops):
        for name in names:
            rows = values[name].reshape(-1, values[name].shape[-1]).astype(np.float64)
            sums[name] = sums.get(name, 0) + rows.T @ rows
    return sums


def _with_products(model: onnx.ModelProto, linear: list[Layer], rounded: dict[str, Rounded]) -> onnx.ModelProto:
    """The model with MatMulNBits in place of linear layers."""
    by_name = {layer.name: layer for layer in linear}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        layer = by_name.get(node.name)
        nodes.append(node if layer is None else _product(model.graph, node, layer, rounded[node.name]))
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept)
    if _DOMAIN not in {each.domain for each in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    return model


def _product(graph: onnx.GraphProto, node: onnx.NodeProto, layer: Layer, rounded: Rounded) -> onnx.NodeProto:
    shape = next(list(tensor.dims) for tensor in graph.initializer if tensor.name == layer.weight)
    k, n = shape if layer.inputs_first else shape[::-1]
    blocks = len(rounded.scales)
    parts: dict[str, npt.NDArray[Any]] = {
        "codes": _nibbles(rounded.codes.T).reshape(n, blocks, _BLOCK // 2),
        "scales": np.ascontiguousarray(rounded.scales.T).reshape(-1),
        "zeros": _nibbles(rounded.zeros.T).reshape(-1),
    }
    names = []
    for part, values in parts.items():
        names.append(f"{node.name}/{part}")
        graph.initializer.append(numpy_helper.from_array(values, names[-1]))
    return helper.make_node(
        "MatMulNBits",
        [layer.input, *names],
        list(node.output),
        name=node.name,
        domain=_DOMAIN,
        K=k,
        N=n,
        bits=_BITS,
        block_size=_BLOCK,
    )


def _nibbles(codes: Codes) -> Codes:
    """Two codes per byte along the last axis, the first in the low half."""
    if codes.shape[-1] % 2:
        codes = np.concatenate([codes, np.zeros((*codes.shape[:-1], 1), np.uint8)], axis=-1)
    return np.ascontiguousarray(codes[..., ::2] | codes[..., 1::2] << np.uint8(4))
