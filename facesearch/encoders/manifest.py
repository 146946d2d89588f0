"""What is known of a model in the model folder: what it is, where it came from, which files there are.

`facesearch.encoders.manifest_format` has it as JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from facesearch.encoders.catalog import Model, ModelFile, Variant

FILE_NAME = "manifest.json"
LARGEST = 2**20  # bytes
MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


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
    return MODEL_NAME.fullmatch(name) is not None and not name.endswith(".")


def variants_of(files: tuple[ModelFile, ...]) -> tuple[Variant, ...]:
    """One variant per precision and backend."""
    return tuple(Variant(file.precision, backend, file=file) for file in files for backend in file.backends)
