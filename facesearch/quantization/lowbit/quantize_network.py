"""From a float network to one of few bits: balance, ranges, bits, corrections, training, in that order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from facesearch.encoders.lowbit.file import LowBitNetwork, dump, low_bit_layers, settle
from facesearch.encoders.lowbit.layer import LowBitLayer, shape_of
from facesearch.encoders.lowbit.signed_rotation import operations
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.quantization.lowbit.allocate import Sensitivity, average, measure, set_bits, share_out
from facesearch.quantization.lowbit.balance import Balance, apply, choose, fold, moved_inputs
from facesearch.quantization.lowbit.config import Config
from facesearch.quantization.lowbit.distil import add_adapters, distil
from facesearch.quantization.lowbit.observe import Observed, Pixels, clone, observe
from facesearch.quantization.lowbit.ranges import precision_for, set_ranges

_OBSERVED = 32  # crops
_FOLD_TRIED = 2

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LayerReport:
    """What became of a layer. scale, rotation: "no", "folded" into the layer before, or "run time"."""

    name: str
    weight_bits: int
    activation_bits: int
    scale: str
    rotation: str
    rank: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was made. weight_bits, activation_bits: averages over all numbers that are rounded.

    file_bytes: of the whole file, corrections included. products: multiply-adds of the layers for one crop; extra: the
    operations for one crop that run-time scales, rotations and low-rank branches add. loss: at the end of training.
    """

    weight_bits: float
    activation_bits: float
    file_bytes: int
    products: int
    extra: int
    layers: tuple[LayerReport, ...]
    loss: float | None = None
    sensitivity: tuple[Sensitivity, Sensitivity] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """A network of few bits, settled, and its file."""

    made: LowBitNetwork
    data: bytes
    report: Report


def quantize(
    network: CropNetwork,
    family: str,
    config: Config,
    crops: Pixels,
    *,
    step: Step = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Quantized:
    """Bring every convolution and linear layer that runs to few bits; `network` itself stays as it is.

    network: of a family, in floats. crops (n, h, w, 3) uint8 RGB of faces of anybody: the first are measured, all are
    trained on. progress: of the longest part.
    """
    student = clone(network)
    step("balancing channels")
    seen = observe(student, crops[:_OBSERVED])
    inputs, balances = _balance(student, seen, config, crops, progress)
    numbers = {each.name: each.numbers for each in seen}
    order = [each.name for each in seen]
    sensitivity = None
    if config.allocation is not None:
        sensitivity = _allocate(student, inputs, numbers, config, crops, step, progress)
    loss = None
    if config.adapter_rank and config.training:
        add_adapters(student, config.adapter_rank, config.seed)
    if config.training is not None:
        step(f"training {config.training.steps} steps")
        loss = distil(student, network, crops, config.training, config.seed, lambda a, b, _: progress(a, b))
    settle(student)
    made = LowBitNetwork(student.eval(), family, config.precision, config.scheme)
    data = dump(made)
    return Quantized(made, data, _report(student, order, numbers, balances, seen, data, loss, sensitivity))


def balanced(network: CropNetwork, config: Config, crops: Pixels) -> CropNetwork:
    """A copy whose layers are scaled, rotated and split as configured; nothing is rounded: the same in floats."""
    student = clone(network)
    _balance(student, observe(student, crops[:_OBSERVED]), config, crops, lambda done, total: None)
    for layer in low_bit_layers(student).values():
        layer.rounds_activations = layer.rounds_weight = False
    return student


def _balance(
    student: CropNetwork, seen: list[Observed], config: Config, crops: Pixels, progress: Callable[[int, int], None]
) -> tuple[dict[str, torch.Tensor], dict[str, tuple[Balance, Balance]]]:
    """Replace every layer; returns what each gets now, and of each its balance and what of that is left for run time.

    From the last layer to the first: what is moved into the layer before is there when that one's turn comes.
    """
    inputs: dict[str, torch.Tensor] = {}
    balances: dict[str, tuple[Balance, Balance]] = {}
    bits = (config.weight_bits, config.activation_bits)
    for number, each in enumerate(reversed(seen)):
        seed = config.seed + len(seen) - 1 - number
        plain = student.get_submodule(each.name)
        wanted = choose(plain, each, config, seed, bits)
        left = fold(student, each, wanted, seed, crops[:_FOLD_TRIED])
        shape = shape_of(plain)
        inputs[each.name] = moved_inputs(each, shape.kernel is not None, wanted, left, seed)
        layer = LowBitLayer.of(plain, precision_for(shape, config, *bits))
        apply(layer, left, config.rank, seed)
        set_ranges(layer, inputs[each.name], config)
        student.set_submodule(each.name, layer)
        balances[each.name] = (wanted, left)
        progress(number + 1, len(seen))
    return inputs, balances


def _allocate(
    student: CropNetwork,
    inputs: dict[str, torch.Tensor],
    numbers: dict[str, int],
    config: Config,
    crops: Pixels,
    step: Step,
    progress: Callable[[int, int], None],
) -> tuple[Sensitivity, Sensitivity]:
    wanted = config.allocation
    assert wanted is not None  # noqa: S101
    step("measuring sensitivities")
    widths = tuple(range(wanted.fewest, wanted.most + 1))
    some = {name: values[: wanted.crops] for name, values in inputs.items()}
    found = measure(student, some, numbers, crops[: wanted.crops], config, widths, progress)
    budgets = (wanted.budget or config.weight_bits, wanted.budget or config.activation_bits)
    weights, activations = (
        share_out(each, budget, wanted.identity) for each, budget in zip(found, budgets, strict=True)
    )
    for name, layer in low_bit_layers(student).items():
        set_bits(layer, weights.bits[name], activations.bits[name], inputs[name], config)
    return found


def _report(
    student: CropNetwork,
    order: list[str],
    numbers: dict[str, int],
    balances: dict[str, tuple[Balance, Balance]],
    seen: list[Observed],
    data: bytes,
    loss: float | None,
    sensitivity: tuple[Sensitivity, Sensitivity] | None,
) -> Report:
    layers = low_bit_layers(student)
    rows, products, extra = [], 0, 0
    for name in order:
        layer, (wanted, left) = layers[name], balances[name]
        positions = numbers[name] // layer.shape.channels  # tokens or pixels of one crop
        outputs = positions // (layer.shape.stride[0] * layer.shape.stride[1])
        products += outputs * layer.weight.numel()
        if layer.channel_scale is not None:
            extra += numbers[name]
        if layer.signs is not None:
            extra += positions * operations(layer.shape.channels)
        if layer.down is not None and layer.up is not None:
            extra += outputs * (layer.down.numel() + layer.up.numel())
        rows.append(
            LayerReport(
                name,
                layer.precision.weight.bits,
                layer.precision.activation.bits,
                _where(wanted.scale is not None, left.scale is not None),
                _where(wanted.rotated, left.rotated),
                layer.rank,
            )
        )
    return Report(
        average({row.name: row.weight_bits for row in rows}, {name: layers[name].weight.numel() for name in order}),
        average({row.name: row.activation_bits for row in rows}, numbers),
        len(data),
        products,
        extra,
        tuple(rows),
        loss,
        sensitivity,
    )


def _where(wanted: bool, left: bool) -> str:
    return "run time" if left else ("folded" if wanted else "no")
