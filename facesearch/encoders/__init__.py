"""Encoders: crops -> templates."""

from __future__ import annotations

from facesearch.encoders.backends import BACKENDS, Loader, load
from facesearch.encoders.catalog import CATALOG, MODELS, Checkpoint, Model, ModelFile, Variant
from facesearch.encoders.encoder import Encoder
from facesearch.encoders.registry import VariantInfo, find_model, models, read_variant, variants
from facesearch.encoders.spec import DEFAULT_MODEL, EncoderSpec

__all__ = [
    "BACKENDS",
    "CATALOG",
    "DEFAULT_MODEL",
    "MODELS",
    "Checkpoint",
    "Encoder",
    "EncoderSpec",
    "Loader",
    "Model",
    "ModelFile",
    "Variant",
    "VariantInfo",
    "find_model",
    "load_encoder",
    "models",
    "read_variant",
    "variants",
]


def load_encoder(name: str = DEFAULT_MODEL, *, threads: int = 0) -> Encoder:
    """The encoder called `model[:precision][@backend]`, ready to encode; `threads` per call, 0 = all cores.

    Raises `UnknownEncoderError` for a name that there is not, with the command that makes it where there is one, and
    `WeightsError` for damaged weights.
    """
    spec = EncoderSpec.parse(name)
    model = find_model(spec.model)
    return load(model, model.variant(spec), threads)
