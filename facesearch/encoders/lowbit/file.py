"""The file of a network of few bits: safetensors with packed codes, scales and corrections, nothing that is run.

Metadata: one entry `facesearch`, a JSON object: format, family, precision (w4a4), scheme, and layers: the name of each
-> its bits and rows.
Tensors of each layer, by its name:

    <name>.codes    uint8     the weight Hᵀ · S · R as codes (code - lowest), packed without gaps (`packing`)
    <name>.scale    float16   (rows,) its scales; <name>.zero uint8 (rows,) where the grid is not symmetric
    <name>.signs    uint8     signs of the rotation, one bit a channel (1 = +)
    <name>.channels float16   (channels,) S⁻¹
    <name>.down, <name>.up    int8, the low-rank part, with <name>.down_scale, <name>.up_scale float16 (rows,)
    <name>.clip     float32   (2,) shares of the range of activations, or its ends
    <name>.bias     as below

All other entries of the state dict stand under their own names, as float16 where that keeps 10 bits of them, else
float32. A network is set to these very numbers before it is measured, so that it reads back bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from facesearch.encoders.lowbit.layer import LowBitLayer, Precision, Rows, fits, shape_of
from facesearch.encoders.lowbit.packing import pack, packed_size, unpack
from facesearch.encoders.lowbit.uniform import FEWEST, MOST, Grid, Steps, decode
from facesearch.encoders.networks.int8_network import fp32_network
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.errors import WeightsError

FORMAT = "facesearch-lowbit-1"

_ABOUT = "facesearch"
_LARGEST_HEADER = 1 << 24  # bytes
_ROWS: tuple[Rows, ...] = ("tensor", "image", "channel", "token", "pixel")
_AGAIN = "quantize the model again"


@dataclass(frozen=True, slots=True, eq=False)
class LowBitNetwork:
    """A network with `LowBitLayer`s, and what it is. precision: its name in an encoder, "w4a4"."""

    network: CropNetwork
    family: str
    precision: str
    scheme: str


def low_bit_layers(network: nn.Module) -> dict[str, LowBitLayer]:
    """The layers of few bits by name."""
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, LowBitLayer)}


def settle(network: nn.Module) -> None:
    """Set every number to what its place in the file holds, and every weight to what its codes stand for."""
    layers = low_bit_layers(network)
    with torch.no_grad():
        for layer in layers.values():
            if layer.channel_scale is not None:
                layer.channel_scale.data = layer.channel_scale.half().float()
            layer.weight_scale.data = layer.weight_scale.half().float().clamp(min=2.0**-24)
            for factor in (layer.down, layer.up):
                if factor is not None:
                    factor.data = _from_bytes(*_to_bytes(factor.data))
            layer.freeze()
        for parameter in _others(network, layers).values():
            parameter.copy_(_short(parameter).float())
        for layer in layers.values():
            if layer.bias is not None:
                layer.bias.copy_(_short(layer.bias.data).float())
    network.requires_grad_(False)


def dump(made: LowBitNetwork) -> bytes:
    """The file of a settled network."""
    from safetensors.torch import save

    inner = made.network.network
    layers = low_bit_layers(inner)
    facts = {name: _facts(layer) for name, layer in layers.items()}
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in layers.items():
        tensors |= {f"{name}.{key}": value.contiguous() for key, value in _tensors(layer).items()}
    tensors |= {key: _short(value).contiguous() for key, value in _others(inner, layers).items()}
    about = {
        "format": FORMAT,
        "family": made.family,
        "precision": made.precision,
        "scheme": made.scheme,
        "layers": facts,
    }
    metadata = {_ABOUT: json.dumps(about, separators=(",", ":"))}  # several entries would be in no certain order
    data: bytes = save(tensors, metadata)
    return data


def parse(data: bytes, name: str) -> LowBitNetwork:
    """The network in a file; raises `WeightsError` if it is not such a file, damaged, or does not fit its family."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    about = _about(data)
    if about.get("format") != FORMAT:
        raise WeightsError(f"{name} is not a low-bit file that this version reads: {_AGAIN}")
    try:
        tensors: dict[str, torch.Tensor] = load(data)
        made = _TensorReader(tensors, name).network(about["family"], dict(about["layers"]))
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, RecursionError) as error:
        raise WeightsError(f"{name} is a damaged low-bit file: {_AGAIN}") from error
    return LowBitNetwork(made, about["family"], str(about.get("precision")), str(about.get("scheme")))


