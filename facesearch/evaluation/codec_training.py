"""Codebooks and filled indexes, kept by what is in them: they take longer to make than all searches of a matrix."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.codecs.gallery_codecs import plain_codec
from facesearch.codecs.training import least_templates, shipped_coder
from facesearch.errors import UsageError
from facesearch.evaluation import result_cache
from facesearch.evaluation.datasets import Dataset, hashed
from facesearch.evaluation.extraction import Progress
from facesearch.files import locations
from facesearch.files.durable import write_atomically
from facesearch.photos.sources import photos_within
from indexes import (
    Coder,
    VectorIndex,
    VectorIndexError,
    code_of,
    create_index,
    learn_coder,
    load_coder,
    load_index,
    parse_kind,
)

Floats = npt.NDArray[np.float32]

_CODES = 2  # more whenever a kind stores the same vectors otherwise than in the version before
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
    found = photos_within(folder)
    if not found:
        raise UsageError(f"{folder} holds no photos")
    return hashed(folder, "unlabelled", [(str(path.relative_to(folder)), "") for path in found], progress)


def shipped(model: str, kind: str, dimension: int) -> tuple[Coder | None, bool]:
    """The coder of a kind from statistics in the package, if any, and whether nothing else has to be learnt."""
    coder = shipped_coder(model, kind, dimension)
    return coder, coder is not None and not least_templates(kind, coder)


def coder_for(kind: str, dimension: int, training: Floats | None) -> Coder | None:
    """What a gallery of this kind stores templates with, where that is the kind's own codes; else None.

    training: templates (t, dimension) to learn from, if any. Raises `UsageError` where there are too few.
    """
    if plain_codec(kind, None) is not None:
        return None
    if training is None:
        return learn_coder(kind, dimension, np.zeros((0, dimension), np.float32))
    path = _folder() / f"{code_of(kind)}-{_key(training)}.coder"
    try:
        return load_coder(path.read_bytes())
    except (OSError, VectorIndexError):  # not there, or damaged
        pass
    try:
        coder = learn_coder(kind, dimension, training)
    except VectorIndexError as error:
        raise _too_few(error) from error
    locations.make_own_folder(path.parent)
    write_atomically(path, lambda file: file.write(coder.to_bytes()))
    return coder


def filled_index(
    kind: str, dimension: int, coder: Coder | None, training: Floats | None, vectors: Floats
) -> VectorIndex:
    """An index of `kind` that holds vectors (n, dimension) under the ids 0..n − 1.

    coder: of its (last) stage, see `coder_for`; training: templates (t, dimension) for what else learns. An index that
    took long to fill is kept, too: some codes are slow to find. Raises `UsageError` for too few templates.
    """
    by = "" if coder is None else f"-{coder.sha256[:16]}"
    learnt = "" if training is None or not learns(kind) else f"-{_key(training)}"
    path = _folder() / f"{kind}{by}{learnt}-{_key(vectors)}.index"
    if path.exists():
        with contextlib.suppress(VectorIndexError):
            return load_index(path)
    started = time.perf_counter()
    index = create_index(kind, dimension, coder=coder)
    if training is not None and learns(kind):
        try:
            index.train(training)
        except VectorIndexError as error:
            raise _too_few(error) from error
    index.add(np.arange(len(vectors)), vectors)
    if time.perf_counter() - started > result_cache.WORTH_KEEPING:
        locations.make_own_folder(path.parent)
        index.save(path)
    return index


def _too_few(error: VectorIndexError) -> UsageError:
    return UsageError(f"{error}: give photos of other people with --codec-training")


def _folder() -> Path:
    return locations.home() / "cache" / "codecs"


def _key(training: Floats) -> str:
    return result_cache.key_of(f"faiss {version('faiss-cpu')} codes {_CODES}", training)
