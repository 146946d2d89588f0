"""The models that facesearch knows: one entry per model, one variant per file of it that can be run."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass

from facesearch.assets import manifest
from facesearch.encoders.spec import EncoderSpec
from facesearch.errors import UnknownEncoderError


@dataclass(frozen=True, slots=True)
class Variant:
    """One file of a model: a precision on a backend."""

    precision: str
    backend: str
    asset: str  # name in the manifest of the embedded files


@dataclass(frozen=True, slots=True)
class Model:
    """What has to be known of a model to use it rightly.

    crop: the kind of crop it was trained on (facesearch.faces.align), crop_size its side in pixels.
    threshold: similarity above which two templates count as the same person; how it was found is in docs/thresholds.md.
    """

    name: str
    description: str
    crop: str
    crop_size: int
    normalisation: str
    dimension: int
    licence: str
    commercial_use: bool
    source: str
    parameters: int
    threshold: float
    variants: tuple[Variant, ...]

    def variant(self, spec: EncoderSpec) -> Variant:
        """The file for a precision and backend; raises `UnknownEncoderError` naming those that there are."""
        for variant in self.variants:
            if (variant.precision, variant.backend) == (spec.precision, spec.backend):
                return variant
        have = ", ".join(f"{self.name}:{v.precision}@{v.backend}" for v in self.variants)
        raise UnknownEncoderError(f"no encoder {spec}; of {self.name} there is {have}")

    def fingerprint(self, variant: Variant) -> str:
        """SHA-256 (hex) over everything that shapes a template: weights, precision, crop, normalisation, dimension."""
        weights = manifest()[variant.asset].sha256
        facts = (weights, variant.precision, self.crop, str(self.crop_size), self.normalisation, str(self.dimension))
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class VariantInfo:
    """A variant on this machine. sha256: of the weights' file; fingerprint: of all that shapes templates."""

    spec: EncoderSpec
    installed: bool
    size_bytes: int
    sha256: str
    fingerprint: str


def variants(model: Model) -> list[VariantInfo]:
    """What can be run of a model."""
    rows = []
    for variant in model.variants:
        asset = manifest()[variant.asset]
        spec = EncoderSpec(model.name, variant.precision, variant.backend)
        rows.append(VariantInfo(spec, True, asset.size_bytes, asset.sha256, model.fingerprint(variant)))
    return rows


MODELS: tuple[Model, ...] = (
    Model(
        name="dlib-resnet",
        description="dlib's face recognition ResNet, 29 layers; the embedded default",
        crop="dlib-chip",
        crop_size=150,
        normalisation="(x - mean RGB) / 256 inside the model; unit length",
        dimension=128,
        licence="CC0-1.0",
        commercial_use=True,
        source="face-recognition-models 0.3.0, dlib_face_recognition_resnet_model_v1.dat",
        parameters=5_607_488,
        threshold=0.937,
        variants=(Variant("fp32", "onnx", "dlib-resnet"),),
    ),
)


def find_model(name: str) -> Model:
    """The model of that name; raises `UnknownEncoderError` naming the nearest, or all."""
    for model in MODELS:
        if model.name == name:
            return model
    names = [model.name for model in MODELS]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
    raise UnknownEncoderError(f"no model named '{name}'; {hint}")
