"""What an encoder is to the rest of the program."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from facesearch.encoders.spec import EncoderSpec


class Encoder(Protocol):
    """Crops in, templates out. `encode` is safe to call from several threads."""

    @property
    def spec(self) -> EncoderSpec: ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over weights, precision, crop, normalisation and dimension."""
        ...

    @property
    def dimension(self) -> int: ...

    @property
    def crop(self) -> str:
        """The kind of crop it was trained on: a key of `facesearch.faces.CROPS`."""
        ...

    @property
    def crop_size(self) -> int:
        """Side of the crop in pixels."""
        ...

    @property
    def device(self) -> str:
        """What really runs it: "cpu", "cuda", …"""
        ...

    @property
    def threshold(self) -> float:
        """Similarity (cosine) above which two templates count as the same person."""
        ...

    def encode(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Crops (n, h, w, 3) uint8 RGB -> templates (n, dimension) float32 of unit length."""
        ...
