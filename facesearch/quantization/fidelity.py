"""How near a quantized model is to its FP32 original: cosine of templates, signal-to-noise ratio of each layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from facesearch.quantization.onnx_layers import Layer, Pixels, Values, embed, observe

_BEST = 120.0  # dB; what is as good as equal, and not infinite in JSON


@dataclass(frozen=True, slots=True)
class LayerFidelity:
    """Signal-to-noise ratio of a layer's output against FP32, in dB: 10 log10(Σ x² / Σ (x − x')²)."""

    layer: str
    op_type: str
    snr_db: float


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Cosine of templates to their FP32 originals, over `crops` crops that were not used for calibration.

    p1: first percentile. layers: worst first; empty where the layers of the two models cannot be matched.
    """

    crops: int
    mean: float
    p1: float
    minimum: float
    layers: tuple[LayerFidelity, ...] = ()


def cosines(original: Values, found: Values) -> npt.NDArray[np.float64]:
    """Row by row: (n, d), (n, d) -> (n,)."""
    a, b = original.astype(np.float64), found.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products: npt.NDArray[np.float64] = (a * b).sum(axis=1) / np.maximum(lengths, 1e-12)
    return products


def summarise(original: Values, found: Values, per_layer: Iterable[LayerFidelity] = ()) -> Fidelity:
    """The fidelity of embeddings (n, d) to the originals (n, d)."""
    near = cosines(original, found)
    worst_first = tuple(sorted(per_layer, key=lambda each: (each.snr_db, each.layer)))
    return Fidelity(len(near), float(near.mean()), float(np.percentile(near, 1)), float(near.min()), worst_first)


def layer_fidelity(
    original: onnx.ModelProto, quantized: onnx.ModelProto, nodes: Iterable[Layer], crops: Pixels
) -> list[LayerFidelity]:
    """The signal-to-noise ratio of the output of each of `nodes`, with the errors of all layers before it.

    Both models are run on crops (n, h, w, 3); layers are matched by the name of their output, and those whose output
    has gone from the quantized model are left out. An output that is rounded is taken as the next layer gets it: where
    a ReLU has been merged into the rounding, that cuts off what is negative.
    """
    there = {name for node in quantized.graph.node for name in node.output}
    wanted = [layer for layer in nodes if layer.output in there]
    names = [layer.output for layer in wanted]
    rounded = _rounded(quantized)
    received = [rounded.get(name, name) for name in names]
    power, noise = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for expected, found in zip(observe(original, names, crops), observe(quantized, received, crops), strict=True):
        for name in names:
            real = expected[name].astype(np.float64)
            power[name] += float((real**2).sum())
            noise[name] += float(((real - found[rounded.get(name, name)]) ** 2).sum())
    return [
        LayerFidelity(each.name, each.op_type, _decibels(power[each.output], noise[each.output])) for each in wanted
    ]


def lost_alone(
    expected: Values,
    names: Iterable[str],
    with_only: Callable[[str], onnx.ModelProto],
    crops: Pixels,
) -> list[tuple[float, str]]:
    """How far each layer alone, quantized, takes the embeddings (n, d) from `expected`, and its name; the worst first.

    with_only: the model with one layer quantized. What is lost is 1 − mean cosine.
    """
    lost = [(1 - float(cosines(expected, embed(with_only(name), crops)).mean()), name) for name in names]
    return sorted(lost, key=lambda each: (-each[0], each[1]))


def _rounded(model: onnx.ModelProto) -> dict[str, str]:
    """Names of float tensors -> of the same after QuantizeLinear and DequantizeLinear, where there are such."""
    codes = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    floats = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    return {name: floats[code] for name, code in codes.items() if code in floats}


def _decibels(power: float, noise: float) -> float:
    if not noise or not power:
        return _BEST
    return min(_BEST, 10 * math.log10(power / noise))
