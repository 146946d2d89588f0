"""Make INT8 files of an encoder, or ones with 4-bit weights: photos -> crops -> quantizer -> model folder."""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from facesearch.encoders import EncoderSpec, Model, Variant, find_model, read_variant
from facesearch.encoders.backends import load
from facesearch.encoders.openvino_file import SUFFIX as OPENVINO_SUFFIX
from facesearch.errors import FacesearchError, RejectedImageError, UsageError, WeightsError
from facesearch.faces import FaceDetector, find_crop, most_prominent
from facesearch.photos.decoding import decode, read_bytes
from facesearch.photos.sources import photos_within
from facesearch.quantization.lowbit.config import unknown_precision
from facesearch.quantization.recipe import Overrides, candidate_recipes, choose_recipe
from facesearch.workshop.model_folder import add_file, describe_file
from facesearch.workshop.sample_crops import sample_crops

if TYPE_CHECKING:
    from facesearch.quantization.fidelity import Fidelity, LayerFidelity
    from facesearch.quantization.onnx_int8 import QuantizedModel
    from facesearch.quantization.recipe import Recipe

BACKENDS = ("onnx", "openvino", "torch")
WEIGHTS_ONLY = "w4"  # linear layers with weights of 4 bits, which ONNX Runtime computes with as they are
SYNTHETIC = "calibrated with synthetic people: real photos make it more faithful, give a folder with --calibration"
PRECISIONS = ("int8", WEIGHTS_ONLY)

_MOST = 250  # photos; more moves the ranges hardly at all
_LEAST = 10
_HELD_OUT = 5  # every fifth crop is not used for calibration
_MIN_FACE = 40  # pixels
_INSTALL = "pip install 'facesearch[torch]'"

Pixels = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationCrops:
    """What an encoder is calibrated with. crops, held_out: (n, h, w, 3) uint8, of different photos.

    sha256: over the sorted SHA-256 of the photos used; None for synthetic people. skipped: photos without a face.
    """

    crops: Pixels
    held_out: Pixels
    sha256: str | None
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class QuantizedFile:
    """One file that was made. kept_float: layers whose activations stay float. size ratio: to 4 bytes a weight.

    bits: of weights and of activations on average, where they are below INT8's. reason: why the recipe was taken, where
    there was a choice.
    """

    encoder: str
    scheme: str
    path: Path
    size_bytes: int
    fp32_bytes: int
    fidelity: Fidelity
    kept_float: tuple[str, ...] = ()
    bits: tuple[float, float] | None = None
    reason: str = ""

    @property
    def size_ratio(self) -> float:
        return self.size_bytes / self.fp32_bytes


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """What was made of a model. warnings: a line each."""

    model: str
    files: tuple[QuantizedFile, ...]
    calibration_images: int
    calibration_skipped: int
    calibration_sha256: str | None
    warnings: tuple[str, ...] = ()


def quantize_encoder(
    name: str,
    *,
    precision: str = "int8",
    backends: tuple[str, ...] = ("onnx",),
    calibration: Path | None = None,
    overrides: Overrides | None = None,
    progress: Progress = lambda done, total: None,
    step: Step = lambda text: None,
) -> QuantizationReport:
    """Quantize a model that is on this machine, for each of `backends`, and put the files into its folder.

    calibration: a folder of photos of faces, searched with all it contains; None: photos of synthetic people.
    progress: photos looked at, of how many. step: told what is done. Raises `UsageError` for what cannot be asked for,
    `FacesearchError` where a package is missing; the model folder is as it was then.
    """
    _check_precision(precision, backends, overrides)
    for backend in backends:
        if backend not in BACKENDS:
            raise UsageError(f"no backend '{backend}'; there are: {', '.join(BACKENDS)}")
    spec = EncoderSpec.parse(name)
    model = find_model(spec.model)
    source = read_variant(model.variant(EncoderSpec(model.name)))
    for backend in backends:
        choose_recipe(model.family, backend, overrides=overrides)  # a wrong option is told before the work
    require_onnx()
    found = calibration_crops(model, calibration, progress)
    warnings = [SYNTHETIC] if calibration is None else []
    encoders = [EncoderSpec(model.name, precision, backend) for backend in backends]
    files = tuple(_quantize_for(encoder, model, source, found, overrides, step) for encoder in encoders)
    count = len(found.crops) + len(found.held_out)
    return QuantizationReport(model.name, files, count, found.skipped, found.sha256, tuple(warnings))


