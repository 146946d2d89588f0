"""A convolution or linear layer of few bits, its inputs rounded as well: simulated, it computes in float32.

With x the input, S the channel scales, H a rotation, Q a quantizer, R the weight less the low-rank part:

    y = Qa(x · S⁻¹ · H) · Qw(Hᵀ · S · R) + (x · down) · up + bias

In floats, without Q, that is x · W + bias. A rotation mixes input channels, at each position of a convolution alike;
depth-wise convolutions have none, since each of their outputs sees one channel.

What shares a range of activations ("Rows" below) is what a product of whole numbers allows to be factored out: for a
linear layer or 1×1 convolution each token or pixel, for a depth-wise convolution each channel of an image, for another
convolution each image. No range depends on which images are encoded together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from facesearch.encoders.lowbit.signed_rotation import matrix, random_signs, rotate
from facesearch.encoders.lowbit.uniform import Grid, Steps, decode, encode, rounded, rows_of_weight, steps_between

Rows = Literal["tensor", "image", "channel", "token", "pixel"]

_LARGEST_MATRIX = 1024  # channels; up to here one product with the whole rotation is fastest


@dataclass(frozen=True, slots=True)
class Precision:
    """How one layer is rounded.

    group: how many numbers of a weight share a range, 0 for an output channel. rows: what shares a range of
    activations; "tensor" is one range for everything, found beforehand, all others are found anew in each call.
    activation_group: channels that share a range within each token, pixel or image, 0 for all.
    """

    weight: Grid
    activation: Grid
    rows: Rows
    group: int = 0
    activation_group: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """What a layer is: (out, in, …) of its weight, and how a convolution moves. A linear layer has kernel None."""

    outputs: int
    inputs: int  # that one output sees: of a depth-wise convolution 1
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    groups: int = 1

    @property
    def channels(self) -> int:
        """Of the input."""
        return self.inputs * self.groups

    @property
    def weight(self) -> tuple[int, ...]:
        return (self.outputs, self.inputs, *(self.kernel or ()))

    @property
    def dynamic_rows(self) -> Rows:
        """The finest rows of activations that this layer allows."""
        if self.kernel is None:
            return "token"
        if self.groups > 1:
            return "channel" if self.inputs == 1 else "image"
        return "pixel" if self.kernel == (1, 1) else "image"


class LowBitLayer(nn.Module):
    """Stands where a `Linear` or `Conv2d` stood; made by `of`, or by the file reader from its parts.

    `weight` is Hᵀ · S · R as real numbers until `freeze`, then what its codes stand for. clip (2,): the shares of the
    lower and upper end of a dynamic range that are kept; of rows "tensor" the ends of the range themselves.
    """

    def __init__(self, shape: Shape, precision: Precision, *, bias: bool) -> None:
        super().__init__()
        self.shape = shape
        self.precision = precision
        self.weight = nn.Parameter(torch.zeros(shape.weight))
        count = len(rows_of_weight(self.weight, precision.group))
        self.weight_scale = nn.Parameter(torch.ones(count))
        self.register_buffer("weight_zero", torch.zeros(count, dtype=torch.int32))
        self.bias = nn.Parameter(torch.zeros(shape.outputs)) if bias else None
        self.clip = nn.Parameter(torch.tensor([-1.0, 1.0] if precision.rows == "tensor" else [1.0, 1.0]))
        self.channel_scale: nn.Parameter | None = None  # S⁻¹ (channels,)
        self.down: nn.Parameter | None = None  # (rank, in, …)
        self.up: nn.Parameter | None = None  # (out, rank)
        self.register_buffer("signs", None)
        self.register_buffer("turn", None, persistent=False)
        self.frozen = False
        self.rounds_activations = True
        self.rounds_weight = True

    @staticmethod
    def of(layer: nn.Module, precision: Precision) -> LowBitLayer:
        """The same layer before any transformation; not rounded well until its ranges are set."""
        shape = shape_of(layer)
        weight, bias = layer.get_parameter("weight"), getattr(layer, "bias", None)
        made = LowBitLayer(shape, precision, bias=bias is not None)
        made.weight.data = weight.detach().clone()
        if bias is not None and made.bias is not None:
            made.bias.data = bias.detach().clone()
        return made

    @property
    def weight_steps(self) -> Steps:
        return Steps(self.weight_scale, self.get_buffer("weight_zero"))

    @property
    def rank(self) -> int:
        return 0 if self.up is None else self.up.shape[1]

    def set_signs(self, signs: torch.Tensor | None) -> None:
        """The signs (channels,) of the rotation, None for none; the weight is not changed."""
        if signs is not None and self.shape.groups > 1:
            raise ValueError("a convolution in groups cannot be rotated")
        self.register_buffer("signs", signs)
        turn = None
        if signs is not None and len(signs) <= _LARGEST_MATRIX:
            turn = matrix(signs)
        self.register_buffer("turn", turn, persistent=False)

    def turn_by_factors(self) -> None:
        """Rotate by sums and differences from now on, without the whole matrix: more passes, nothing to store."""
        self.register_buffer("turn", None, persistent=False)

    def scale_channels(self, scale: torch.Tensor) -> None:
        """Bring in S (channels,): inputs are divided by it, weights multiplied. Before a rotation."""
        if self.signs is not None:
            raise ValueError("channels are scaled before they are rotated")
        self.channel_scale = nn.Parameter(1 / scale)
        self.weight.data = self.weight * _over_inputs(scale, self.shape)

    def rotate_channels(self, seed: int) -> None:
        """Bring in H, drawn from `seed`."""
        signs = random_signs(self.shape.channels, seed)
        self.weight.data = rotate(self.weight.movedim(1, -1), signs).movedim(-1, 1).contiguous()
        self.set_signs(signs)

    def add_low_rank(self, down: torch.Tensor, up: torch.Tensor) -> None:
        """Bring in a branch of full precision: down (rank, in, …), up (out, rank); the weight is not changed."""
        if self.down is not None and self.up is not None:
            down, up = torch.cat([self.down.data, down]), torch.cat([self.up.data, up], dim=1)
        self.down, self.up = nn.Parameter(down), nn.Parameter(up)

    def balanced(self, values: torch.Tensor) -> torch.Tensor:
        """The input as it is rounded: x · S⁻¹ · H."""
        if self.channel_scale is not None:
            values = values * _over_channels(self.channel_scale, values, self.shape)
        if self.signs is None:
            return values
        if self.shape.kernel is None:
            return self._turned(values)
        return self._turned(values.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def rounded_input(self, values: torch.Tensor) -> torch.Tensor:
        """Balanced values -> what their codes stand for."""
        if self.precision.rows == "tensor":
            steps = steps_between(self.clip[:1], self.clip[1:], self.precision.activation)
            return rounded(values.reshape(1, -1), steps, self.precision.activation).reshape(values.shape)
        rows = self.rows_of_input(values)
        low, high = torch.aminmax(rows.detach(), dim=1)
        steps = steps_between(low * self.clip[0], high * self.clip[1], self.precision.activation)
        return self._from_rows(rounded(rows, steps, self.precision.activation), values)

    def rows_of_input(self, values: torch.Tensor) -> torch.Tensor:
        """Balanced values as rows (m, k), one for each range."""
        kind, group = self.precision.rows, self.precision.activation_group
        if kind == "tensor":
            return values.reshape(1, -1)
        if kind == "pixel":
            values = values.movedim(1, -1)
        if kind in ("token", "pixel"):
            width = values.shape[-1]
            return values.reshape(-1, group if group and width % group == 0 else width)
        if kind == "channel":
            return values.reshape(values.shape[0] * values.shape[1], -1)
        parts = values.shape[1] // group if group and values.shape[1] % group == 0 else 1
        return values.reshape(values.shape[0] * parts, -1)

    def rounded_weight(self) -> torch.Tensor:
        """The weight as its codes have it, (out, in, …)."""
        if self.frozen:
            return self.weight
        rows = rows_of_weight(self.weight, self.precision.group)
        return rounded(rows, self.weight_steps, self.precision.weight).reshape(self.weight.shape)

    def weight_codes(self) -> torch.Tensor:
        """The codes of the weight (rows, k) int16."""
        return encode(
            rows_of_weight(self.weight.detach(), self.precision.group), self.weight_steps, self.precision.weight
        )

    def freeze(self) -> None:
        """From now on `weight` is what its codes stand for."""
        if not self.frozen:
            codes = self.weight_codes()
            self.weight_scale.requires_grad_(False)
            self.weight.data = decode(codes, self.weight_steps).reshape(self.weight.shape)
            self.frozen = True

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        inputs = self.balanced(values)
        if self.rounds_activations:
            inputs = self.rounded_input(inputs)
        result = self._product(inputs, self.rounded_weight() if self.rounds_weight else self.weight, self.bias)
        if self.down is not None and self.up is not None:
            narrow = self._product(values, self.down, None)
            if self.shape.kernel is None:
                result = result + functional.linear(narrow, self.up)
            else:
                result = result + functional.conv2d(narrow, self.up[:, :, None, None])
        return result

    def _product(self, values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        shape = self.shape
        if shape.kernel is None:
            return functional.linear(values, weight, bias)
        return functional.conv2d(values, weight, bias, shape.stride, shape.padding, groups=shape.groups)

    def _turned(self, rows: torch.Tensor) -> torch.Tensor:
        if self.turn is not None:
            return rows @ self.get_buffer("turn")
        return rotate(rows, self.get_buffer("signs"))

    def _from_rows(self, rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        if self.precision.rows == "pixel":
            return rows.reshape(like.movedim(1, -1).shape).movedim(-1, 1)
        return rows.reshape(like.shape)


def shape_of(layer: nn.Module) -> Shape:
    """The shape of a `Linear` or `Conv2d`; raises `ValueError` for what else it may be."""
    if isinstance(layer, nn.Linear):
        return Shape(layer.out_features, layer.in_features)
    if isinstance(layer, nn.Conv2d) and fits(layer) and not isinstance(layer.padding, str):
        (h, w), (down, right), (top, left) = layer.kernel_size, layer.stride, layer.padding
        inputs = layer.in_channels // layer.groups
        return Shape(layer.out_channels, inputs, (h, w), (down, right), (top, left), layer.groups)
    raise ValueError(f"{type(layer).__name__} is not a layer that can be brought to few bits")


def fits(layer: nn.Module) -> bool:
    """Whether a layer can be brought to few bits."""
    if isinstance(layer, nn.Conv2d):
        plain = layer.dilation == (1, 1) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        return plain and not layer.transposed
    return isinstance(layer, nn.Linear)


def with_bits(precision: Precision, weight: int | None = None, activation: int | None = None) -> Precision:
    """The same precision with other widths."""
    grids = precision.weight, precision.activation
    return replace(
        precision,
        weight=replace(grids[0], bits=weight or grids[0].bits),
        activation=replace(grids[1], bits=activation or grids[1].bits),
    )


def _over_inputs(scale: torch.Tensor, shape: Shape) -> torch.Tensor:
    """S (channels,) as a factor of a weight (out, in, …)."""
    if shape.groups == 1:
        return scale.reshape(1, -1, *[1] * len(shape.kernel or ()))
    # output g · (out / groups) + o sees the channels of group g
    grouped = scale.reshape(shape.groups, shape.inputs).repeat_interleave(shape.outputs // shape.groups, dim=0)
    return grouped.reshape(shape.outputs, shape.inputs, *[1] * len(shape.kernel or ()))


def _over_channels(scale: torch.Tensor, values: torch.Tensor, shape: Shape) -> torch.Tensor:
    """S⁻¹ (channels,) as a factor of an input."""
    return scale if shape.kernel is None else scale.reshape(1, -1, 1, 1)
