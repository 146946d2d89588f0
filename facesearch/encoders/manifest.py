"""`manifest.json` of a model in the model folder: what it is, where it came from, which files there are.

One JSON object, format 1:

    format          1
    model, family   its name; the catalog's name of its architecture, or "onnx"
    description, crop, crop_size, normalisation, mean, scale, dimension, parameters,
    licence, commercial_use, terms, threshold, threshold_source      as in `catalog.Model`
    source          null for the embedded model, else {file_name, sha256, url}; url is "file" for a file given by hand
    options         how the input of a user's ONNX file was described, as (name, value) texts; else empty
    imported_at     UTC, ISO 8601
    versions        of the tools it was made with
    files           [{file, precision, backends, scheme, sha256, size_bytes, weights_sha256, calibration_sha256,
                      fingerprint}]

What is read is checked: size, types, file names, and the fingerprints, which are computed anew from the rest.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from facesearch.encoders.catalog import Channels, Model, ModelFile, Variant
from facesearch.errors import WeightsError

FORMAT = 1
FILE_NAME = "manifest.json"
LARGEST = 2**20  # bytes

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_MOST_FILES = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """The file that a model was made from. url: "file" where it was given by hand."""

    file_name: str
    sha256: str
    url: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A model in the model folder; the paths of `model`'s files are absolute."""

    model: Model
    source: Source | None
    options: tuple[tuple[str, str], ...]
    imported_at: str
    versions: tuple[tuple[str, str], ...]
    files: tuple[ModelFile, ...]


def is_model_name(name: str) -> bool:
    """Whether `name` may be that of a model: lower case, digits, dot, dash, underscore; never a path."""
    return _NAME.fullmatch(name) is not None and not name.endswith(".")


def variants_of(files: tuple[ModelFile, ...]) -> tuple[Variant, ...]:
    """One variant per precision and backend."""
    return tuple(Variant(file.precision, backend, file=file) for file in files for backend in file.backends)


