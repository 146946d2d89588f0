"""The files and the manifest of a model, made in a folder from the file of weights that somebody gave."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.encoders.catalog import CATALOG
from facesearch.encoders.manifest import Manifest, Source
from facesearch.encoders.storage import model_folder
from facesearch.errors import FacesearchError
from facesearch.workshop.conversion import Sampler, convert_checkpoint, convert_onnx, runner
from facesearch.workshop.model_folder import now, write_manifest
from facesearch.workshop.selftest import SelfTest, self_test

if TYPE_CHECKING:
    from facesearch.workshop.onnx_options import OnnxOptions

INSTALL = "pip install 'facesearch[torch]'"

Step = Callable[[str], None]

_RECORDED = ("facesearch", "torch", "onnx", "onnxruntime", "timm", "facenet-pytorch", "numpy")


@dataclass(frozen=True, slots=True)
class Job:
    """A model to be made: from the file `path`, which came from `source`, under a name; see `ImportRequest`."""

    path: Path
    source: Source
    name: str
    family: str
    options: OnnxOptions | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What was seen when a model was made. warnings: what its user should know, a line each."""

    self_test: SelfTest | None
    warnings: tuple[str, ...] = ()


def make_model(folder: Path, job: Job, sampler: Sampler | None, step: Step) -> Made:
    """Put the files of a model and its manifest into `folder`.

    sampler: (kind of crop, its side) -> crops for the self-test, which is left out where it is None. step: told what is
    done. Raises `WeightsError`, and `FacesearchError` where a package that is needed does not load.
    """
    step(f"converting {job.source.file_name}")
    entry = next((model for model in CATALOG if model.name == job.family), None)
    try:
        if entry is None:
            built = convert_onnx(folder, job.path, job.name, job.options)
        else:
            built = convert_checkpoint(folder, job.path, entry, job.name, job.source.file_name)
    except ImportError as error:
        missing = error.name or str(error)
        raise FacesearchError(f"importing {job.family} needs {missing}, which does not load: {INSTALL}") from error
    model, tested, warnings = replace(built.model, variants=()), None, list(built.notes)
    if sampler is not None:
        step("testing")
        graph = next(file for file in built.files if "onnx" in file.backends)
        sample = sampler(model.crop, model.crop_size)
        tested = self_test(runner(graph.path.read_bytes()), sample, built.alternatives(sampler))
        if tested.warning:
            warnings.append(f"{job.name} {tested.warning}")
    placed = tuple(replace(file, path=model_folder(job.name) / file.path.name) for file in built.files)
    write_manifest(folder, Manifest(model, job.source, built.options, now(), _versions(), placed))
    return Made(tested, tuple(warnings))


def _versions() -> tuple[tuple[str, str], ...]:
    found = []
    for package in _RECORDED:
        with contextlib.suppress(PackageNotFoundError):
            found.append((package, version(package)))
    return tuple(found)
