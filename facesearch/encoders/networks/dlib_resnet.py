"""dlib's face recognition ResNet in torch, with the weights of the embedded ONNX file: there is no second copy of them.

The network is described in `scripts/dlib_graph.py`, which writes that file: 29 layers; convolutions with stride 2 have
no padding; where a block halves the resolution the skip path is average-pooled, and of the two summands the smaller one
is filled up with zeros at its right, bottom and last channels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from facesearch.encoders.networks.embedded_weights import initializers
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.encoders.networks.strict_loading import load_strictly

FAMILY = "dlib-resnet"

_CHANNELS = [32] * 3 + [64] * 4 + [128] * 3 + [256] * 4
_HALVING = {3, 7, 10, 13}  # blocks that halve the resolution
_SIZE = 35  # of the grid that the first block gets: 150 -> 72 (7×7, stride 2) -> 35 (pool 3, stride 2)
_DIMENSION = 128


def weights_of(data: bytes) -> dict[str, torch.Tensor]:
    """The state dict in the embedded ONNX file; raises `WeightsError` if it is another file. Needs the package onnx."""
    return {name: values for name, values in initializers(data, FAMILY).items() if name.endswith((".weight", ".bias"))}


def network_of(state: Mapping[str, torch.Tensor], name: str) -> CropNetwork:
    """The network with these weights, in eval mode: crops (n, 150, 150, 3) uint8 RGB -> (n, 128) float32.

    Mean and scale of the input are in the weights of the first layer. Raises `WeightsError` for those that do not fit.
    """
    with torch.device("meta"):
        network = DlibResNet()
    load_strictly(network, state, name)
    return CropNetwork(network, (0.0,) * 3, (1.0,) * 3).eval().requires_grad_(False)


class DlibResNet(nn.Module):
    """Images (n, 3, 150, 150) float32 in 0..255 -> embedding (n, 128) float32, not of unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, stride=2)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(3, stride=2)
        size, channels = _SIZE, 32
        for number, width in enumerate(_CHANNELS):
            block = DlibBlock(channels, width, size, halving=number in _HALVING)
            self.add_module(f"block{number}", block)
            size, channels = block.size, width
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.embedding = nn.Linear(channels, _DIMENSION, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.pool(self.relu(self.stem(images)))
        for number in range(len(_CHANNELS)):
            features = self.get_submodule(f"block{number}")(features)
        embedding: torch.Tensor = self.embedding(self.mean(features).flatten(1))
        return embedding


class DlibBlock(nn.Module):
    """Two convolutions added to what they got: (n, c, size, size) -> (n, width, self.size, self.size)."""

    def __init__(self, channels: int, width: int, size: int, *, halving: bool) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, width, 3, stride=2 if halving else 1, padding=0 if halving else 1)
        self.relu = nn.ReLU()
        self.b = nn.Conv2d(width, width, 3, padding=1)
        main, skip = ((size - 3) // 2 + 1, size // 2) if halving else (size, size)
        self.size = max(main, skip)
        self.halve: nn.Module = nn.AvgPool2d(2) if halving else nn.Identity()
        self.fill_main: nn.Module = _filling(0, self.size - main)
        self.fill_skip: nn.Module = _filling(width - channels, self.size - skip)
        self.out = nn.ReLU()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        mixed = self.fill_main(self.b(self.relu(self.a(features))))
        result: torch.Tensor = self.out(mixed + self.fill_skip(self.halve(features)))
        return result


class Filling(nn.Module):
    """Zeros appended to the channels, and to the right and bottom of each."""

    def __init__(self, channels: int, pixels: int) -> None:
        super().__init__()
        self._padding = (0, pixels, 0, pixels, 0, channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(features, self._padding)


def _filling(channels: int, pixels: int) -> nn.Module:
    return Filling(channels, pixels) if channels or pixels else nn.Identity()
