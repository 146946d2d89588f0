"""Networks of every family that are small enough to be quantized in a test, and crops for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from benchmarks.drawn_weights import drawn_state
from facesearch.encoders.networks import edgeface
from facesearch.encoders.networks.dlib_resnet import DlibBlock
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.encoders.networks.transface import TransFace

Pixels = npt.NDArray[np.uint8]

_SIZE = 32


class SmallDlib(nn.Module):
    """The first convolution of dlib's network, a block that halves and one that does not, and its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 7, stride=2)
        self.block0 = DlibBlock(8, 12, 13, halving=True)
        self.block1 = DlibBlock(12, 12, self.block0.size, halving=False)
        self.embedding = nn.Linear(12, 16, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.block1(self.block0(torch.relu(self.stem(images))))
        embedding: torch.Tensor = self.embedding(features.mean(dim=(2, 3)))
        return embedding


class SmallFaceNet(nn.Module):
    """Convolutions of 1×1, 3×3, 1×7 and 7×1 with batch normalisation, as Inception-ResNet has them."""

    def __init__(self) -> None:
        super().__init__()
        shapes: list[tuple[int, int, Any, Any]] = [
            (3, 8, 3, 0),
            (8, 12, 1, 0),
            (12, 12, (1, 7), (0, 3)),
            (12, 12, (7, 1), (3, 0)),
        ]
        layers: list[nn.Module] = []
        for inputs, outputs, kernel, padding in shapes:
            layers += [
                nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False),
                nn.BatchNorm2d(outputs, eps=1e-3),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.last_linear = nn.Linear(12, 16, bias=False)
        self.last_bn = nn.BatchNorm1d(16, eps=1e-3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self.last_bn(self.last_linear(self.body(images).mean(dim=(2, 3))))
        return embedding


class SmallEdgeFace(nn.Module):
    """A stem, a depth-wise convolution, attention, a perceptron, and a linear layer split in two."""

    def __init__(self) -> None:
        super().__init__()
        import timm
        from timm.models.edgenext import SplitTransposeBlock

        assert timm.__version__
        self.stem = nn.Conv2d(3, 24, 4, stride=4)
        self.depthwise = nn.Conv2d(24, 24, 3, padding=1, groups=24)
        block: Any = SplitTransposeBlock(24, num_scales=2, num_heads=4, use_pos_emb=True)
        self.attention = edgeface.FixedSizeBlock(block, _SIZE // 4)
        self.norm = nn.LayerNorm(24)
        self.fc = edgeface.LowRankLinear(24, 16, 7, bias=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grid = self.attention(self.depthwise(self.stem(images)))
        embedding: torch.Tensor = self.fc(self.norm(grid.mean(dim=(2, 3))))
        return embedding


def _transface() -> nn.Module:
    return TransFace(16, 2)


SMALL: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "dlib-resnet": (SmallDlib, _SIZE),
    "facenet": (SmallFaceNet, _SIZE),
    "edgeface": (SmallEdgeFace, _SIZE),
    "transface": (_transface, 112),
}
"""Of each family a small network of its parts, and the side of its crops."""


def small_network(family: str, seed: int = 0) -> CropNetwork:
    """The network with drawn weights: crops (n, h, w, 3) uint8 -> (n, d)."""
    network = SMALL[family][0]()
    network.load_state_dict(drawn_state(network, seed))
    return CropNetwork(network, (127.5,) * 3, (1 / 127.5,) * 3).eval().requires_grad_(False)


def small_crops(family: str, count: int = 4, seed: int = 1) -> Pixels:
    """Crops of random blocks."""
    size = SMALL[family][1]
    blocks = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return blocks.repeat(size // 8, axis=1).repeat(size // 8, axis=2)
