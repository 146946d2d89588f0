"""How an encoder is named: `model:precision@backend`, e.g. `facenet-vggface2:int8@onnx`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from facesearch.errors import UnknownEncoderError

DEFAULT_MODEL = "mobilefacenet"
DEFAULT_PRECISION = "fp32"
DEFAULT_BACKEND = "onnx"

LOW_BIT = re.compile(r"w([3-8])a([3-8])")  # a precision below INT8: bits of weights, of activations
_PATTERN = re.compile(r"(?P<model>[a-z0-9][a-z0-9._-]*)(?::(?P<precision>[a-z0-9]+))?(?:@(?P<backend>[a-z0-9]+))?")


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """One encoder: which model, at which precision, run by what."""

    model: str = DEFAULT_MODEL
    precision: str = DEFAULT_PRECISION
    backend: str = DEFAULT_BACKEND

    def __str__(self) -> str:
        return f"{self.model}:{self.precision}@{self.backend}"

    @staticmethod
    def parse(text: str) -> EncoderSpec:
        """`text` with precision and backend optional; raises `UnknownEncoderError` if it is not of that form."""
        match = _PATTERN.fullmatch(text.strip().lower())
        if match is None:
            raise UnknownEncoderError(f"'{text}' is not an encoder name; the form is model[:precision][@backend]")
        return EncoderSpec(match["model"], match["precision"] or DEFAULT_PRECISION, match["backend"] or DEFAULT_BACKEND)
