"""A file of weights -> the files of a model: FP32 safetensors for torch, FP32 ONNX for everything else.

Needs the extra `[torch]` (for a user's ONNX file only onnx); raises `ImportError` where that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from facesearch.encoders.catalog import (
    GIVEN_TERMS,
    GIVEN_THRESHOLD_SOURCE,
    ONNX_FAMILY,
    USER_LICENCE,
    USER_TERMS,
    USER_THRESHOLD,
    USER_THRESHOLD_SOURCE,
    Channels,
    Model,
    ModelFile,
)
from facesearch.errors import WeightsError
from facesearch.inference.onnx_session import open_session
from facesearch.workshop.model_folder import describe_file
from facesearch.workshop.selftest import Alternative, Embed, LabelledCrops

if TYPE_CHECKING:
    from facesearch.workshop.onnx_options import OnnxOptions

Sampler = Callable[[str, int], LabelledCrops]

_SERVED = ("onnx", "openvino")  # what runs an ONNX file
_BATCH = 8
_RANGES: tuple[tuple[str, float, float], ...] = (
    ("--mean 127.5 --scale 1/127.5", 127.5, 1 / 127.5),
    ("--mean 0 --scale 1/255", 0.0, 1 / 255),
    ("--mean 0 --scale 1", 0.0, 1.0),
)


@dataclass(frozen=True, slots=True)
class Built:
    """A model before its manifest. options: as a user described its input. notes: what the user should know.

    alternatives: other ways to use it, for the self-test.
    """

    model: Model
    files: tuple[ModelFile, ...]
    options: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    alternatives: Callable[[Sampler], Iterator[Alternative]] = lambda sampler: iter(())


def convert_checkpoint(folder: Path, path: Path, entry: Model, name: str, file_name: str) -> Built:
    """The checkpoint `path` of the family `entry` as files in `folder`.

    Raises `WeightsError` if it is damaged, holds code, or is of another model.
    """
    from safetensors.numpy import save

    from facesearch.workshop.checkpoint import load_network
    from facesearch.workshop.onnx_export import export_onnx

    model = _named(entry, name, file_name)
    network = load_network(model.family, path)
    weights, graph = folder / f"{name}.fp32.safetensors", folder / f"{name}.fp32.onnx"
    weights.write_bytes(save({key: tensor.numpy().copy() for key, tensor in network.network.state_dict().items()}))
    export_onnx(network, graph, model.crop_size)
    found = _dimension(graph, model.crop_size, file_name)
    if found != model.dimension:
        raise WeightsError(f"{file_name} gives {found} numbers per face, {model.family} has {model.dimension}")
    model = replace(model, parameters=sum(each.numel() for each in network.parameters()))
    kept = describe_file(model, weights, precision="fp32", backends=("torch",), scheme="fp32")
    run = describe_file(
        model, graph, precision="fp32", backends=_SERVED, scheme="fp32", weights_sha256=kept.weights_sha256
    )
    return Built(model, (run, kept))


def convert_onnx(folder: Path, path: Path, name: str, options: OnnxOptions | None) -> Built:
    """The user's ONNX file `path` as a model in `folder`; options: how it takes its input (None: from its sidecar).

    Raises `WeightsError` if it is damaged, unsafe, or not a face encoder.
    """
    from facesearch.workshop.onnx_options import CROP_SIZES, Colour
    from facesearch.workshop.onnx_wrapping import wrap_onnx

    graph = folder / f"{name}.fp32.onnx"
    wrapped = wrap_onnx(path, graph, options)
    found = wrapped.options
    if wrapped.crop_size != CROP_SIZES[found.crop]:
        raise WeightsError(
            f"{printable(path.name)} takes crops of {wrapped.crop_size}, {found.crop} crops are of "
            f"{CROP_SIZES[found.crop]}: give the --crop it was trained on"
        )
    is_bgr = found.colour == "bgr"
    model = Model(
        name=name,
        family=ONNX_FAMILY,
        description=f"ONNX model from {printable(path.name)}",
        crop=found.crop,
        crop_size=wrapped.crop_size,
        normalisation=f"(x - {_in_words(found.mean)}) · {_in_words(found.scale)}, {found.colour.upper()}; unit length",
        mean=_reversed(found.mean) if is_bgr else found.mean,
        scale=_reversed(found.scale) if is_bgr else found.scale,
        dimension=wrapped.dimension,
        licence=found.licence or USER_LICENCE,
        commercial_use=found.commercial,
        terms=GIVEN_TERMS if found.licence or found.commercial else USER_TERMS,
        source=printable(path.name),
        parameters=0,
        threshold=USER_THRESHOLD if found.threshold is None else found.threshold,
        threshold_source=USER_THRESHOLD_SOURCE if found.threshold is None else GIVEN_THRESHOLD_SOURCE,
    )
    told = (
        ("layout", str(found.layout)),
        ("size", str(wrapped.crop_size)),
        ("colour", found.colour),
        ("mean", ",".join(map(repr, found.mean))),
        ("scale", ",".join(map(repr, found.scale))),
        ("crop", found.crop),
        ("output", found.output or ""),
    )

    def alternatives(sampler: Sampler) -> Iterator[Alternative]:
        colour: Colour = "rgb" if is_bgr else "bgr"
        others = [(label, replace(found, mean=(m,) * 3, scale=(s,) * 3)) for label, m, s in _RANGES]
        others.append((f"--colour {colour}", replace(found, colour=colour)))
        others += [(f"--crop {crop}", replace(found, crop=crop, size=None)) for crop in CROP_SIZES]
        trial = folder / "trial.onnx"
        for label, other in others:
            if other == found or (other.crop == found.crop and other.size is None):
                continue
            try:
                size = wrap_onnx(path, trial, other).crop_size
            except WeightsError:  # it gives nothing then
                continue
            if size == CROP_SIZES[other.crop]:
                yield label, runner(trial.read_bytes()), sampler(other.crop, size)
        trial.unlink(missing_ok=True)

    run = describe_file(model, graph, precision="fp32", backends=_SERVED, scheme="fp32")
    return Built(model, (run,), told, wrapped.notes, alternatives)


def runner(data: bytes) -> Embed:
    """An ONNX model file as a function: crops (n, h, w, 3) uint8 RGB -> embeddings (n, d) float32."""
    session = open_session(data)
    name: str = session.get_inputs()[0].name

    def embed(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        rows = [session.run(None, {name: crops[start : start + _BATCH]})[0] for start in range(0, len(crops), _BATCH)]
        return np.concatenate(rows).astype(np.float32)

    return embed


def printable(name: str) -> str:
    """The name of a file as text that can be shown and stored."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _dimension(graph: Path, crop_size: int, name: str) -> int:
    """The length of a model's embeddings; raises `WeightsError` if they are not one row of numbers per crop."""
    crops = np.random.default_rng(0).integers(0, 256, (3, crop_size, crop_size, 3), dtype=np.uint8)
    found = runner(graph.read_bytes())(crops)
    if found.ndim != 2 or len(found) != 3:
        raise WeightsError(f"{name} gives {found.shape} for 3 crops, not one row of numbers per crop")
    if not np.isfinite(found).all() or not np.any(found, axis=1).all():
        raise WeightsError(f"{name} gives embeddings that are zero or not finite: is the file damaged?")
    return int(found.shape[1])


def _named(entry: Model, name: str, file_name: str) -> Model:
    """What is known of a model of a family, also where the user gave it a name of its own."""
    if name == entry.name:
        return entry
    return replace(
        entry,
        name=name,
        description=f"{entry.family} from {file_name}",
        source=file_name,
        licence=USER_LICENCE,
        commercial_use=False,
        terms=USER_TERMS,
        threshold_source=USER_THRESHOLD_SOURCE if entry.threshold == USER_THRESHOLD else entry.threshold_source,
        checkpoint=None,
    )


def _in_words(values: Channels) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else "(" + ", ".join(f"{value:g}" for value in values) + ")"


def _reversed(values: Channels) -> Channels:
    return (values[2], values[1], values[0])
