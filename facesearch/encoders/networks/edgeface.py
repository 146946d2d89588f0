"""EdgeFace: EdgeNeXt of timm with a 512-d output, at full rank or with its linear layers split in two.

George et al., "EdgeFace: Efficient Face Recognition Model for Edge Devices", IEEE T-BIOM 2024 (arXiv 2307.01838);
Maaz et al., "EdgeNeXt: Efficiently Amalgamated CNN-Transformer Architecture for Mobile Vision Applications",
ECCVW 2022 (arXiv 2206.10589).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from facesearch.encoders.networks.torchvision_ops import ensure_torchvision
from facesearch.errors import UnknownEncoderError

_DIMENSION = 512
_IMAGE = 112
_STEM_STRIDE = 4
_PREFIX = "model."  # the published checkpoints hold the network as an attribute of a wrapper
_LOW_RANK = ".linear1.weight"
_BACKBONES = {
    "edgeface-xxs": "edgenext_xx_small",
    "edgeface-xs": "edgenext_x_small",
    "edgeface-s": "edgenext_small",
    "edgeface-base": "edgenext_base",
}


def build(model: str, state: Mapping[str, torch.Tensor] | None = None) -> nn.Module:
    """The network with untrained weights: images (n, 3, 112, 112) float32 -> embedding (n, 512) float32.

    At full rank, unless `state` holds a linear layer as two: then that layer is of the rank found there.
    """
    if model not in _BACKBONES:
        raise UnknownEncoderError(f"no EdgeFace named '{model}'; there are: {', '.join(_BACKBONES)}")
    ensure_torchvision()
    import timm

    network: Any = timm.create_model(_BACKBONES[model], pretrained=False)
    network.reset_classifier(_DIMENSION)
    halves = {key: half for key, half in (state or {}).items() if key.endswith(_LOW_RANK) and half.ndim == 2}
    ranks = {key.removesuffix(_LOW_RANK): len(half) for key, half in halves.items()}
    split_linear_layers(network, ranks)
    fix_size(network, _IMAGE)
    built: nn.Module = network
    return built


def clean(model: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """`state` without the prefix "model."."""
    if all(key.startswith(_PREFIX) for key in state):
        return {key.removeprefix(_PREFIX): tensor for key, tensor in state.items()}
    return dict(state)


def split_linear_layers(network: nn.Module, ranks: Mapping[str, int]) -> None:
    """Put a `LowRankLinear` in place of each linear layer that `ranks` names; other names are left alone.

    The published variants of a gamma (0.6 of XS, 0.5 of S) have rank max(2, gamma · the smaller side) everywhere, the
    output layer included, which the paper's 1.77 and 3.65 million parameters confirm.
    """
    for name, layer in list(network.named_modules()):
        if name in ranks and isinstance(layer, nn.Linear):
            low = LowRankLinear(layer.in_features, layer.out_features, ranks[name], bias=layer.bias is not None)
            network.set_submodule(name, low)


def fix_size(network: nn.Module, size: int) -> None:
    """Rewrite the attention blocks of a timm EdgeNeXt for images of size × size; keys and results stay as they were.

    timm's blocks read the batch and grid size and compute positions in every forward pass; in an exported graph that
    would be dozens of nodes that only compute shapes, in the way of quantization.
    """
    side = size // _STEM_STRIDE
    stages: Any = network.get_submodule("stages")
    for number, stage in enumerate(stages):
        side = side // 2 if number else side
        for place, block in enumerate(stage.blocks):
            if hasattr(block, "xca"):
                stage.blocks[place] = FixedSizeBlock(block, side)


class LowRankLinear(nn.Module):
    """A linear layer as the product of two of a smaller rank: (…, inputs) -> (…, outputs)."""

    def __init__(self, inputs: int, outputs: int, rank: int, *, bias: bool) -> None:
        super().__init__()
        self.linear1 = nn.Linear(inputs, rank, bias=False)
        self.linear2 = nn.Linear(rank, outputs, bias=bias)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = self.linear2(self.linear1(values))
        return product


class FixedSizeBlock(nn.Module):
    """EdgeNeXt's split depth-wise transpose attention block on a grid of known size: (n, c, side, side) -> the same.

    Takes over the layers of timm's block under their own names.
    """

    def __init__(self, block: Any, side: int) -> None:
        super().__init__()
        self._side = side
        self._channels: int = block.norm.normalized_shape[0]
        # Equal parts but for the last; sizes that are known become one Split in an exported graph, a chunk does not.
        self._widths = [block.width] * len(block.convs) + [self._channels - block.width * len(block.convs)]
        self.convs = block.convs
        self.pos_embd = None if block.pos_embd is None else Positions(block.pos_embd, side)
        self.norm_xca = block.norm_xca
        self.gamma_xca = block.gamma_xca
        self.xca = CrossCovarianceAttention(block.xca, side**2, self._channels)
        self.norm = block.norm
        self.mlp = block.mlp
        self.gamma = block.gamma

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        parts = torch.split(grid, self._widths, dim=1)
        mixed: list[torch.Tensor] = []
        for part, conv in zip(parts, self.convs, strict=False):  # the last part passes as it is
            mixed.append(conv(part + mixed[-1] if mixed else part))
        channels = torch.cat([*mixed, parts[-1]], dim=1)
        tokens = channels.reshape(-1, self._channels, self._side**2).transpose(1, 2)  # (n, side², c)
        if self.pos_embd is not None:
            tokens = tokens + self.pos_embd()
        tokens = tokens + self.gamma_xca * self.xca(self.norm_xca(tokens))
        tokens = self.gamma * self.mlp(self.norm(tokens))
        result: torch.Tensor = grid + tokens.transpose(1, 2).reshape(-1, self._channels, self._side, self._side)
        return result


class CrossCovarianceAttention(nn.Module):
    """Attention between channels instead of positions: (n, positions, c) -> the same.

    El-Nouby et al., "XCiT: Cross-Covariance Image Transformers", NeurIPS 2021 (arXiv 2106.09681).
    """

    def __init__(self, attention: Any, positions: int, channels: int) -> None:
        super().__init__()
        self.temperature = attention.temperature
        self.qkv = attention.qkv
        self.proj = attention.proj
        self._positions = positions
        self._heads: int = attention.num_heads
        self._channels = channels

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        heads = (-1, self._positions, self._heads, self._channels // self._heads)
        query, key, value = torch.split(self.qkv(tokens), [self._channels] * 3, dim=-1)  # (n, positions, c) each
        query = _unit_rows(query.reshape(heads).permute(0, 2, 3, 1))  # (n, heads, c / heads, positions)
        key = _unit_rows(key.reshape(heads).permute(0, 2, 3, 1)).transpose(-2, -1)
        value = value.reshape(heads).permute(0, 2, 3, 1)
        seen = ((query @ key) * self.temperature).softmax(dim=-1) @ value  # (n, heads, c / heads, positions)
        mixed: torch.Tensor = self.proj(seen.permute(0, 3, 1, 2).reshape(-1, self._positions, self._channels))
        return mixed


class Positions(nn.Module):
    """A learned projection of sines and cosines of the position, (side², c): the same for every image."""

    def __init__(self, encoding: Any, side: int) -> None:
        super().__init__()
        self.token_projection = encoding.token_projection
        waves = fourier_features(side, encoding.hidden_dim, encoding.temperature)
        # Not on the default device: a network that is built without storage still has its constants.
        self.register_buffer("waves", torch.tensor(waves, device="cpu"), persistent=False)

    def forward(self) -> torch.Tensor:
        weight = self.token_projection.weight.flatten(1)  # (c, 2 · hidden); a 1×1 convolution
        return nn.functional.linear(self.get_buffer("waves"), weight, self.token_projection.bias)


def fourier_features(side: int, hidden: int, temperature: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Sines and cosines of row and column, (side², 2 · hidden) float32, row by row (XCiT, appendix)."""
    place = np.arange(1, side + 1) / (side + 1e-6) * 2 * np.pi
    period = temperature ** (2 * (np.arange(hidden) // 2) / hidden)
    angle = place[:, None] / period  # (side, hidden)
    wave = np.where(np.arange(hidden) % 2 == 0, np.sin(angle), np.cos(angle))
    rows, columns = np.repeat(wave, side, axis=0), np.tile(wave, (side, 1))
    return np.concatenate([rows, columns], axis=1).astype(np.float32)


def _unit_rows(values: torch.Tensor) -> torch.Tensor:
    """Each row divided by its length; `torch.nn.functional.normalize` would expand the length to the full shape."""
    lengths = torch.linalg.vector_norm(values, dim=-1, keepdim=True)
    unit: torch.Tensor = values / lengths.clamp(min=1e-12)
    return unit
