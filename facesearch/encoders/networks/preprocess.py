"""The one convention of every model file: crops of uint8 RGB in, embedding out, normalisation inside."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class CropNetwork(nn.Module):
    """Crops (n, h, w, 3) uint8 RGB -> embedding (n, d) float32, not of unit length.

    mean, scale: three numbers each, red first; the network gets (x − mean) · scale as (n, 3, h, w) float32.
    """

    def __init__(self, network: nn.Module, mean: Sequence[float], scale: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        # Constants of the model, not weights: they are in no checkpoint, and have values where weights have none yet.
        self.register_buffer("mean", _per_channel(mean), persistent=False)
        self.register_buffer("scale", _per_channel(scale), persistent=False)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        images = crops.permute(0, 3, 1, 2).to(torch.float32)  # (n, 3, h, w)
        images = (images - self.get_buffer("mean")) * self.get_buffer("scale")
        embedding: torch.Tensor = self.network(images)  # (n, d)
        return embedding


def _per_channel(values: Sequence[float]) -> torch.Tensor:
    return torch.tensor(list(values), dtype=torch.float32, device="cpu").reshape(1, 3, 1, 1)
