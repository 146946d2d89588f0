"""People who do not exist, as templates: each photo of a person is known by two numbers."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from facesearch import Gallery
from facesearch.encoders import EncoderSpec

DIMENSION = 64
_SPREAD = 0.35  # of a person's photos about their centre

Vector = npt.NDArray[np.float32]


class NoEncoder:
    """Stands for the encoder of templates that come ready; it encodes nothing."""

    spec = EncoderSpec("ready", "fp32", "memory")
    fingerprint = hashlib.sha256(b"ready").hexdigest()
    crop, crop_size, dimension, threshold, device = "arcface", 112, DIMENSION, 0.5, "cpu"

    def encode(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        raise NotImplementedError


def opened(folder: str, index: str | None = None) -> Gallery:
    """The gallery in a folder, searched with one thread for each question."""
    return Gallery.open(folder, encoder=NoEncoder(), index=index, threads=1)


@lru_cache(maxsize=100_000)
def photo(person: int, number: int) -> Vector:
    """The template (DIMENSION,) of a photo."""
    centre = np.random.default_rng([person]).normal(size=DIMENSION)
    noise = np.random.default_rng([person, number]).normal(size=DIMENSION)
    x = centre / np.linalg.norm(centre) + _SPREAD * noise / np.linalg.norm(noise)
    return np.asarray(x / np.linalg.norm(x), np.float32)