class _TensorReader:
    """Takes tensors out of a file, each of them once, and only of the shape and type that fits."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], name: str) -> None:
        self._tensors = dict(tensors)
        self._name = name

    def network(self, family: str, facts: Mapping[str, Any]) -> CropNetwork:
        own = tuple(f"{name}." for name in facts)
        state = {key: value.float() for key, value in self._tensors.items() if not key.startswith(own)}
        # The family checks keys and shapes against the whole network, so what has codes stands in as zeros first.
        blank = self._blank(family, facts, state)
        inner = blank.network
        for name, fact in facts.items():
            plain = inner.get_submodule(name)
            if not fits(plain):
                raise ValueError(name)
            inner.set_submodule(name, self._layer(name, plain, fact))
        left = [key for key in self._tensors if key.startswith(own)]
        if left:
            raise ValueError(left[0])
        return blank.eval().requires_grad_(False)

    def _blank(self, family: str, facts: Mapping[str, Any], state: dict[str, torch.Tensor]) -> CropNetwork:
        for name, fact in facts.items():
            shape = tuple(int(side) for side in fact["shape"])
            codes = self._tensors[f"{name}.codes"]
            if min(shape) < 1 or codes.numel() != packed_size(int(np.prod(shape)), int(fact["weight"])):
                raise ValueError(name)
            state[f"{name}.weight"] = torch.zeros(()).expand(shape)
            if f"{name}.bias" in self._tensors:
                state[f"{name}.bias"] = torch.zeros(shape[0])
        return fp32_network(family, state, self._name)

    def _layer(self, name: str, plain: nn.Module, fact: Mapping[str, Any]) -> LowBitLayer:
        shape = shape_of(plain)
        precision = _precision(fact)
        layer = LowBitLayer(shape, precision, bias=getattr(plain, "bias", None) is not None)
        rows = len(layer.weight_scale)
        scale = self._take(name, "scale", torch.float16, (rows,)).float()
        zero = torch.zeros(rows, dtype=torch.int32)
        if not precision.weight.symmetric:
            zero = self._take(name, "zero", torch.uint8, (rows,)).to(torch.int32)
        count = int(np.prod(shape.weight))
        packed = self._tensors.pop(f"{name}.codes")
        codes = unpack(packed.numpy(), count, precision.weight.bits)
        whole = torch.from_numpy(codes.astype(np.int16)).reshape(rows, -1) + precision.weight.lowest
        layer.weight_scale.data = scale
        layer.register_buffer("weight_zero", zero)
        layer.weight.data = decode(whole, Steps(scale, zero)).reshape(shape.weight)
        layer.frozen = True
        layer.clip.data = self._take(name, "clip", torch.float32, (2,))
        if layer.bias is not None:
            layer.bias.data = self._take(name, "bias", None, (shape.outputs,)).float()
        if fact.get("scaled"):
            layer.channel_scale = nn.Parameter(self._take(name, "channels", torch.float16, (shape.channels,)).float())
        if fact.get("rotated"):
            bits = self._take(name, "signs", torch.uint8, (-(-shape.channels // 8),)).numpy()
            apart = np.unpackbits(bits, count=shape.channels, bitorder="little").astype(np.float32)
            layer.set_signs(torch.from_numpy(apart * 2 - 1))
        if rank := int(fact.get("rank", 0)):
            wide = (rank, shape.inputs, *(shape.kernel or ()))
            down = self._take(name, "down", torch.int8, wide), self._take(name, "down_scale", torch.float16, (rank,))
            up = (
                self._take(name, "up", torch.int8, (shape.outputs, rank)),
                self._take(name, "up_scale", torch.float16, (shape.outputs,)),
            )
            layer.add_low_rank(_from_bytes(*down), _from_bytes(*up))
        return layer

    def _take(self, layer: str, key: str, dtype: torch.dtype | None, shape: tuple[int, ...]) -> torch.Tensor:
        tensor = self._tensors.pop(f"{layer}.{key}")
        if tensor.shape != shape or (dtype is not None and tensor.dtype != dtype):
            raise ValueError(f"{layer}.{key}")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{layer}.{key}")
        return tensor


def _precision(fact: Mapping[str, Any]) -> Precision:
    rows = fact["rows"]
    if rows not in _ROWS or not all(FEWEST <= int(fact[key]) <= MOST for key in ("weight", "activation")):
        raise ValueError("precision")
    return Precision(
        Grid(int(fact["weight"]), bool(fact["weight_symmetric"])),
        Grid(int(fact["activation"]), bool(fact["activation_symmetric"])),
        rows,
        int(fact.get("group", 0)),
        int(fact.get("activation_group", 0)),
    )


def _facts(layer: LowBitLayer) -> dict[str, Any]:
    """What the metadata says of a layer; what is 0 or false is left out."""
    precision = layer.precision
    always = {
        "shape": list(layer.shape.weight),
        "weight": precision.weight.bits,
        "weight_symmetric": int(precision.weight.symmetric),
        "activation": precision.activation.bits,
        "activation_symmetric": int(precision.activation.symmetric),
        "rows": precision.rows,
    }
    sometimes = {
        "group": precision.group,
        "activation_group": precision.activation_group,
        "scaled": int(layer.channel_scale is not None),
        "rotated": int(layer.signs is not None),
        "rank": layer.rank,
    }
    return always | {key: value for key, value in sometimes.items() if value}


def _tensors(layer: LowBitLayer) -> dict[str, torch.Tensor]:
    grid = layer.precision.weight
    codes = (layer.weight_codes() - grid.lowest).to(torch.uint8).reshape(-1).numpy()
    found: dict[str, torch.Tensor] = {
        "codes": torch.from_numpy(pack(codes, grid.bits)),
        "scale": layer.weight_scale.data.half(),
        "clip": layer.clip.data.float(),
    }
    if not grid.symmetric:
        found["zero"] = layer.get_buffer("weight_zero").to(torch.uint8)
    if layer.bias is not None:
        found["bias"] = _short(layer.bias.data)
    if layer.channel_scale is not None:
        found["channels"] = layer.channel_scale.data.half()
    if layer.signs is not None:
        found["signs"] = torch.from_numpy(np.packbits(layer.get_buffer("signs").numpy() > 0, bitorder="little"))
    if layer.down is not None and layer.up is not None:
        found["down"], found["down_scale"] = _to_bytes(layer.down.data)
        found["up"], found["up_scale"] = _to_bytes(layer.up.data)
    return found


def _others(network: nn.Module, layers: Mapping[str, LowBitLayer]) -> dict[str, torch.Tensor]:
    """The entries of the state dict that are of no layer of few bits."""
    own = tuple(f"{name}." for name in layers)
    return {key: value for key, value in network.state_dict().items() if not key.startswith(own)}


def _short(tensor: torch.Tensor) -> torch.Tensor:
    """As float16 where nothing but the last bits is lost; whole numbers and what is out of range stay."""
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    near = (half.float() - tensor).abs() <= tensor.abs() * 2.0**-10 + 2.0**-24
    return half if bool(near.all()) else tensor.float()


def _to_bytes(factor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A factor (rows, …) as int8 codes in [-127, 127] and scales (rows,) float16."""
    largest = factor.flatten(1).abs().amax(dim=1)
    scale = (largest / 127).half().float().clamp(min=2.0**-24)
    codes = (factor / scale.reshape(-1, *[1] * (factor.ndim - 1))).round().clamp(-127, 127)
    return codes.to(torch.int8), scale.half()


def _from_bytes(codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return codes.float() * scale.float().reshape(-1, *[1] * (codes.ndim - 1))


def _about(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    if length > min(_LARGEST_HEADER, len(data) - 8):
        return {}
    try:
        facts = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_ABOUT])
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
