"""Encoders: crops -> templates."""

from __future__ import annotations

from facesearch.encoders.backends import BACKENDS, Loader, load
from facesearch.encoders.catalog import CATALOG, Checkpoint, Model, ModelFile, Variant
from facesearch.encoders.encoder import Encoder
from facesearch.encoders.registry import VariantInfo, find_model, models, read_variant, variants
from facesearch.encoders.spec import DEFAULT_MODEL, EncoderSpec

__all__ = [
    "BACKENDS",
    "CATALOG",
    "DEFAULT_MODEL",
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


def load_encoder(name: str = DEFAULT_MODEL, *, threads: int = 0, device: str = "cpu", warm_up: bool = False) -> Encoder:
    """The encoder called `model[:precision][@backend]`, ready to encode; `threads` per call, 0 = all cores.

    device: where the backend runs it ("cpu", "cuda", …); the encoder's `device` says what really does. warm_up: encode
    a dummy crop first, so that the first real one takes no longer than the others.

    Raises `UnknownEncoderError` for a name that there is not, with the command that makes it where there is one,
    `WeightsError` for damaged weights, `UsageError` for a device that is not there, and `FacesearchError` with the
    command that installs it for a backend that is not there.
    """
    spec = EncoderSpec.parse(name)
    model = find_model(spec.model)
    return load(model, model.variant(spec), threads, device=device, warm_up=warm_up)
