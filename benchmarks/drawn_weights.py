"""Checkpoints with the true keys and shapes of a model and numbers that are drawn, the same on every machine.

For what depends on the architecture alone (speed, size, mechanics), where no trained weights are at hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from facesearch.encoders import CATALOG
from facesearch.encoders.networks import build_network, edgeface
from facesearch.encoders.networks.torchvision_ops import ensure_torchvision

ensure_torchvision()  # before anybody imports the libraries that the networks are built on


def synthetic_state(model: str, seed: int = 0, gamma: float | None = None) -> dict[str, torch.Tensor]:
    """A state dict for `model` whose activations stay of ordinary size; `gamma` gives EdgeFace's low-rank variant."""
    with torch.device("meta"):
        network = build_network(model)
        if gamma is not None:
            edgeface.split_linear_layers(network, _ranks(network, gamma))
    return drawn_state(network, seed)


def drawn_state(network: nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    """Drawn values for each entry of the network's state dict."""
    rng = np.random.default_rng(seed)
    return {key: torch.from_numpy(_draw(rng, key, tuple(t.shape))) for key, t in network.state_dict().items()}


def drawn_checkpoint(model: str, folder: Path, seed: int = 0) -> Path:
    """The same as a `.pt` file in `folder`."""
    path = folder / f"{model}.pt"
    torch.save(synthetic_state(model, seed), path)
    return path


def drawn_crops(model: str, count: int = 2, seed: int = 1) -> npt.NDArray[np.uint8]:
    """Crops (count, h, w, 3) uint8 of random blocks: they have large shapes, as faces do."""
    size = next(each.crop_size for each in CATALOG if each.name == model)
    blocks = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    repeat = -(-size // 8)
    return blocks.repeat(repeat, axis=1).repeat(repeat, axis=2)[:, :size, :size]


def _ranks(network: nn.Module, gamma: float) -> dict[str, int]:
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear)}
    return {name: max(2, int(min(x.in_features, x.out_features) * gamma)) for name, x in layers.items()}


def _draw(rng: np.random.Generator, key: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if key.endswith("num_batches_tracked"):
        return np.array(1, dtype=np.int64)
    values = rng.standard_normal(shape, dtype=np.float32)
    if key.endswith("running_var"):
        return np.float32(0.5) + np.abs(values)
    if len(shape) > 1 and key.endswith("weight"):
        return values * np.float32(np.prod(shape[1:]) ** -0.5)
    if key.endswith(("weight", "temperature")) or "gamma" in key:  # norms and scales of layers
        return np.float32(1) + values * np.float32(0.1)
    return values * np.float32(0.1)
