"""The model folder, written: models are put together, given further files and taken away.

A model is put together in a temporary folder beside its place and renamed, so that it is there whole or not at all;
what a killed process left is taken away by the next that writes. `facesearch.encoders.storage` reads.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from facesearch.encoders.catalog import Model, ModelFile
from facesearch.encoders.manifest import FILE_NAME, Manifest
from facesearch.encoders.manifest_format import dump, parse
from facesearch.encoders.registry import find_model
from facesearch.encoders.storage import model_folder, models_folder, read_manifest
from facesearch.errors import FacesearchError, UsageError
from facesearch.files.durable import put_folder, staged_file, sync, write_atomically
from facesearch.files.locks import exclusive_lock

_LOCK = ".lock"
_BLOCK = 2**20
_STAGED = re.compile(r"\.(?P<name>[a-z0-9._-]+)\.[0-9a-f]{16}\.(?P<state>new|old)")


def file_sha256(path: Path, progress: Callable[[int, int], None] | None = None) -> str:
    """SHA-256 (hex) of a file of any size."""
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            if progress:
                progress(done, total)
    return digest.hexdigest()


def describe_file(
    model: Model,
    path: Path,
    *,
    precision: str,
    backends: tuple[str, ...],
    scheme: str,
    weights_sha256: str | None = None,
    calibration_sha256: str | None = None,
) -> ModelFile:
    """A file of `model` as the manifest will have it. weights_sha256: None where the file's own identifies them."""
    sha256 = file_sha256(path)
    weights = weights_sha256 or sha256
    return ModelFile(
        path=path,
        precision=precision,
        backends=backends,
        scheme=scheme,
        sha256=sha256,
        size_bytes=path.stat().st_size,
        weights_sha256=weights,
        fingerprint=model.fingerprint_of(weights, precision),
        calibration_sha256=calibration_sha256,
    )


@contextmanager
def staged_model(name: str, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder for the files and the manifest of a model; leaving it without an error puts it in place.

    Raises `UsageError` if there is a model of that name, unless `overwrite`, which takes its place.
    """
    target = model_folder(name)
    with _writing():
        if target.exists() and not overwrite:
            raise UsageError(f"there is a model named {name}: choose another --name, or --force to take its place")
        staged = target.with_name(f".{name}.{secrets.token_hex(8)}.new")
        staged.mkdir()
        try:
            yield staged
            put_folder(staged, target)
        except BaseException:  # also an interrupt by the user: nothing may stay behind
            shutil.rmtree(staged, ignore_errors=True)
            raise


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest` into the folder of its model, in place of an earlier one; whole or not at all."""
    write_atomically(folder / FILE_NAME, lambda file: file.write(dump(manifest)), public=True)


def add_file(
    model: Model,
    path: Path,
    *,
    precision: str,
    backends: tuple[str, ...],
    scheme: str,
    weights_sha256: str | None = None,
    calibration_sha256: str | None = None,
) -> ModelFile:
    """Copy a further file of a model, e.g. a quantized one, into its folder as `<model>.<scheme><suffix>`.

    model: as `find_model` gives it. backends: what runs the file; there it takes the place of an earlier file of the
    same precision. Also the embedded model can get further files.
    """
    with _writing():
        folder = model_folder(model.name)
        folder.mkdir(exist_ok=True)
        try:
            present = read_manifest(model.name) or Manifest(
                model=model, source=None, options=(), imported_at=now(), versions=(), files=()
            )
            target = folder / f"{model.name}.{scheme}{path.suffix}"
            with staged_file(target) as temporary:
                shutil.copyfile(path, temporary)
                file = describe_file(
                    model,
                    temporary,
                    precision=precision,
                    backends=backends,
                    scheme=scheme,
                    weights_sha256=weights_sha256,
                    calibration_sha256=calibration_sha256,
                )
                file = replace(file, path=target)
                kept = tuple(_without(present.files, file))
                updated = replace(present, files=(*kept, file))
                parse(dump(updated), folder)  # what could not be read again is not written
                if len(kept) != len(present.files):  # at no moment does a manifest name a file that it does not fit
                    write_manifest(folder, replace(present, files=kept))
            write_manifest(folder, updated)
        except BaseException:
            if not (folder / FILE_NAME).exists():
                shutil.rmtree(folder, ignore_errors=True)
            raise
        _remove_unlisted(folder, updated)
        return file


def remove_model(name: str) -> int:
    """Delete a model from the model folder, also a damaged one; returns the bytes that it took.

    Of the embedded model, what was added to it. Raises `UsageError` for one that is not there.
    """
    folder = model_folder(name)
    with _writing():
        if not folder.is_dir():
            embedded = find_model(name).embedded
            reason = "comes with facesearch and cannot be removed" if embedded else "is not on this machine"
            raise UsageError(f"{name} {reason}")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        leaving = folder.with_name(f".{name}.{secrets.token_hex(8)}.new")  # "new": never to be restored
        folder.rename(leaving)
        sync(models_folder())
        shutil.rmtree(leaving)
        return size


def now() -> str:
    """This moment, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _without(files: tuple[ModelFile, ...], new: ModelFile) -> Iterator[ModelFile]:
    """The files less what `new` takes the place of."""
    for file in files:
        if file.path == new.path:
            continue
        backends = tuple(b for b in file.backends if file.precision != new.precision or b not in new.backends)
        if backends:
            yield replace(file, backends=backends)


def _remove_unlisted(folder: Path, manifest: Manifest) -> None:
    listed = {FILE_NAME, *(file.path.name for file in manifest.files)}
    for path in folder.iterdir():
        if path.name not in listed:
            path.unlink(missing_ok=True)


@contextmanager
def _writing() -> Iterator[None]:
    """The sole right to change the model folder; first takes away what killed processes left."""
    folder = models_folder()
    with ExitStack() as held:
        try:
            held.enter_context(exclusive_lock(folder / _LOCK))
        except BlockingIOError as error:
            raise FacesearchError(
                f"another process is changing the models in {folder}: try again when it is done"
            ) from error
        _clean(folder)
        yield


def _clean(folder: Path) -> None:
    for entry in sorted(folder.iterdir()):
        match = _STAGED.fullmatch(entry.name)
        if match is None:
            continue
        place = folder / match["name"]
        if match["state"] == "old" and not place.exists():  # killed between the two renames of put_folder
            entry.rename(place)
        else:
            shutil.rmtree(entry, ignore_errors=True)
