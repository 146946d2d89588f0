"""What runs a model: one row per backend."""

from __future__ import annotations

from typing import Protocol

from facesearch.encoders.catalog import Model, Variant
from facesearch.encoders.crop_encoder import CropEncoder
from facesearch.errors import FacesearchError, UnknownEncoderError


class Loader(Protocol):
    """A backend: makes an encoder of a variant; `threads` per call, 0 = all cores."""

    def __call__(self, model: Model, variant: Variant, *, threads: int, device: str) -> CropEncoder: ...


# Each backend loads what it needs only when a model is run.


def _load_onnx(model: Model, variant: Variant, *, threads: int, device: str) -> CropEncoder:
    from facesearch.encoders.onnx_encoder import OnnxEncoder

    return OnnxEncoder(model, variant, threads=threads, device=device)


def _load_openvino(model: Model, variant: Variant, *, threads: int, device: str) -> CropEncoder:
    from facesearch.encoders.openvino_encoder import OpenVinoEncoder

    return OpenVinoEncoder(model, variant, threads=threads, device=device)


def _load_torch(model: Model, variant: Variant, *, threads: int, device: str) -> CropEncoder:
    try:
        from facesearch.encoders.torch_encoder import TorchEncoder

        return TorchEncoder(model, variant, threads=threads, device=device)
    except ImportError as error:
        name = f"{model.name}:{variant.precision}@{variant.backend}"
        lacking = error.name or "torch"
        raise FacesearchError(
            f"{name} needs {lacking}, which is not installed: pip install 'facesearch[torch]'"
        ) from error


BACKENDS: dict[str, Loader] = {"onnx": _load_onnx, "openvino": _load_openvino, "torch": _load_torch}
"""What runs a model: name of the backend -> a function (model, variant, threads, device) -> Encoder."""


def load(
    model: Model, variant: Variant, threads: int = 0, *, device: str = "cpu", warm_up: bool = False
) -> CropEncoder:
    """An encoder for one variant; raises `UnknownEncoderError` where nothing here runs it.

    device: where it runs, never silently another one. warm_up: encode a dummy crop before it is handed out.
    """
    if variant.backend not in BACKENDS:
        raise UnknownEncoderError(
            f"no backend '{variant.backend}' to run {model.name} with; there are: {', '.join(BACKENDS)}"
        )
    encoder = BACKENDS[variant.backend](model, variant, threads=threads, device=device)
    if warm_up:
        encoder.warm_up()
    return encoder
