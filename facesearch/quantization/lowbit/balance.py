"""Rotation-scaling channel balancing: which channel scales and which rotation a layer gets, and where they fit free.

Scaling comes first, the rotation second, as QuantFace (arXiv 2506.00820) draws it:

    y = x · W = (x · S⁻¹ · H)(Hᵀ · S · W)        s_j = max|x_j|^α / max|w_j|^(1 - α)

The scale is SmoothQuant's (Xiao et al., ICML 2023). A scale goes into the layer normalisation or linear layer before
where that feeds nothing else; a rotation into a linear layer before. Everything else is applied at run time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from facesearch.encoders.lowbit.layer import LowBitLayer, shape_of
from facesearch.encoders.lowbit.signed_rotation import random_signs, rotate
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.quantization.lowbit.config import Config
from facesearch.quantization.lowbit.observe import Observed, Pixels, tensor_of
from facesearch.quantization.lowbit.ranges import precision_for, set_ranges

_ALPHAS = (None, 0.25, 0.5, 0.75)  # that a search tries; None: channels stay as they are
_TRIED = 8  # crops
_SMALLEST = 1e-5  # of a maximum
_MOST = 2.0**12  # between the largest and the smallest scale of a layer
_EQUAL = 1e-4  # how far embeddings of unit length may move where a scale is moved to another layer


@dataclass(frozen=True, slots=True)
class Balance:
    """What was chosen for a layer. scale (channels,), None for none; error: what its rounding costs, of its output."""

    scale: torch.Tensor | None
    rotated: bool
    error: float


def channel_scale(inputs: torch.Tensor, weight: torch.Tensor, alpha: float) -> torch.Tensor:
    """s (channels,) for inputs (crops, …) with channels last, of a weight (out, in, …); its geometric mean is 1."""
    largest = inputs.reshape(-1, inputs.shape[-1]).abs().amax(dim=0).clamp(min=_SMALLEST)
    of_weight = weight.movedim(1, 0).flatten(1).abs().amax(dim=1).clamp(min=_SMALLEST)
    logs = alpha * largest.log() - (1 - alpha) * of_weight.log()
    logs = (logs - logs.mean()).clamp(-0.5 * torch.tensor(_MOST).log(), 0.5 * torch.tensor(_MOST).log())
    return logs.exp()


def choose(plain: nn.Module, seen: Observed, config: Config, seed: int, bits: tuple[int, int]) -> Balance:
    """The scale and rotation of a layer under a configuration; a search takes those with the least error."""
    shape = shape_of(plain)
    can_rotate = shape.groups == 1 and shape.channels > 1
    can_scale = shape.groups == 1
    rotations = {"none": (False,), "all": (can_rotate,), "search": (False, True) if can_rotate else (False,)}
    alphas = {"none": (None,), "fixed": (config.alpha,), "search": _ALPHAS}
    inputs = seen.inputs[:_TRIED]
    weight = plain.get_parameter("weight").detach()
    last = inputs if shape.kernel is None else inputs.movedim(1, -1)
    with torch.no_grad():
        expected = plain(inputs)
        power = float(expected.square().sum())
        tried = []
        for alpha in alphas[config.scaling] if can_scale else (None,):
            scale = None if alpha is None else channel_scale(last, weight, alpha)
            for turned in rotations[config.rotation]:
                layer = LowBitLayer.of(plain, precision_for(shape, config, *bits))
                apply(layer, Balance(scale, turned, 0.0), config.rank, seed)
                set_ranges(layer, inputs, config)
                lost = float((layer(inputs) - expected).square().sum()) / max(power, 1e-20)
                tried.append(Balance(scale, turned, lost))
    return min(tried, key=lambda each: each.error)


def apply(layer: LowBitLayer, balance: Balance, rank: int, seed: int) -> None:
    """Bring the scale, the low-rank branch and the rotation into a layer; in floats its output stays what it was.

    rank: of the branch L1·L2 from the singular values of S · W (Li et al., "SVDQuant", ICLR 2025); what is left of the
    weight is what will be rounded.
    """
    if balance.scale is not None:
        layer.scale_channels(balance.scale)
    rank = min(rank, *layer.weight.flatten(1).shape) if layer.shape.groups == 1 else 0
    if rank:
        out = layer.shape.outputs
        up, down = low_rank(layer.weight.detach().flatten(1), rank)
        down = down.reshape(rank, *layer.weight.shape[1:])
        layer.weight.data = layer.weight - (up @ down.reshape(rank, -1)).reshape(out, *layer.weight.shape[1:])
        if layer.channel_scale is not None:  # the branch gets the input as it is
            inverse = layer.channel_scale.detach()
            down = down * inverse.reshape(1, -1, *[1] * (down.ndim - 2))
        layer.add_low_rank(down.contiguous(), up.contiguous())
    if balance.rotated:
        layer.rotate_channels(seed)


def low_rank(weight: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """up (out, rank) and down (rank, k) whose product is the best of that rank to a weight (out, k).

    Each gets the square root of the singular values.
    """
    wide = weight.double()
    tall = wide.shape[0] > wide.shape[1]
    small = wide.T if tall else wide  # (m, k), m the smaller side
    values, vectors = torch.linalg.eigh(small @ small.T)
    left = vectors[:, -rank:]  # (m, rank)
    root = values[-rank:].clamp(min=1e-30).sqrt().sqrt()  # of the singular values
    one, other = left * root, (left.T @ small) / root[:, None]
    up, down = (other.T, one.T) if tall else (one, other)
    return up.float().contiguous(), down.float().contiguous()


def fold(network: CropNetwork, seen: Observed, balance: Balance, seed: int, crops: Pixels) -> Balance:
    """Move what can be moved into the layer before; returns what is left for run time.

    network: plain still, at this layer and at the one before; both change. Where the output of the layer before is also
    used by something that is no layer, the embeddings change, and everything is put back.
    """
    if seen.feeder is None or (balance.scale is None and not balance.rotated):
        return balance
    feeder, layer = network.get_submodule(seen.feeder), network.get_submodule(seen.name)
    turns = balance.rotated and isinstance(feeder, nn.Linear)
    if balance.scale is None and not turns:
        return balance
    with torch.no_grad():
        before = nn.functional.normalize(network(tensor_of(crops)), dim=1)
        own = [each.detach().clone() for each in (*feeder.parameters(), *layer.parameters())]
        _move(feeder, layer, balance, seed if turns else None)
        after = nn.functional.normalize(network(tensor_of(crops)), dim=1)
        if bool((before - after).abs().amax() > _EQUAL):
            for parameter, value in zip((*feeder.parameters(), *layer.parameters()), own, strict=True):
                parameter.copy_(value)
            return balance
    return Balance(None, balance.rotated and not turns, balance.error)


def moved_inputs(seen: Observed, kernel: bool, before: Balance, left: Balance, seed: int) -> torch.Tensor:
    """The inputs (crops, …) that a layer gets after `fold`; kernel: whether it is a convolution, channels second."""
    inputs = seen.inputs
    if before.scale is not None and left.scale is None:
        inputs = inputs / (before.scale.reshape(1, -1, 1, 1) if kernel else before.scale)
    if before.rotated and not left.rotated:
        inputs = rotate(inputs, random_signs(inputs.shape[-1], seed))
    return inputs


def _move(feeder: nn.Module, layer: nn.Module, balance: Balance, seed: int | None) -> None:
    weight = layer.get_parameter("weight")
    outputs = [each for each in (feeder.get_parameter("weight"), getattr(feeder, "bias", None)) if each is not None]
    if balance.scale is not None:
        scale = balance.scale
        weight.mul_(scale.reshape(1, -1, *[1] * (weight.ndim - 2)))
        for each in outputs:
            each.div_(scale.reshape(-1, *[1] * (each.ndim - 1)))
    if seed is not None:
        signs = random_signs(weight.shape[1], seed)
        weight.copy_(rotate(weight, signs))
        for each in outputs:
            each.copy_(rotate(each.movedim(0, -1), signs).movedim(-1, 0))
