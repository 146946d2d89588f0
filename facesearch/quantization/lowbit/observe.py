"""What the layers of a float network get from calibration crops, and which layers feed which directly."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from facesearch.encoders.lowbit.layer import LowBitLayer, fits
from facesearch.encoders.networks.preprocess import CropNetwork

Pixels = npt.NDArray[np.uint8]

_BATCH = 16
_LARGEST = 1 << 28  # numbers that are kept of all layers together


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """A layer that runs: its name, its input for each calibration crop, the name of the module whose output that is.

    inputs: (crops, …). numbers: of its input for one crop. feeder: None where it is not the output of one normalisation
    or linear layer that feeds nothing else here.
    """

    name: str
    inputs: torch.Tensor
    numbers: int
    feeder: str | None


def tensor_of(crops: Pixels) -> torch.Tensor:
    """Crops (n, h, w, 3) for a network."""
    return torch.from_numpy(np.array(crops))


def clone(network: CropNetwork) -> CropNetwork:
    """A copy that can be changed."""
    return copy.deepcopy(network)


def observe(network: CropNetwork, crops: Pixels) -> list[Observed]:
    """The convolutions and linear layers that run, in that order; as many crops as fit in memory are kept."""
    order, feeders, sizes = _traced(network, crops[:1])
    most = max(1, min(len(crops), _LARGEST // max(1, sum(sizes.values()))))
    kept: dict[str, list[torch.Tensor]] = {name: [] for name in order}

    def keep(name: str) -> Any:
        return lambda module, arguments: kept[name].append(arguments[0].detach())

    modules = dict(network.named_modules())
    with _hooked([modules[name].register_forward_pre_hook(keep(name)) for name in order]), torch.inference_mode(False):
        for start in range(0, most, _BATCH):
            with torch.no_grad():
                network(tensor_of(crops[start : min(most, start + _BATCH)]))
    return [Observed(name, torch.cat(kept[name]), sizes[name], feeders.get(name)) for name in order]


def embeddings(network: nn.Module, crops: Pixels, batch: int = _BATCH) -> torch.Tensor:
    """Unit-length embeddings (n, d) of crops."""
    with torch.no_grad():
        rows = [network(tensor_of(crops[at : at + batch])) for at in range(0, len(crops), batch)]
    return nn.functional.normalize(torch.cat(rows), dim=1)


def identity_loss(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Mean of 1 - cosine of unit-length rows."""
    return float(1 - (found * expected).sum(dim=1).mean())


def _traced(network: CropNetwork, crop: Pixels) -> tuple[list[str], dict[str, str], dict[str, int]]:
    order: list[str] = []
    sizes: dict[str, int] = {}
    made: dict[int, str] = {}
    alive: list[torch.Tensor] = []  # while a tensor lives, no other has its id
    readers: dict[str, list[str]] = {}

    def before(name: str) -> Any:
        def hook(module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
            if name in sizes:
                raise ValueError(f"layer {name} runs twice in one pass: such networks are not known here")
            order.append(name)
            sizes[name] = arguments[0].numel()
            if (source := made.get(id(arguments[0]))) is not None:
                readers.setdefault(source, []).append(name)

        return hook

    def after(name: str) -> Any:
        def hook(module: nn.Module, arguments: Any, output: torch.Tensor) -> None:
            alive.append(output)
            made[id(output)] = name

        return hook

    handles = []
    for name, module in network.named_modules():
        if fits(module) or isinstance(module, LowBitLayer):
            handles.append(module.register_forward_pre_hook(before(name)))
        if isinstance(module, nn.Linear | nn.LayerNorm):
            handles.append(module.register_forward_hook(after(name)))
    with _hooked(handles), torch.no_grad():
        network(tensor_of(crop))
    feeders = {names[0]: source for source, names in readers.items() if len(names) == 1}
    return order, feeders, sizes


@contextmanager
def _hooked(handles: list[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
