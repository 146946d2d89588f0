"""The embedded default: files that come with the package, each checked against the manifest before use.

`manifest.json` names every file with its SHA-256, size, licence, origin and the script that rebuilds it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from facesearch.errors import WeightsError


@dataclass(frozen=True, slots=True)
class Asset:
    """One embedded file, as the manifest describes it."""

    name: str
    file: str
    sha256: str
    size_bytes: int
    licence: str
    origin: str
    rebuild: str


@cache
def manifest() -> dict[str, Asset]:
    """The embedded files by name."""
    text = (files(__name__) / "manifest.json").read_text(encoding="utf-8")
    return {entry["name"]: Asset(**entry) for entry in json.loads(text)["assets"]}


def read_asset(name: str) -> bytes:
    """The bytes of the embedded file `name`; raises `WeightsError` if it is missing or not what the manifest says."""
    asset = manifest()[name]
    try:
        data = (files(__name__) / asset.file).read_bytes()
    except OSError as error:
        raise WeightsError(f"embedded file {asset.file} is missing: reinstall facesearch") from error
    if hashlib.sha256(data).hexdigest() != asset.sha256:
        raise WeightsError(f"embedded file {asset.file} is damaged (SHA-256 differs): reinstall facesearch")
    return data
