"""Bits where they are needed: how sensitive each layer is, and the integer programme that shares out a budget.

For each layer l and width b the rounding of its weight alone, and of its input alone, is measured twice: E, the error
of the layer's own output relative to that output, and P, the fall of identity similarity, 1 - cosine between the
embeddings of the network with and without it. Then, for weights and activations apart,

    min Σ (E[l, b] + λ · P[l, b]) · x[l, b]     Σ_b x[l, b] = 1,  Σ c[l] · b · x[l, b] ≤ budget · Σ c[l],  x ∈ {0, 1}

with c the numbers that are rounded (weights of the layer; numbers of its input for one crop), solved exactly by HiGHS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from facesearch.encoders.lowbit.file import low_bit_layers
from facesearch.encoders.lowbit.layer import LowBitLayer, with_bits
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.errors import FacesearchError
from facesearch.quantization.lowbit.config import Config
from facesearch.quantization.lowbit.observe import Pixels, embeddings, identity_loss
from facesearch.quantization.lowbit.ranges import set_activation_range, set_weight_range

Floats = npt.NDArray[np.float64]

_MEASURED = (3, 4)  # bits; of wider ones the error falls by the same factor for each bit
_FALL = 0.25  # of a squared error with a further bit


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """Of `layers`, in order. error, identity: (layers, widths) E and P at each of `widths`; cost (layers,)."""

    layers: tuple[str, ...]
    widths: tuple[int, ...]
    error: Floats
    identity: Floats
    cost: Floats


@dataclass(frozen=True, slots=True)
class Widths:
    """Bits of each layer by name, and their average, weighted by what is rounded."""

    bits: Mapping[str, int]
    average: float


def share_out(found: Sensitivity, budget: float, weight_of_identity: float) -> Widths:
    """The widths with the least loss whose average stays within `budget` bits.

    weight_of_identity: λ in units in which P and E of all layers have the same sum at the middle width. Raises
    `FacesearchError` where SciPy is missing or the budget is below the smallest width.
    """
    try:
        from scipy.optimize import Bounds, LinearConstraint, milp
    except ImportError as error:
        raise FacesearchError(
            "allocating bits needs SciPy, which is not installed: pip install 'facesearch[torch]'"
        ) from error
    layers, widths = found.error.shape
    middle = widths // 2
    sums = max(found.error[:, middle].sum(), 1e-30), max(found.identity[:, middle].sum(), 1e-30)
    loss = found.error / sums[0] + weight_of_identity * found.identity / sums[1]
    one_each = np.kron(np.eye(layers), np.ones(widths))  # (layers, layers · widths)
    spent = (found.cost[:, None] * np.array(found.widths)).reshape(1, -1) / found.cost.sum()
    answer = milp(
        loss.reshape(-1) / loss.max(),
        integrality=np.ones(layers * widths),
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(one_each, 1, 1), LinearConstraint(spent, 0, budget + 1e-9)],
        options={"mip_rel_gap": 1e-4, "time_limit": 60},
    )
    if answer.x is None:
        raise FacesearchError(f"no widths of {found.widths[0]} bits or more average {budget:g}: ask for more bits")
    chosen = np.array(found.widths)[answer.x.reshape(layers, widths).argmax(axis=1)]
    bits = {name: int(width) for name, width in zip(found.layers, chosen, strict=True)}
    return Widths(bits, float((found.cost * chosen).sum() / found.cost.sum()))


def pareto(found: Sensitivity, budgets: Sequence[float], weight_of_identity: float) -> list[tuple[float, float, float]]:
    """For each budget: it, and the fall of identity similarity summed over layers with bits shared out, and with the
    same bits for all (NaN where that is no whole number)."""
    curve = []
    for budget in budgets:
        chosen = share_out(found, budget, weight_of_identity).bits
        columns = [found.widths.index(chosen[name]) for name in found.layers]
        shared = float(found.identity[np.arange(len(columns)), columns].sum())
        whole = found.widths.index(int(budget)) if float(budget).is_integer() else None
        uniform = float("nan") if whole is None else float(found.identity[:, whole].sum())
        curve.append((float(budget), shared, uniform))
    return curve


def average(bits: Mapping[str, int], cost: Mapping[str, float]) -> float:
    """The average width, weighted by what is rounded."""
    return sum(bits[name] * cost[name] for name in bits) / sum(cost[name] for name in bits)


def measure(
    network: CropNetwork,
    inputs: Mapping[str, torch.Tensor],
    numbers: Mapping[str, int],
    crops: Pixels,
    config: Config,
    widths: Sequence[int],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Sensitivity, Sensitivity]:
    """How sensitive a network of `LowBitLayer`s is: to rounding each weight, and to rounding each input.

    inputs: what each layer gets, (crops, …). numbers: of its input for one crop.
    """
    layers = low_bit_layers(network)
    for layer in layers.values():
        layer.rounds_weight = layer.rounds_activations = False
    expected = embeddings(network, crops)
    shape = (len(layers), len(widths))
    error, identity = (np.zeros(shape), np.zeros(shape)), (np.zeros(shape), np.zeros(shape))
    done = 0
    for row, (name, layer) in enumerate(layers.items()):
        some = inputs[name]
        with torch.no_grad():
            output = layer(some)
        for side in range(2):
            layer.rounds_weight, layer.rounds_activations = side == 0, side == 1
            measured: dict[int, tuple[float, float]] = {}
            for bits in _MEASURED:
                _narrow(layer, side, bits, some, config)
                with torch.no_grad():
                    lost = float((layer(some) - output).square().sum() / output.square().sum().clamp(min=1e-20))
                measured[bits] = lost, max(0.0, identity_loss(embeddings(network, crops), expected))
                done += 1
                progress(done, 4 * len(layers))
            for column, bits in enumerate(widths):
                error[side][row, column], identity[side][row, column] = _at(measured, bits)
        layer.rounds_weight = layer.rounds_activations = False
    for layer in layers.values():
        layer.rounds_weight = layer.rounds_activations = True
    names = tuple(layers)
    weights = np.array([layer.weight.numel() for layer in layers.values()], dtype=np.float64)
    values = np.array([numbers[name] for name in names], dtype=np.float64)
    return (
        Sensitivity(names, tuple(widths), error[0], identity[0], weights),
        Sensitivity(names, tuple(widths), error[1], identity[1], values),
    )


def set_bits(layer: LowBitLayer, weight: int, activation: int, inputs: torch.Tensor, config: Config) -> None:
    """Give a layer other widths, with ranges for them."""
    layer.precision = with_bits(layer.precision, weight, activation)
    set_weight_range(layer, config)
    set_activation_range(layer, inputs, config)


def _narrow(layer: LowBitLayer, side: int, bits: int, inputs: torch.Tensor, config: Config) -> None:
    if side == 0:
        layer.precision = with_bits(layer.precision, weight=bits)
        set_weight_range(layer, config)
    else:
        layer.precision = with_bits(layer.precision, activation=bits)
        set_activation_range(layer, inputs, config)


def _at(measured: Mapping[int, tuple[float, float]], bits: int) -> tuple[float, float]:
    if bits in measured:
        return measured[bits]
    widest = max(measured)
    if bits < min(measured):
        return tuple(value / _FALL ** (min(measured) - bits) for value in measured[min(measured)])  # type: ignore[return-value]
    factor = _FALL ** (bits - widest)
    return measured[widest][0] * factor, measured[widest][1] * factor