def require_onnx() -> None:
    """Raises `FacesearchError` where the package is missing without which no file is tried out: before the work."""
    if importlib.util.find_spec("onnx") is None:
        raise FacesearchError(f"quantizing needs onnx, which is not installed: {_INSTALL}")


def _check_precision(precision: str, backends: tuple[str, ...], overrides: Overrides | None) -> None:
    if precision not in PRECISIONS:
        raise unknown_precision(precision)
    if precision == WEIGHTS_ONLY:
        if backends != ("onnx",):
            raise UsageError(f"precision {WEIGHTS_ONLY} is for --backend onnx only")
        if overrides is not None and overrides != Overrides():
            raise UsageError(f"recipes and their options do not go with precision {WEIGHTS_ONLY}")


def calibration_crops(
    model: Model, folder: Path | None, progress: Progress = lambda done, total: None, most: int = _MOST
) -> CalibrationCrops:
    """The crops of a model from photos in `folder` (None: of synthetic people), always the same ones.

    most: photos that are looked at, evenly over all. Raises `UsageError` if the folder is missing or has too few photos
    of faces.
    """
    if folder is None:
        sample = sample_crops(model.crop, model.crop_size).crops
        return CalibrationCrops(*_parted(sample), sha256=None)
    paths = _photos(folder, most)
    crop = find_crop(model.crop)
    detector = FaceDetector(_MIN_FACE)
    crops, digests, skipped = [], [], 0
    for number, path in enumerate(paths):
        progress(number, len(paths))
        try:
            data = read_bytes(path)
            photo = decode(data, path.name)
            face = most_prominent(detector.detect(photo), *photo.shape[:2])
        except RejectedImageError:
            skipped += 1
            continue
        crops.append(crop.cut(photo, face))
        digests.append(hashlib.sha256(data).hexdigest())
    progress(len(paths), len(paths))
    if len(crops) < _LEAST:
        raise UsageError(
            f"{folder} has {len(crops)} usable photos of faces, at least {_LEAST} are needed to calibrate: "
            "give a folder with more"
        )
    sha256 = hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
    return CalibrationCrops(*_parted(np.stack(crops)), sha256=sha256, skipped=skipped)


