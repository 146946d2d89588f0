"""Crops and checkpoints for the tests of backends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.encoders import Encoder
from facesearch.provisioning import sample_crops

Pixels = npt.NDArray[np.uint8]


def sample(kind: str, size: int) -> Pixels:
    """Crops of synthetic people, at least 16."""
    return sample_crops(kind, size).crops


def checkpoint_of(model: str, folder: Path, seed: int = 0) -> Path:
    """A checkpoint with drawn weights whose activations stay of ordinary size."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from facesearch.encoders.families import build_network

    rng = np.random.default_rng(seed)
    with torch.device("meta"):
        state = build_network(model).state_dict()
    path = folder / f"{model}.pt"
    torch.save({key: torch.from_numpy(_draw(rng, key, tuple(each.shape))) for key, each in state.items()}, path)
    return path


def cosines(one: Encoder, other: Encoder, crops: Pixels) -> npt.NDArray[np.float32]:
    """Cosine of the templates of two encoders, crop by crop."""
    found: npt.NDArray[np.float32] = (one.encode(crops) * other.encode(crops)).sum(axis=1)
    return found


def _draw(rng: np.random.Generator, key: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if key.endswith("num_batches_tracked"):
        return np.array(1, dtype=np.int64)
    values = rng.standard_normal(shape, dtype=np.float32)
    if key.endswith("running_var"):
        return np.float32(0.5) + np.abs(values)
    if len(shape) > 1 and key.endswith("weight"):
        return values * np.float32(np.prod(shape[1:]) ** -0.5)
    if key.endswith(("weight", "temperature")) or "gamma" in key:
        return np.float32(1) + values * np.float32(0.1)
    return values * np.float32(0.1)
