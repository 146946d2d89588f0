"""The ranges of a layer's weight and activations, found from the weight and from what the layer gets."""

from __future__ import annotations

import torch

from facesearch.encoders.lowbit.layer import LowBitLayer, Precision, Shape
from facesearch.encoders.lowbit.uniform import Grid, find_steps, rounded, rows_of_weight, steps_between
from facesearch.quantization.lowbit.config import Config

_SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5)
_ROWS = 4096  # that are looked at
_NUMBERS = 1 << 20
_PERCENTILE = 99.9


def precision_for(shape: Shape, config: Config, weight_bits: int, activation_bits: int) -> Precision:
    """How a layer is rounded under a configuration: weights symmetric, activations not."""
    rows = "tensor" if config.activations == "static" else shape.dynamic_rows
    return Precision(
        Grid(weight_bits, symmetric=True),
        Grid(activation_bits, symmetric=False),
        rows,
        config.weight_group,
        config.activation_group,
    )


def set_ranges(layer: LowBitLayer, inputs: torch.Tensor, config: Config) -> None:
    """Set the scales of the weight, and the range of activations for inputs (crops, …)."""
    set_weight_range(layer, config)
    set_activation_range(layer, inputs, config)


def set_weight_range(layer: LowBitLayer, config: Config) -> None:
    """The scales of the weight as it is now."""
    precision = layer.precision
    with torch.no_grad():
        steps = find_steps(
            rows_of_weight(layer.weight, precision.group), precision.weight, config.weight_ranges, _PERCENTILE
        )
        layer.weight_scale.data = steps.scale
        layer.register_buffer("weight_zero", steps.zero)


def set_activation_range(layer: LowBitLayer, inputs: torch.Tensor, config: Config) -> None:
    """`clip`: of a dynamic range the share with the least error, of a static one its ends."""
    grid = layer.precision.activation
    with torch.no_grad():
        rows = layer.rows_of_input(layer.balanced(inputs))
        if layer.precision.rows == "tensor":
            flat = rows[:, :: -(-rows.shape[1] // _NUMBERS)]
            low, high = rows.amin(dim=1), rows.amax(dim=1)
            if config.activation_ranges != "minmax":
                steps = find_steps(flat, grid, config.activation_ranges, _PERCENTILE)
                low = (grid.lowest - steps.zero) * steps.scale
                high = (grid.highest - steps.zero) * steps.scale
            layer.clip.data = torch.cat([low, high])
            return
        layer.clip.data = torch.ones(2)
        if config.activation_ranges == "minmax":
            return
        some = rows[:: -(-len(rows) // _ROWS)]
        low, high = some.amin(dim=1), some.amax(dim=1)
        errors = [
            float((rounded(some, steps_between(low * share, high * share, grid), grid) - some).square().sum())
            for share in _SHARES
        ]
        layer.clip.data = torch.full((2,), _SHARES[errors.index(min(errors))])