def _photos(folder: Path, most: int) -> list[Path]:
    """Up to `most` photos in a folder and those in it, evenly over their names."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder: give one of photos of faces with --calibration")
    found = photos_within(folder)
    if not found:
        raise UsageError(f"{folder} has no photos: give a folder of photos of faces with --calibration")
    stride = max(1.0, len(found) / most)
    return [found[int(number * stride)] for number in range(min(len(found), most))]


def _parted(crops: Pixels) -> tuple[Pixels, Pixels]:
    is_held = np.arange(len(crops)) % _HELD_OUT == _HELD_OUT - 1
    return crops[~is_held], crops[is_held]


@dataclass(frozen=True, slots=True)
class Made:
    """A file that is not in the model folder yet. layers, kept_float, bits, reason: as `QuantizedFile` has
    them."""

    path: Path
    scheme: str
    layers: tuple[LayerFidelity, ...] = ()
    kept_float: tuple[str, ...] = ()
    bits: tuple[float, float] | None = None
    reason: str = ""


def store_tried(
    model: Model,
    encoder: EncoderSpec,
    made: Made,
    found: CalibrationCrops,
    source: bytes,
    *,
    original: EncoderSpec,
    advice: str,
    step: Step,
) -> QuantizedFile:
    """Try a file out on crops that it was not calibrated with, and only then put it into the model folder.

    source: the FP32 weights that it was made of; original: the encoder that it is compared with. Raises `WeightsError`
    with the advice where its templates are not finite.
    """
    from facesearch.quantization.fidelity import summarise

    step(f"trying out {encoder}")
    facts = {"precision": encoder.precision, "scheme": made.scheme}
    backends = (encoder.backend,)
    trial = describe_file(model, made.path, backends=backends, calibration_sha256=found.sha256, **facts)
    templates = load(model, Variant(encoder.precision, encoder.backend, file=trial)).encode(found.held_out)
    if not np.isfinite(templates).all():
        raise WeightsError(f"{encoder} gives templates that are not finite: {advice}")
    expected = load(model, model.variant(original)).encode(found.held_out)
    file = add_file(model, made.path, backends=backends, calibration_sha256=found.sha256, **facts)
    return QuantizedFile(
        encoder=str(encoder),
        scheme=made.scheme,
        path=file.path,
        size_bytes=file.size_bytes,
        fp32_bytes=4 * model.parameters or len(source),
        fidelity=summarise(expected, templates, made.layers),
        kept_float=made.kept_float,
        bits=made.bits,
        reason=made.reason,
    )


def _quantize_for(
    encoder: EncoderSpec, model: Model, source: bytes, found: CalibrationCrops, overrides: Overrides | None, step: Step
) -> QuantizedFile:
    with tempfile.TemporaryDirectory() as folder:
        if encoder.precision == WEIGHTS_ONLY:
            made = _make_weights(source, found, step, Path(folder))
        else:
            made = _make(encoder.backend, model, source, found, overrides, step, Path(folder))
        advice = "use int8" if encoder.precision == WEIGHTS_ONLY else "try another --recipe"
        original = EncoderSpec(model.name)
        return store_tried(model, encoder, made, found, source, original=original, advice=advice, step=step)


def _make_weights(source: bytes, found: CalibrationCrops, step: Step, folder: Path) -> Made:
    from facesearch.quantization.onnx_weights import SCHEME, quantize_weights

    made = quantize_weights(source, found.crops, found.held_out, step)
    path = folder / f"{WEIGHTS_ONLY}.onnx"
    path.write_bytes(made.data)
    return Made(path, SCHEME)


def _make(
    backend: str,
    model: Model,
    source: bytes,
    found: CalibrationCrops,
    overrides: Overrides | None,
    step: Step,
    folder: Path,
) -> Made:
    if backend == "torch":
        from facesearch.quantization import torch_int8

        step("quantizing for torch")
        path = folder / "int8.safetensors"
        stored = [each for each in model.variants if (each.precision, each.backend) == ("fp32", "torch")]
        weights = read_variant(stored[0]) if stored and stored[0].file else source  # of the embedded model, its ONNX
        return Made(path, torch_int8.quantize(model.family, weights, found.crops, path))
    from facesearch.quantization.onnx_int8 import onnx_times, quantize_onnx
    from facesearch.quantization.onnx_layers import has_attention
    from facesearch.quantization.openvino_int8 import openvino_times, quantize_openvino
    from facesearch.quantization.selection import quantize_best

    attention = has_attention(source)
    recipes = candidate_recipes(model.family, backend, attention=attention, overrides=overrides)

    def quantize(recipe: Recipe) -> QuantizedModel:
        if backend == "openvino":
            return quantize_openvino(source, recipe, found.crops, found.held_out, transformer=attention, step=step)
        return quantize_onnx(source, recipe, found.crops, found.held_out, step)

    def times(models: Sequence[bytes]) -> list[float]:
        return (openvino_times if backend == "openvino" else onnx_times)(models, found.held_out[0])

    chosen = quantize_best(recipes, quantize, times, step)
    suffix, ending = (OPENVINO_SUFFIX, "-openvino") if backend == "openvino" else (".onnx", "")
    path = folder / f"int8{suffix}"
    path.write_bytes(chosen.made.data)
    made = chosen.made
    reason = chosen.reason if len(recipes) > 1 else ""
    return Made(path, chosen.recipe.scheme + ending, made.fidelity.layers, made.kept_float, reason=reason)
