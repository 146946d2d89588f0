"""TransFace: a vision transformer whose patch tokens are weighted by a squeeze-and-excitation gate.

Dan et al., "TransFace: Calibrating Transformer Training for Face Recognition from a Data-Centric Perspective",
ICCV 2023 (arXiv 2308.10133). Written from the description; names of modules are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from facesearch.errors import UnknownEncoderError

_PATCH = 9
_GRID = 12  # patches a side: 112 // 9, so the last four rows and columns of pixels are never seen
_TOKENS = _GRID * _GRID
_HEADS = 8
_DIMENSION = 512


@dataclass(frozen=True, slots=True)
class _Size:
    width: int
    depth: int


_SIZES = {"transface-s": _Size(512, 12), "transface-b": _Size(512, 24), "transface-l": _Size(768, 24)}


def build(model: str, state: Mapping[str, torch.Tensor] | None = None) -> nn.Module:
    """The network with untrained weights; `state` does not change its form."""
    size = _SIZES.get(model)
    if size is None:
        raise UnknownEncoderError(f"no TransFace named '{model}'; there are: {', '.join(_SIZES)}")
    return TransFace(size.width, size.depth)


def clean(model: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The published checkpoints are plain state dicts: nothing to do."""
    return dict(state)


class TransFace(nn.Module):
    """Images (n, 3, 112, 112) float32 -> embedding (n, 512) float32, not of unit length.

    The token mask is of training only; it is kept because the checkpoints have it.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        flat = _TOKENS * width
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, _TOKENS, width))
        self.patch_embed = PatchEmbedding(width)
        self.blocks = nn.Sequential(*[TransformerBlock(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.feature = nn.Sequential(
            nn.Linear(flat, width, bias=False),
            nn.BatchNorm1d(width, eps=2e-5),
            nn.Linear(width, _DIMENSION, bias=False),
            nn.BatchNorm1d(_DIMENSION, eps=2e-5),
        )
        self.senet = nn.Sequential(
            nn.Linear(flat, _TOKENS, bias=False),
            nn.ReLU(),
            nn.Linear(_TOKENS, _TOKENS, bias=False),
            nn.Sigmoid(),
        )
        self._width = width

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = (-1, _TOKENS * self._width)
        tokens = self.patch_embed(images) + self.pos_embed  # (n, 144, width)
        tokens = self.norm(self.blocks(tokens))
        gate = self.senet(tokens.reshape(flat))  # (n, 144)
        tokens = tokens * gate.unsqueeze(-1)
        embedding: torch.Tensor = self.feature(tokens.reshape(flat))  # (n, 512)
        return embedding


class PatchEmbedding(nn.Module):
    """Images (n, 3, 112, 112) -> one token per 9×9 patch, (n, 144, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=_PATCH, stride=_PATCH)
        self._width = width

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grid: torch.Tensor = self.proj(images)  # (n, width, 12, 12)
        return grid.reshape(-1, self._width, _TOKENS).transpose(1, 2)


class TransformerBlock(nn.Module):
    """Pre-norm transformer block: attention, then a perceptron, each added to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Perceptron(width, 4 * width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        mixed: torch.Tensor = tokens + self.mlp(self.norm2(tokens))
        return mixed


class Attention(nn.Module):
    """Multi-head self-attention over (n, 144, width), written out so that an export has its two plain products.

    Shapes are constants but for the batch (-1): a graph traced from them computes no shape at run time.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)
        self._width = width
        self._head = width // _HEADS

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        heads = (-1, _TOKENS, _HEADS, self._head)
        query, key, value = torch.split(self.qkv(tokens), [self._width] * 3, dim=-1)  # (n, 144, width) each
        query = query.reshape(heads).transpose(1, 2) * self._head**-0.5  # (n, 8, 144, head)
        key = key.reshape(heads).permute(0, 2, 3, 1)  # (n, 8, head, 144)
        value = value.reshape(heads).transpose(1, 2)  # (n, 8, 144, head)
        seen = (query @ key).softmax(dim=-1) @ value
        mixed: torch.Tensor = self.proj(seen.transpose(1, 2).reshape(-1, _TOKENS, self._width))
        return mixed


class Perceptron(nn.Module):
    """Two linear layers with ReLU6 between: (n, 144, width) -> the same."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.ReLU6()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        mixed: torch.Tensor = self.fc2(self.act(self.fc1(tokens)))
        return mixed
