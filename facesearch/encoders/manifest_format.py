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

What is read is checked: size, types, texts, file names, and the fingerprints, which are computed anew from the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from facesearch.encoders.catalog import Channels, Model, ModelFile
from facesearch.encoders.manifest import MODEL_NAME, Manifest, Source, variants_of
from facesearch.errors import WeightsError

FORMAT = 1

Name = Annotated[str, Meta(pattern=rf"\A{MODEL_NAME.pattern}\Z")]
Word = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9._-]{0,79}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


@dataclass(frozen=True, slots=True)
class _Source:
    """`source`, as it is written."""

    file_name: str
    sha256: Sha256
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """An entry of `files`, as it is written."""

    file: Word
    precision: Word
    backends: Annotated[tuple[Word, ...], Meta(min_length=1)]
    scheme: Word
    sha256: Sha256
    size_bytes: Annotated[int, Meta(ge=1, le=2**40)]
    weights_sha256: Sha256
    calibration_sha256: Sha256 | None = None
    fingerprint: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """The whole, as it is written."""

    format: int
    model: Name
    family: Name
    description: str
    crop: Word
    crop_size: Annotated[int, Meta(ge=16, le=1024)]
    normalisation: str
    mean: Channels
    scale: Channels
    dimension: Annotated[int, Meta(ge=1, le=8192)]
    parameters: Annotated[int, Meta(ge=0, le=10**12)]
    licence: str
    commercial_use: bool
    terms: str
    threshold: float
    threshold_source: str
    source: _Source | None = None
    options: dict[str, str]
    imported_at: str
    versions: dict[str, str]
    files: Annotated[tuple[_File, ...], Meta(max_length=100)]


def dump(manifest: Manifest) -> bytes:
    """The manifest as JSON."""
    document = _Document(
        format=FORMAT,
        model=manifest.model.name,
        **_shared(manifest.model, _Document, but="source"),
        source=_Source(**_shared(manifest.source, _Source)) if manifest.source else None,
        options=dict(manifest.options),
        imported_at=manifest.imported_at,
        versions=dict(manifest.versions),
        files=tuple(_File(file=file.path.name, **_shared(file, _File)) for file in manifest.files),
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def parse(data: bytes, folder: Path) -> Manifest:
    """The manifest of the model in `folder`; raises `WeightsError` where it is damaged or does not fit the folder."""
    try:
        document = msgspec.json.decode(data)
        _check(document)
        return _manifest(msgspec.convert(document, _Document), folder)
    except (_FaultError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        named = isinstance(error, _FaultError | msgspec.ValidationError)
        raise WeightsError(
            f"the manifest of model {folder.name} is damaged ({error if named else 'it is not JSON'}): "
            f"facesearch encoders remove {folder.name}, then pull or import it again"
        ) from error


class _FaultError(Exception):
    """What is wrong with a manifest."""


def _check(document: Any) -> None:
    """That it is of this format, and that all its texts can be shown in a line."""
    if not isinstance(document, dict):
        raise _FaultError("it is not a JSON object")
    if document.get("format") != FORMAT:
        raise _FaultError(f"it has format {document.get('format')!r}, this version reads {FORMAT}")
    if not all(text.isprintable() for text in _texts(document)):
        raise _FaultError("a text in it cannot be shown")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _texts(list(pair))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _manifest(document: _Document, folder: Path) -> Manifest:
    model = Model(
        name=document.model,
        source=document.source.file_name if document.source else "embedded",
        **_shared(document, Model, but="source"),
    )
    if model.name != folder.name:
        raise _FaultError(f"it is that of {model.name}")
    files = tuple(ModelFile(path=folder / each.file, **_shared(each, ModelFile)) for each in document.files)
    for file in files:
        if file.fingerprint != model.fingerprint_of(file.weights_sha256, file.precision):
            raise _FaultError(f"the fingerprint of {file.path.name} does not agree with what the model is said to be")
    if len({file.path.name for file in files}) != len(files):
        raise _FaultError("a file is listed twice")
    if len({(v.precision, v.backend) for v in variants_of(files)}) != sum(len(file.backends) for file in files):
        raise _FaultError("two files are for the same precision and backend")
    return Manifest(
        model=model,
        source=Source(**_shared(document.source, Source)) if document.source else None,
        options=tuple(document.options.items()),
        imported_at=document.imported_at,
        versions=tuple(document.versions.items()),
        files=files,
    )


def _shared(value: Any, kind: type, *, but: str = "") -> dict[str, Any]:
    """What a dataclass has under the same names as the dataclass `kind`."""
    own = {field.name for field in fields(value)}
    return {field.name: getattr(value, field.name) for field in fields(kind) if field.name in own - {but}}
