"""Uniform quantizers of 2 to 8 bits: real numbers -> whole codes -> real numbers, range by range.

Everything here works on rows: a range (scale, zero point) belongs to each row of a matrix (m, k), and how weights and
activations are cut into rows is up to who calls (`rows_of_weight`, `facesearch.encoders.lowbit.layer`).

    code = clamp(round(x / scale) + zero, lowest, highest)        x' = (code - zero) · scale

Symmetric grids have codes -2^(b-1) … 2^(b-1) - 1 and zero = 0, asymmetric ones 0 … 2^b - 1 and a whole zero point, so
that the number 0 is exact (padding, what a ReLU cuts off) and products can be summed in whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

FEWEST, MOST = 2, 8  # bits

RangeMethod = Literal["minmax", "percentile", "mse"]

_SMALLEST = 2.0**-24  # a scale that a float16 can hold
_RATIOS = torch.linspace(0.3, 1.0, 29).tolist()  # shares of the full range that the search for the least error tries


@dataclass(frozen=True, slots=True)
class Grid:
    """The codes of a quantizer. Raises `ValueError` for bits outside 2 to 8."""

    bits: int
    symmetric: bool

    def __post_init__(self) -> None:
        if not FEWEST <= self.bits <= MOST:
            raise ValueError(f"{self.bits} bits: a grid has {FEWEST} to {MOST}")

    @property
    def lowest(self) -> int:
        return -(1 << (self.bits - 1)) if self.symmetric else 0

    @property
    def highest(self) -> int:
        return (1 << (self.bits - self.symmetric)) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Scale (m,) float32, positive, and zero point (m,) int32, of m rows."""

    scale: torch.Tensor
    zero: torch.Tensor


def rows_of_weight(weight: torch.Tensor, group: int = 0) -> torch.Tensor:
    """A weight (out, in, …) as rows (out · groups, numbers of a group).

    group: how many numbers share a range; 0 for a whole output channel. Where it does not divide the numbers of an
    output channel, the whole channel is one group.
    """
    flat = weight.reshape(len(weight), -1)
    width = flat.shape[1]
    return flat.reshape(-1, group) if group and width % group == 0 else flat


def steps_between(low: torch.Tensor, high: torch.Tensor, grid: Grid) -> Steps:
    """The steps that cover low (m,) to high (m,), and 0."""
    if grid.symmetric:
        scale = torch.maximum(low.abs(), high.abs()) / grid.highest
        return Steps(scale.clamp(min=_SMALLEST), torch.zeros_like(scale, dtype=torch.int32))
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = ((high - low) / grid.highest).clamp(min=_SMALLEST)
    return Steps(scale, (-low / scale).round().clamp(0, grid.highest).to(torch.int32))


def find_steps(rows: torch.Tensor, grid: Grid, method: RangeMethod = "minmax", percentile: float = 99.9) -> Steps:
    """Steps for rows (m, k) that are all there is of each range.

    method: minmax covers everything; percentile leaves out (100 - percentile) / 2 at either end; mse takes the share of
    the full range with the least mean square error.
    """
    low, high = rows.amin(dim=1), rows.amax(dim=1)
    if method == "percentile":
        rest = (100 - percentile) / 200
        ends = torch.quantile(rows.float(), torch.tensor([rest, 1 - rest], device=rows.device), dim=1)
        return steps_between(ends[0], ends[1], grid)
    if method == "minmax":
        return steps_between(low, high, grid)
    best = steps_between(low, high, grid)
    least = torch.full_like(low, torch.inf)
    for ratio in _RATIOS:
        steps = steps_between(low * ratio, high * ratio, grid)
        error = (rounded(rows, steps, grid) - rows).square().sum(dim=1)
        better = error < least
        least = torch.where(better, error, least)
        best = Steps(torch.where(better, steps.scale, best.scale), torch.where(better, steps.zero, best.zero))
    return best


def encode(rows: torch.Tensor, steps: Steps, grid: Grid) -> torch.Tensor:
    """Rows (m, k) float32 -> codes (m, k) int16."""
    codes = (rows * (1 / steps.scale)[:, None]).round() + steps.zero[:, None]
    return codes.clamp(grid.lowest, grid.highest).to(torch.int16)


def decode(codes: torch.Tensor, steps: Steps) -> torch.Tensor:
    """Codes (m, k) -> rows (m, k) float32."""
    return (codes - steps.zero[:, None]).to(torch.float32) * steps.scale[:, None]


def rounded(rows: torch.Tensor, steps: Steps, grid: Grid) -> torch.Tensor:
    """`decode(encode(rows))` in one pass; gradients go straight through, but not to what the range cuts off.

    Where the scale wants gradients it gets those of learned step sizes (Esser et al., "Learned Step Size Quantization",
    ICLR 2020), which such a straight-through rounding gives.
    """
    if steps.scale.requires_grad:
        learn: Callable[..., torch.Tensor] = _Rounding.apply
        return learn(rows, steps.scale, steps.zero, grid.lowest, grid.highest)
    fused: torch.Tensor = torch.fake_quantize_per_channel_affine(
        rows, steps.scale, steps.zero, 0, grid.lowest, grid.highest
    )
    return fused


class _Rounding(torch.autograd.Function):
    """The fused rounding, with gradients for the scales: of x' = scale · (code - zero) that is (x' - x) / scale inside
    the range and x' / scale outside, where x has none."""

    @staticmethod
    def forward(
        ctx: Any, rows: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, lowest: int, highest: int
    ) -> torch.Tensor:
        found: torch.Tensor = torch.fake_quantize_per_channel_affine(rows, scale, zero, 0, lowest, highest)
        ctx.save_for_backward(rows, found, scale, zero)
        ctx.ends = lowest, highest
        return found

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, found, scale, zero = ctx.saved_tensors
        lowest, highest = ctx.ends
        low = (lowest - 0.5 - zero) * scale
        high = (highest + 0.5 - zero) * scale
        inside = gradient * ((rows >= low[:, None]) & (rows <= high[:, None]))
        of_scale = (torch.linalg.vecdot(gradient, found) - torch.linalg.vecdot(inside, rows)) / scale
        return inside, of_scale, None, None, None
