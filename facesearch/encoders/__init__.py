"""Encoders: crops -> templates."""

from __future__ import annotations

from facesearch.encoders.catalog import MODELS, Model, Variant, VariantInfo, find_model, variants
from facesearch.encoders.encoder import Encoder
from facesearch.encoders.spec import DEFAULT_MODEL, EncoderSpec

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "Encoder",
    "EncoderSpec",
    "Model",
    "Variant",
    "VariantInfo",
    "find_model",
    "load_encoder",
    "variants",
]


def load_encoder(name: str = DEFAULT_MODEL, *, threads: int = 0) -> Encoder:
    """The encoder called `model[:precision][@backend]`, ready to encode; `threads` per call, 0 = all cores.

    Raises `UnknownEncoderError` for a name that is not in the catalog, `WeightsError` for damaged weights.
    """
    spec = EncoderSpec.parse(name)
    model = find_model(spec.model)
    variant = model.variant(spec)
    from facesearch.encoders.onnx_encoder import OnnxEncoder  # loads the runtime only when a model is run

    return OnnxEncoder(model, variant, threads=threads)
