"""The model folder, read: `$FACESEARCH_HOME/models/<model>/` with a manifest and the files it names.

Files are only read through `read_file`, which compares them with the manifest. `facesearch.workshop.model_folder`
writes them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from facesearch.encoders.catalog import ModelFile
from facesearch.encoders.manifest import FILE_NAME, LARGEST, Manifest, is_model_name
from facesearch.errors import UsageError, WeightsError
from facesearch.files import locations


def models_folder() -> Path:
    """Where models are kept."""
    return locations.home() / "models"


def model_folder(name: str) -> Path:
    """The folder of a model; raises `UsageError` for what cannot be the name of one."""
    if not is_model_name(name):
        raise UsageError(f"'{name}' cannot be the name of a model: use a-z, 0-9, dot, dash, underscore (at most 64)")
    return models_folder() / name


def stored_names() -> list[str]:
    """The names of the models in the model folder, in order."""
    try:
        entries = sorted(models_folder().iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [entry.name for entry in entries if is_model_name(entry.name) and (entry / FILE_NAME).exists()]


def read_manifest(name: str) -> Manifest | None:
    """The manifest of a model, None where it is not in the model folder; raises `WeightsError` if it is damaged."""
    folder = model_folder(name)
    try:
        with (folder / FILE_NAME).open("rb") as file:
            data = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(data) > LARGEST:
        raise WeightsError(f"the manifest of model {name} is damaged (too large): facesearch encoders remove {name}")
    from facesearch.encoders.manifest_format import parse  # 9 ms that the embedded model does without

    return parse(data, folder)


def read_file(file: ModelFile) -> bytes:
    """The bytes of a file; raises `WeightsError` if it is missing or not what the manifest says."""
    name = file.path.parent.name
    advice = f"facesearch encoders remove {name}, then pull or import it again"
    try:
        with file.path.open("rb") as stream:
            data = stream.read(file.size_bytes + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise WeightsError(f"{file.path.name} of model {name} cannot be read ({reason}): {advice}") from error
    if len(data) != file.size_bytes or hashlib.sha256(data).hexdigest() != file.sha256:
        raise WeightsError(f"{file.path.name} of model {name} is damaged (SHA-256 differs): {advice}")
    return data
