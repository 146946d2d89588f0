"""What runs a model: one row per backend."""

from __future__ import annotations

from collections.abc import Callable

from facesearch.encoders.catalog import Model, Variant
from facesearch.encoders.encoder import Encoder
from facesearch.errors import UnknownEncoderError

Loader = Callable[[Model, Variant, int], Encoder]


def _load_onnx(model: Model, variant: Variant, threads: int) -> Encoder:
    from facesearch.encoders.onnx_encoder import OnnxEncoder  # loads the runtime only when a model is run

    return OnnxEncoder(model, variant, threads=threads)


BACKENDS: dict[str, Loader] = {"onnx": _load_onnx}
"""What runs a model: name of the backend -> a function (model, variant, threads) -> Encoder."""


def load(model: Model, variant: Variant, threads: int) -> Encoder:
    """An encoder for one variant; raises `UnknownEncoderError` where nothing here runs it."""
    if variant.backend not in BACKENDS:
        raise UnknownEncoderError(
            f"no backend '{variant.backend}' to run {model.name} with; there are: {', '.join(BACKENDS)}"
        )
    return BACKENDS[variant.backend](model, variant, threads)
