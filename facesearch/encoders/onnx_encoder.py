"""An encoder run by ONNX Runtime."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facesearch.encoders.catalog import Model, Variant
from facesearch.encoders.registry import read_variant
from facesearch.encoders.spec import EncoderSpec
from facesearch.errors import EncoderMismatchError
from facesearch.onnx_session import open_session

_BATCH = 32


class OnnxEncoder:
    """An `Encoder` from an ONNX file; `threads` is what one call may use (0 = all cores)."""

    def __init__(self, model: Model, variant: Variant, *, threads: int = 0) -> None:
        self._model = model
        self._variant = variant
        self._session = open_session(read_variant(variant), threads=threads)
        self._input: str = self._session.get_inputs()[0].name

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
        for start in range(0, len(crops), _BATCH):
            (out,) = self._session.run(None, {self._input: crops[start : start + _BATCH]})
            rows.append(out)
        templates = np.concatenate(rows)  # (n, d)
        length = np.linalg.norm(templates, axis=1, keepdims=True)
        unit: npt.NDArray[np.float32] = templates / np.maximum(length, np.float32(1e-12))
        return unit
