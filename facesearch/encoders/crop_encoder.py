"""What all backends have in common: crops are checked, cut into batches, and embeddings brought to unit length."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from facesearch.encoders.catalog import Model, Variant
from facesearch.encoders.spec import EncoderSpec
from facesearch.errors import EncoderMismatchError

BATCH = 32  # crops a model sees at once; more gain no speed and cost memory


class CropEncoder(ABC):
    """An `Encoder` but for what runs the model, which a backend adds as `_embed` and `device`."""

    def __init__(self, model: Model, variant: Variant) -> None:
        self._model = model
        self._variant = variant

    @property
    def spec(self) -> EncoderSpec:
        return EncoderSpec(self._model.name, self._variant.precision, self._variant.backend)

    @property
    def fingerprint(self) -> str:
        return self._model.fingerprint(self._variant)

    @property
    def dimension(self) -> int:
        return self._model.dimension

    @property
    def crop(self) -> str:
        return self._model.crop

    @property
    def crop_size(self) -> int:
        return self._model.crop_size

    @property
    def threshold(self) -> float:
        return self._model.threshold

    @property
    @abstractmethod
    def device(self) -> str:
        """What really runs it: "cpu", "cuda", …"""

    @abstractmethod
    def _embed(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Crops (n, h, w, 3), 1 to `BATCH` of them, contiguous -> embeddings (n, d) of any length; from any thread."""

    def encode(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Crops (n, h, w, 3) uint8 RGB -> templates (n, dimension) float32 of unit length.

        Raises `EncoderMismatchError` if the crops are not uint8 of the size that the model was trained on.
        """
        wanted = (self.crop_size, self.crop_size, 3)
        if crops.ndim != 4 or crops.shape[1:] != wanted or crops.dtype != np.uint8:
            raise EncoderMismatchError(
                f"{self.spec} takes crops (n, {self.crop_size}, {self.crop_size}, 3) uint8, "
                f"got {crops.shape} {crops.dtype}"
            )
        rows = [np.zeros((0, self.dimension), dtype=np.float32)]
        for start in range(0, len(crops), BATCH):
            rows.append(self._embed(np.ascontiguousarray(crops[start : start + BATCH])))
        templates = np.concatenate(rows)  # (n, d)
        length = np.linalg.norm(templates, axis=1, keepdims=True)
        unit: npt.NDArray[np.float32] = templates / np.maximum(length, np.float32(1e-12))
        return unit

    def warm_up(self) -> None:
        """Encode one grey crop, so that the first real one does not wait for what a backend puts off until then."""
        self.encode(np.full((1, self.crop_size, self.crop_size, 3), 128, dtype=np.uint8))
