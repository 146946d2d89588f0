"""Make a model from the weights that its authors, or the user, have in a file; `pull_model` fetches that file first.

Strict loading -> FP32 safetensors -> FP32 ONNX -> self-test on people who do not exist -> manifest, all in a
temporary folder: a model is there whole or not at all. Needs the extra `[torch]`; what it makes does not.
"""

from __future__ import annotations

import importlib.util
import shutil
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.encoders.catalog import CATALOG, ONNX_FAMILY, Checkpoint, Model
from facesearch.encoders.manifest import Source
from facesearch.encoders.registry import find_model
from facesearch.encoders.storage import model_folder, read_manifest
from facesearch.errors import FacesearchError, UsageError, WeightsError
from facesearch.workshop.conversion import Sampler, printable
from facesearch.workshop.download import Progress, download, resolve_source
from facesearch.workshop.model_folder import file_sha256, staged_model
from facesearch.workshop.model_making import INSTALL, Job, Made, Step, make_model
from facesearch.workshop.sample_crops import sample_crops
from facesearch.workshop.selftest import SelfTest
from facesearch.workshop.trial import make_apart

if TYPE_CHECKING:
    from facesearch.workshop.onnx_options import OnnxOptions

_NEEDED = ("torch", "onnx", "safetensors")


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A model that was imported. warnings: what its user should know, a line each."""

    model: Model
    source: Source | None
    self_test: SelfTest | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """How a model is imported.

    name: default the family's. options: what a user's ONNX file does not say of itself, None: as the sidecar
    beside it says. force: take the place of a model of that name.
    sampler: (kind of crop, its side) -> crops of a few people for the self-test, which is left out where it is None;
    another than the default needs `trusted`. trusted: the model is made in this process, without limits of time and
    memory; the file is your own.
    step, progress: told what is done, and how many bytes of how many are there.
    """

    family: str
    name: str | None = None
    options: OnnxOptions | None = None
    force: bool = False
    sampler: Sampler | None = sample_crops
    trusted: bool = False
    step: Step = field(default=lambda text: None)
    progress: Progress = field(default=lambda done, total: None)


def import_model(path: Path, request: ImportRequest) -> ImportedModel:
    """Make a model from a file: a checkpoint of a family of the catalog, or any ONNX file (family `onnx`).

    Raises `UsageError` for a family or name that is not possible, `WeightsError` for a file that is not such a model.
    """
    name, entry = _checked(request)
    if not path.is_file():
        raise UsageError(f"there is no file {path}" if not path.exists() else f"{path} is not a file")
    _check_extra(request.family)
    with staged_model(name, overwrite=request.force) as folder:
        source = Source(printable(path.name), file_sha256(path), "file")
        warnings = []
        known = entry and entry.checkpoint and entry.checkpoint.sha256
        if known and name == request.family and source.sha256 != known:
            warnings.append(f"{path.name} is not the file that the authors of {name} publish (its SHA-256 differs)")
        made = _made(folder, Job(path, source, name, request.family, request.options), request)
    return ImportedModel(find_model(name), source, made.self_test, (*warnings, *made.warnings))


def pull_model(request: ImportRequest, *, source: str | None = None) -> ImportedModel:
    """Fetch the weights of `request.family`, a model of the catalog, and import them under that name.

    source: instead of the authors' address a mirror (base URL or full URL), or a file or folder on this machine. The
    SHA-256 of the catalog holds for all of them. Raises `UsageError`, `WeightsError`.
    """
    name = request.family
    entry = next((model for model in CATALOG if model.name == name), None)
    if entry is None:
        raise UsageError(f"{find_model(name).name} was imported from a file and has no address to pull it from")
    checkpoint = entry.checkpoint
    if checkpoint is None:
        return ImportedModel(entry, None, None, (f"{name} comes with facesearch: there is nothing to pull",))
    if read_manifest(name) is not None and not request.force:
        return ImportedModel(find_model(name), None, None, (f"{name} is here already; --force pulls it again",))
    place = _place(entry, checkpoint, source)
    _check_extra(name)
    with staged_model(name, overwrite=request.force) as folder:
        if isinstance(place, Path):
            path, sha256 = place, file_sha256(place, request.progress)
        else:
            path = folder / "download" / _name_of(place)
            path.parent.mkdir()
            request.step(f"downloading {place}")
            sha256 = _download(entry, place, path, request.progress)
        if checkpoint.sha256 is not None and sha256 != checkpoint.sha256:
            raise WeightsError(
                f"{place} is not the file that the authors of {name} publish: SHA-256 is {sha256}, not "
                f"{checkpoint.sha256}; if it is yours: facesearch encoders import FILE --family {name} --name NAME"
            )
        url = "file" if isinstance(place, Path) else _public(place)
        came_from = Source(_name_of(place), sha256, url)
        made = _made(folder, Job(path, came_from, name, name, request.options), request)
        if not isinstance(place, Path):
            shutil.rmtree(folder / "download")
    warnings = made.warnings
    if checkpoint.sha256 is None:
        warnings = (f"no SHA-256 of {name} is known to compare with; what came has {sha256}", *warnings)
    return ImportedModel(find_model(name), came_from, made.self_test, warnings)


def _checked(request: ImportRequest) -> tuple[str, Model | None]:
    """The name of the model to be, and the entry of its family (None: ONNX)."""
    entry = next((model for model in CATALOG if model.name == request.family), None)
    if request.family != ONNX_FAMILY and (entry is None or entry.checkpoint is None):
        families = ", ".join([*(model.name for model in CATALOG if model.checkpoint), ONNX_FAMILY])
        raise UsageError(f"no family '{request.family}' to import; there are: {families}")
    if entry is not None and request.options is not None:
        raise UsageError(f"{request.family} is a known model: leave out the options that are for ONNX files")
    if request.options is not None:
        from facesearch.workshop.onnx_options import check_options

        check_options(request.options)
    if not request.trusted and request.sampler not in (None, sample_crops):
        raise UsageError("a sampler of your own runs in this process: set trusted")
    if entry is None and request.name is None:
        raise UsageError("give the model a name: --name")
    name = request.name or request.family
    model_folder(name)  # whether it can be a name
    if name == ONNX_FAMILY or (name != request.family and any(model.name == name for model in CATALOG)):
        raise UsageError(f"the name {name} is taken by facesearch itself: choose another --name")
    return name, entry


def _place(entry: Model, checkpoint: Checkpoint, source: str | None) -> str | Path:
    if source is not None:
        return resolve_source(source, checkpoint.file_name)
    if checkpoint.url is None:
        raise UsageError(
            f"there is no direct link to {entry.name}: fetch {checkpoint.file_name} by hand from the folder linked at "
            f"{checkpoint.page}, then: facesearch encoders pull {entry.name} --from {checkpoint.file_name}"
        )
    return checkpoint.url


def _download(entry: Model, url: str, path: Path, progress: Progress) -> str:
    expected = entry.checkpoint.sha256 if entry.checkpoint else None
    try:
        return download(url, path, sha256=expected, progress=progress).sha256
    except WeightsError as error:
        file_name = _name_of(url)
        raise WeightsError(
            f"{error}; or fetch {file_name} elsewhere, then: facesearch encoders pull {entry.name} --from {file_name}"
        ) from error


def _check_extra(family: str) -> None:
    for package in _NEEDED if family != ONNX_FAMILY else ("onnx",):
        try:
            there = importlib.util.find_spec(package) is not None
        except (ImportError, ValueError):
            there = False
        if not there:
            raise FacesearchError(f"importing {family} needs {package}, which is not installed: {INSTALL}")


def _made(folder: Path, job: Job, request: ImportRequest) -> Made:
    if request.trusted:
        return make_model(folder, job, request.sampler, request.step)
    return make_apart(folder, job, tested=request.sampler is not None, step=request.step)


def _name_of(place: str | Path) -> str:
    if isinstance(place, Path):
        return printable(place.name)
    return printable(urllib.parse.unquote(urllib.parse.urlsplit(place).path.rsplit("/", 1)[-1])) or "download"


def _public(url: str) -> str:
    """A URL without what may be secret in it: user, password, query."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1], query="", fragment=""))
