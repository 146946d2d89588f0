"""Quantization-distillation: what corrects a rounded network is trained until it gives the float network's embeddings.

The loss needs no labels: 1 - cosine between the embeddings of both networks for the same crop, less what the float
network's embeddings have in common, and the relative squared error of some layers' outputs between them. Where
templates of different people lie close together (dlib's, at 0.83), what is common tells nobody apart and would hide the
rest. Crops are shown as they are and mirrored. Rounding passes gradients straight through, ranges learn as in LSQ
(`facesearch.encoders.lowbit.uniform.rounded`).

Trained are, by configuration, the low-rank branches A·B and L1·L2 (QD-LoRA, QuantFace 2506.00820), ranges, biases and
normalisations, and the weights that are rounded (as in Boutros et al., QuantFace, ICPR 2022).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from facesearch.encoders.lowbit.file import low_bit_layers
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.quantization.lowbit.config import Distillation
from facesearch.quantization.lowbit.observe import Pixels, embeddings, tensor_of

_WARM_UP = 0.05  # of the steps
_LARGEST_GRADIENT = 1.0
_CENTRED_ON = 256  # crops

Progress = Callable[[int, int, float], None]


def add_adapters(network: nn.Module, rank: int, seed: int) -> None:
    """Give each layer of one group the branch A·B: A drawn, B zero, so that nothing changes yet."""
    generator = torch.Generator().manual_seed(seed)
    for layer in low_bit_layers(network).values():
        if layer.shape.groups > 1:
            continue
        own = min(rank, layer.shape.outputs, layer.weight[0].numel())
        down = torch.randn(own, *layer.weight.shape[1:], generator=generator)
        down *= layer.weight[0].numel() ** -0.5
        layer.add_low_rank(down, torch.zeros(layer.shape.outputs, own))


def distil(
    student: CropNetwork,
    teacher: CropNetwork,
    crops: Pixels,
    training: Distillation,
    seed: int,
    progress: Progress = lambda done, total, loss: None,
) -> float:
    """Train `student` in place; returns the mean loss of the last tenth of the steps. crops (n, h, w, 3) uint8."""
    student.eval()
    rates = _rates(student, training)
    trained = list(rates)
    optimizer = torch.optim.Adam([{"params": [each], "lr": rate} for each, rate in rates.items()], eps=1e-12)
    generator = np.random.default_rng(seed)
    centre = embeddings(teacher, crops[:_CENTRED_ON]).mean(dim=0)
    losses = []
    with _outputs(student, training.features) as mine, _outputs(teacher, training.features, like=student) as theirs:
        for step, batch in enumerate(_batches(crops, training, generator)):
            factor = _schedule(step, training.steps)
            for group, rate in zip(optimizer.param_groups, rates.values(), strict=True):
                group["lr"] = rate * factor
            images = tensor_of(batch)
            with torch.no_grad():
                expected = nn.functional.normalize(teacher(images), dim=1)
            found = nn.functional.normalize(student(images), dim=1)
            loss = (1 - nn.functional.cosine_similarity(found - centre, expected - centre)).mean()
            losses.append(float(loss.detach()))
            for name, output in mine.items():
                apart = (output - theirs[name]).square().sum() / theirs[name].square().sum().clamp(min=1e-20)
                loss = loss + training.feature_loss / len(mine) * apart
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(trained, _LARGEST_GRADIENT)
            optimizer.step()
            _keep_sane(student)
            progress(step + 1, training.steps, losses[-1])
    student.requires_grad_(False)
    tail = losses[-max(1, len(losses) // 10) :]
    return sum(tail) / len(tail)


def _rates(student: nn.Module, training: Distillation) -> dict[nn.Parameter, float]:
    """What is trained, with its rate; everything else is held.

    Adam's steps are as long as its rate, whatever the gradient. So that one rate suits a network whatever its scale,
    each parameter's is relative to the size of its numbers; a factor of a low-rank branch, which may start at zero, has
    that of the square root of the weight beside it.
    """
    student.requires_grad_(False)
    rates: dict[nn.Parameter, float] = {}
    for layer in low_bit_layers(student).values():
        size = _size(layer.weight)
        if training.weights:
            rates[layer.weight] = training.rate * size
        if training.ranges:
            rates[layer.weight_scale] = training.rate * _size(layer.weight_scale)
            rates[layer.clip] = training.rate * _size(layer.clip)
        if layer.bias is not None:
            rates[layer.bias] = training.rate * _size(layer.bias)
        for factor in (layer.down, layer.up):
            if factor is not None:
                rates[factor] = training.correction_rate * math.sqrt(size)
    for module in student.modules():
        if isinstance(module, nn.LayerNorm):
            for parameter in (module.weight, module.bias):
                if parameter is not None:
                    rates[parameter] = training.rate * _size(parameter)
    for parameter in rates:
        parameter.requires_grad_(True)
    return rates


def _size(parameter: torch.Tensor) -> float:
    """Root of the mean square; a little where all is zero."""
    return max(float(parameter.detach().square().mean().sqrt()), 1e-4)


def _keep_sane(student: nn.Module) -> None:
    """Scales stay positive, and a dynamic range between a fifth and the whole of what was seen."""
    with torch.no_grad():
        for layer in low_bit_layers(student).values():
            layer.weight_scale.clamp_(min=2.0**-20)
            if layer.precision.rows != "tensor":
                layer.clip.clamp_(0.2, 1.0)
            else:
                layer.clip[0].clamp_(max=0.0)
                layer.clip[1].clamp_(min=1e-6)


def _batches(crops: Pixels, training: Distillation, generator: np.random.Generator) -> Iterator[Pixels]:
    """Each crop once in drawn order, half of them mirrored, then again."""
    order: list[int] = []
    for _ in range(training.steps):
        while len(order) < training.batch:
            order += generator.permutation(len(crops)).tolist()
        chosen, order = order[: training.batch], order[training.batch :]
        batch = np.stack([crops[at][:, ::-1] if generator.random() < 0.5 else crops[at] for at in chosen])
        yield np.ascontiguousarray(batch)


def _schedule(step: int, steps: int) -> float:
    """A short rise, then half a cosine down to zero."""
    rise = max(1, round(_WARM_UP * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


@contextmanager
def _outputs(network: nn.Module, count: int, like: nn.Module | None = None) -> Iterator[dict[str, torch.Tensor]]:
    """The outputs of `count` layers spread evenly over the network, of its latest pass. like: has the layers' names."""
    names = list(low_bit_layers(like or network))
    chosen = names[:: max(1, len(names) // count)][1 : count + 1] if count else []
    found: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, arguments: Any, output: torch.Tensor) -> None:
            found[name] = output

        return hook

    handles = [network.get_submodule(name).register_forward_hook(keep(name)) for name in chosen]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
