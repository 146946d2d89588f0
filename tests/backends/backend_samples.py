"""Crops for the tests of backends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facesearch.encoders import Encoder
from facesearch.workshop.sample_crops import sample_crops

Pixels = npt.NDArray[np.uint8]


def sample(kind: str, size: int) -> Pixels:
    """Crops of synthetic people, at least 16."""
    return sample_crops(kind, size).crops


def cosines(one: Encoder, other: Encoder, crops: Pixels) -> npt.NDArray[np.float32]:
    """Cosine of the templates of two encoders, crop by crop."""
    found: npt.NDArray[np.float32] = (one.encode(crops) * other.encode(crops)).sum(axis=1)
    return found