def dump(manifest: Manifest) -> bytes:
    """The manifest as JSON."""
    model = manifest.model
    document = {
        "format": FORMAT,
        "model": model.name,
        "family": model.family,
        "description": model.description,
        "crop": model.crop,
        "crop_size": model.crop_size,
        "normalisation": model.normalisation,
        "mean": list(model.mean),
        "scale": list(model.scale),
        "dimension": model.dimension,
        "parameters": model.parameters,
        "licence": model.licence,
        "commercial_use": model.commercial_use,
        "terms": model.terms,
        "threshold": model.threshold,
        "threshold_source": model.threshold_source,
        "source": manifest.source
        and {"file_name": manifest.source.file_name, "sha256": manifest.source.sha256, "url": manifest.source.url},
        "options": dict(manifest.options),
        "imported_at": manifest.imported_at,
        "versions": dict(manifest.versions),
        "files": [
            {
                "file": file.path.name,
                "precision": file.precision,
                "backends": list(file.backends),
                "scheme": file.scheme,
                "sha256": file.sha256,
                "size_bytes": file.size_bytes,
                "weights_sha256": file.weights_sha256,
                "calibration_sha256": file.calibration_sha256,
                "fingerprint": file.fingerprint,
            }
            for file in manifest.files
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def parse(data: bytes, folder: Path) -> Manifest:
    """The manifest in `data` of the model in `folder`; raises `WeightsError` if it is not one, or was changed."""
    try:
        document = json.loads(data)
        if not isinstance(document, dict):
            raise _FaultError("it is not a JSON object")
        return _manifest(_Reader(document), folder)
    except (_FaultError, ValueError, RecursionError) as error:
        fault = error if isinstance(error, _FaultError) else "it is not JSON"
        raise WeightsError(
            f"the manifest of model {folder.name} is damaged ({fault}): facesearch encoders remove {folder.name}, "
            "then pull or import it again"
        ) from error


class _FaultError(Exception):
    """What is wrong with a manifest."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Typed access to the keys of a JSON object."""

    values: Mapping[str, Any]

    def get(self, key: str, kind: type[T]) -> T:
        value = self.values.get(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _FaultError(f"'{key}' is missing or not a {kind.__name__}")
        return value

    def text(self, key: str, pattern: re.Pattern[str] | None = None) -> str:
        value = self.get(key, str)
        if not value.isprintable() or (pattern is not None and not pattern.fullmatch(value)):
            raise _FaultError(f"'{key}' is not valid")
        return value

    def count(self, key: str, least: int, most: int) -> int:
        value = self.get(key, int)
        if not least <= value <= most:
            raise _FaultError(f"'{key}' is {value}, not {least} to {most}")
        return value

    def number(self, key: str) -> float:
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _FaultError(f"'{key}' is missing or not a number")
        return float(value)

    def channels(self, key: str) -> Channels:
        values = self.get(key, list)
        if len(values) != 3:
            raise _FaultError(f"'{key}' is not three numbers")
        red, green, blue = (_Reader({key: value}).number(key) for value in values)
        return (red, green, blue)

    def texts(self, key: str) -> tuple[tuple[str, str], ...]:
        values = _Reader(self.get(key, dict))
        return tuple((name, values.text(name)) for name in values.values)


def _manifest(reader: _Reader, folder: Path) -> Manifest:
    written = reader.get("format", int)
    if written != FORMAT:
        raise _FaultError(f"it has format {written}, this version reads {FORMAT}")
    source = _source(_Reader(reader.get("source", dict))) if reader.values.get("source") is not None else None
    facts = Model(
        name=reader.text("model", _NAME),
        family=reader.text("family", _NAME),
        description=reader.text("description"),
        crop=reader.text("crop", _WORD),
        crop_size=reader.count("crop_size", 16, 1024),
        normalisation=reader.text("normalisation"),
        mean=reader.channels("mean"),
        scale=reader.channels("scale"),
        dimension=reader.count("dimension", 1, 8192),
        licence=reader.text("licence"),
        commercial_use=reader.get("commercial_use", bool),
        terms=reader.text("terms"),
        source=source.file_name if source else "embedded",
        parameters=reader.count("parameters", 0, 10**12),
        threshold=reader.number("threshold"),
        threshold_source=reader.text("threshold_source"),
    )
    if facts.name != folder.name:
        raise _FaultError(f"it is that of {facts.name}")
    entries = reader.get("files", list)
    if len(entries) > _MOST_FILES or not all(isinstance(entry, dict) for entry in entries):
        raise _FaultError("'files' is not a list of files")
    files = tuple(_file(_Reader(entry), folder, facts) for entry in entries)
    if len({file.path.name for file in files}) != len(files):
        raise _FaultError("a file is listed twice")
    if len({(v.precision, v.backend) for v in variants_of(files)}) != sum(len(file.backends) for file in files):
        raise _FaultError("two files are for the same precision and backend")
    return Manifest(
        model=facts,
        source=source,
        options=reader.texts("options"),
        imported_at=reader.text("imported_at"),
        versions=reader.texts("versions"),
        files=files,
    )


def _source(reader: _Reader) -> Source:
    return Source(reader.text("file_name"), reader.text("sha256", _SHA256), reader.text("url"))


def _file(reader: _Reader, folder: Path, model: Model) -> ModelFile:
    backends = reader.get("backends", list)
    if not backends or not all(isinstance(backend, str) and _WORD.fullmatch(backend) for backend in backends):
        raise _FaultError("'backends' is not a list of names")
    calibration = reader.values.get("calibration_sha256")
    file = ModelFile(
        path=folder / reader.text("file", _WORD),
        precision=reader.text("precision", _WORD),
        backends=tuple(backends),
        scheme=reader.text("scheme", _WORD),
        sha256=reader.text("sha256", _SHA256),
        size_bytes=reader.count("size_bytes", 1, 2**40),
        weights_sha256=reader.text("weights_sha256", _SHA256),
        fingerprint=reader.text("fingerprint", _SHA256),
        calibration_sha256=None if calibration is None else reader.text("calibration_sha256", _SHA256),
    )
    if file.fingerprint != model.fingerprint_of(file.weights_sha256, file.precision):
        raise _FaultError(f"the fingerprint of {file.path.name} does not agree with what the model is said to be")
    return file
