"""MobileFaceNet in torch, with the weights of the embedded ONNX file: there is no second copy of them.

Chen, Liu, Gao, Han: "MobileFaceNets", CCBR 2018: inverted residual blocks with PReLU, a depth-wise convolution over the
whole grid in place of pooling, 192 components. `scripts/mobilefacenet_graph.py` writes that file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import nn

from facesearch.encoders.networks.embedded_weights import initializers
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.encoders.networks.strict_loading import load_strictly

FAMILY = "mobilefacenet"

_WEIGHT = re.compile(r"([a-z0-9.]+)\.(weight|bias)")
_SLOPE = re.compile(r"prelu/([a-z0-9.]+)\.prelu/slope")  # `facesearch.inference.onnx_prelu`

_STEM, _FEATURES, _DIMENSION = 64, 512, 192
_GRID = 7  # pixels of the last feature maps, after four halvings of 112
_BLOCKS = ((128, 64, 2), *[(128, 64, 1)] * 4, (256, 128, 2), *[(256, 128, 1)] * 6, (512, 128, 2), *[(256, 128, 1)] * 2)
"""Of each block: channels inside, channels that it gives, stride."""


def weights_of(data: bytes) -> dict[str, torch.Tensor]:
    """The state dict in the embedded ONNX file; raises `WeightsError` if it is another file. Needs the package onnx."""
    state = {}
    for name, values in initializers(data, FAMILY).items():
        if found := _SLOPE.fullmatch(name):  # kept as −a
            state[f"{found[1]}.slope.weight"] = -values.flatten()
        elif found := _WEIGHT.fullmatch(name):
            layer, kind = found[1], found[2]
            state[name if layer == "embedding" else f"{layer}.convolution.{kind}"] = values
    return state


def network_of(state: Mapping[str, torch.Tensor], name: str) -> CropNetwork:
    """The network with these weights, in eval mode: crops (n, 112, 112, 3) uint8 RGB -> (n, 192) float32.

    Raises `WeightsError` for those that do not fit.
    """
    with torch.device("meta"):
        network = MobileFaceNet()
    load_strictly(network, state, name)
    return CropNetwork(network, (127.5,) * 3, (1 / 128,) * 3).eval().requires_grad_(False)


class MobileFaceNet(nn.Module):
    """Images (n, 3, 112, 112) float32, normalised -> embedding (n, 192) float32, not of unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, _STEM, 3, stride=2)
        self.spread = Convolution(_STEM, _STEM, 3, groups=_STEM)
        channels = _STEM
        for number, (inside, given, stride) in enumerate(_BLOCKS):
            self.add_module(f"block{number}", Block(channels, inside, given, stride))
            channels = given
        self.head = Convolution(channels, _FEATURES, 1)
        self.gather = Convolution(_FEATURES, _FEATURES, _GRID, groups=_FEATURES, padded=False, linear=True)
        self.embedding = nn.Linear(_FEATURES, _DIMENSION)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.spread(self.stem(images))
        for number in range(len(_BLOCKS)):
            features = self.get_submodule(f"block{number}")(features)
        embedding: torch.Tensor = self.embedding(self.gather(self.head(features)).flatten(1))
        return embedding


class Block(nn.Module):
    """Expand, filter each channel, project; added to what it got where the shapes are the same."""

    def __init__(self, channels: int, inside: int, given: int, stride: int) -> None:
        super().__init__()
        self.expand = Convolution(channels, inside, 1)
        self.spread = Convolution(inside, inside, 3, stride=stride, groups=inside)
        self.project = Convolution(inside, given, 1, linear=True)
        self._added = stride == 1 and channels == given

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.project(self.spread(self.expand(features)))
        return result + features if self._added else result


class Convolution(nn.Module):
    """A convolution and, unless it is linear, PReLU. Padding as TensorFlow's "SAME": an odd pixel comes last."""

    def __init__(
        self,
        channels: int,
        given: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        padded: bool = True,
        linear: bool = False,
    ) -> None:
        super().__init__()
        missing = kernel - stride if padded else 0  # the sides of all grids are multiples of the stride
        before = max(0, missing) // 2
        after = max(0, missing) - before
        padding = 0 if before != after else before
        self.pad: nn.Module = nn.Identity() if before == after else nn.ZeroPad2d((before, after, before, after))
        self.convolution = nn.Conv2d(channels, given, kernel, stride=stride, padding=padding, groups=groups)
        self.slope: nn.Module = nn.Identity() if linear else nn.PReLU(given)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.slope(self.convolution(self.pad(features)))
        return result
