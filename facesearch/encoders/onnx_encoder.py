"""An encoder run by ONNX Runtime."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facesearch.encoders.catalog import Model, Variant
from facesearch.encoders.crop_encoder import CropEncoder
from facesearch.encoders.registry import read_variant
from facesearch.inference.onnx_session import open_session, session_device


class OnnxEncoder(CropEncoder):
    """An `Encoder` from an ONNX file; `threads` is what one call may use (0 = all cores).

    device: a key of `facesearch.inference.onnx_session.PROVIDERS`. Raises `UsageError` for one that is not there.
    """

    def __init__(self, model: Model, variant: Variant, *, threads: int = 0, device: str = "cpu") -> None:
        super().__init__(model, variant)
        self._session = open_session(read_variant(variant), threads=threads, device=device)
        self._device = session_device(self._session)
        self._input: str = self._session.get_inputs()[0].name

    @property
    def device(self) -> str:
        return self._device

    def _embed(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        (embeddings,) = self._session.run(None, {self._input: crops})
        found: npt.NDArray[np.float32] = embeddings
        return found
