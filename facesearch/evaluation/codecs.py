"""Trained indexes, kept by what they learnt from: codebooks take longer to learn than all searches of a matrix."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch import paths
from facesearch.errors import UsageError
from facesearch.evaluation.datasets import Dataset, hashed
from facesearch.evaluation.extraction import Progress
from facesearch.sources import is_photo_name
from facesearch.template_codecs import least_templates, shipped_coder
from indexes import VectorIndex, VectorIndexError, create_index, load_index, parse_kind

Floats = npt.NDArray[np.float32]

SELF_TRAINED = "the gallery itself"
SHIPPED = "templates of other people, by the package's own statistics"


def learns(kind: str) -> bool:
    """Whether an index of this kind learns ranges or codebooks from templates."""
    return parse_kind(kind).learns


def must_learn(kind: str) -> bool:
    """Whether an index of this kind takes no template before it has learnt."""
    return parse_kind(kind).training_size > 0


def check_kinds(kinds: Sequence[str], dimensions: Sequence[int]) -> None:
    """Raises `UsageError` for a kind that there is not, is named twice or does not fit one of the dimensions."""
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise UsageError(f"index {kind} is given twice")
        try:
            for dimension in dimensions:
                parse_kind(kind).check_dimension(dimension)
        except VectorIndexError as error:
            raise UsageError(str(error)) from error


def read_training_photos(folder: Path, progress: Progress | None = None) -> Dataset:
    """All photos in a folder and the folders in it, of whomever; raises `UsageError` where there are none."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    found = sorted(path for path in folder.rglob("*") if is_photo_name(path.name) and path.is_file())
    if not found:
        raise UsageError(f"{folder} holds no photos")
    return hashed(folder, "unlabelled", [(str(path.relative_to(folder)), "") for path in found], progress)


def shipped_index(model: str, kind: str, dimension: int) -> VectorIndex | None:
    """An index that learnt from statistics in the package, as that of a new gallery; None where there are none."""
    coder = shipped_coder(model, kind, dimension)
    if coder is None or least_templates(kind, coder):
        return None
    return create_index(kind, dimension, coder=coder)


def empty_index(kind: str, dimension: int, training: Floats | None) -> VectorIndex:
    """An index of `kind` without vectors; where it learns, it has learnt from templates (t, dimension), if given.

    Raises `UsageError` where it needs more to learn from.
    """
    if not learns(kind) or training is None:
        return create_index(kind, dimension)
    path = paths.home() / "cache" / "codecs" / f"{kind}-{_key(training)}.index"
    try:
        return load_index(path)
    except VectorIndexError:  # not there, or damaged
        pass
    index = create_index(kind, dimension)
    try:
        index.train(training)
    except VectorIndexError as error:
        raise UsageError(f"{error}: give photos of other people with --codec-training") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    index.save(path)
    return index


def _key(training: Floats) -> str:
    digest = hashlib.sha256(f"{version('faiss-cpu')} {training.shape}".encode())
    digest.update(np.ascontiguousarray(training).data)
    return digest.hexdigest()[:32]
