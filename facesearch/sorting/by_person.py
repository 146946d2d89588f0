"""Photos -> clusters of the faces in them: what `facesearch cluster` and `facesearch.cluster_photos` do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from facesearch.encoders import DEFAULT_MODEL, Encoder
from facesearch.errors import UsageError
from facesearch.faces import DEFAULT_MIN_FACE
from facesearch.gallery.one_person import groups_of, joining
from facesearch.photos.photo import Photo, Rejection
from facesearch.photos.sources import STANDARD_INPUT, Sources, of_anybody, refuse_url
from facesearch.pipeline.every_face import every_face
from facesearch.pipeline.pipeline import FaceTemplate, PhotoFaces, Pipeline
from facesearch.pipeline.pipeline_spec import PipelineSpec
from facesearch.pipeline.sessions import shared_pipeline
from facesearch.pipeline.workers import Workers
from facesearch.sorting.copies import Copies, Copy
from facesearch.sorting.photo_clusters import ClusteredFace, PhotoClusters

Progress = Callable[[int, int], None]  # (photos done, photos in all)
Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

_MIN_FACES = 12, 2000  # pixels
_MOST_WORKERS = 256


def cluster_photos(
    photos: Paths,
    *,
    encoder: str | Encoder = DEFAULT_MODEL,
    threshold: float | None = None,
    min_face: int = DEFAULT_MIN_FACE,
    workers: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> PhotoClusters:
    """Find all faces in photos, and put those of each person into a cluster. Nothing is kept.

    photos: a folder, with all folders inside it, or several folders and files. encoder: what compares faces, by name or
    loaded. threshold: the cosine from which on two faces may be one person's; by default the encoder's, higher for many
    faces. min_face: side in pixels of the smallest face to look for. workers: photos looked at at once; by default one
    per core.

    Two faces of one photo are never in one cluster, and those too poor to tell in none. Of photos with the same content
    the first one counts. Templates are held in memory (4 bytes per component of each face), pixels are not. Raises
    `UsageError` for a path that there is not, for a folder without photos and for an argument out of range, and what
    `load_encoder` raises.
    """
    _check(threshold, min_face, workers)
    sources = _sources(photos)
    spec = PipelineSpec(min_face=min_face)
    if isinstance(encoder, str):
        pipeline = shared_pipeline(encoder, spec, threads=1, device=device)
    else:
        pipeline = Pipeline(encoder, spec, threads=1)
    by_name = isinstance(encoder, str) and device == "cpu"  # an accelerator is for one process
    start, total = time.perf_counter(), len(sources.photos)
    found = FoundFaces(pipeline.encoder.dimension, sources.rejected)
    outcomes = every_face(pipeline, sources.photos, Copies(), Workers(workers, by_name))
    for done, (photo, outcome) in enumerate(outcomes, start=1):
        found.take(photo, outcome)
        if progress:
            progress(done, total)
    encoder = pipeline.encoder
    least = joining(encoder.spec.model, encoder.threshold, found.fit) if threshold is None else threshold
    return PhotoClusters(
        faces=found.clustered(encoder, least),
        photos=total,
        encoder=str(encoder.spec),
        threshold=least,
        rejected=found.rejected,
        faceless=found.faceless,
        copies=found.copies,
        left_out=sources.left_out,
        seconds=time.perf_counter() - start,
    )


class FoundFaces:
    """Collects faces: of each the templates, end to end, and where it is."""

    def __init__(self, dimension: int, rejected: list[Rejection]) -> None:
        self.rejected = list(rejected)
        self.faceless: list[Rejection] = []
        self.copies: dict[str, str] = {}
        self._dimension = dimension
        self._templates = bytearray()
        self._faces: list[ClusteredFace] = []
        self._fit: list[int] = []

    def take(self, photo: Photo, outcome: PhotoFaces | Rejection | Copy) -> None:
        """Count what became of a photo."""
        if isinstance(outcome, Rejection):
            self.rejected.append(outcome)
        elif isinstance(outcome, Copy):
            self.copies[str(photo.path)] = str(outcome.of)
        elif outcome.faceless is not None:
            self.faceless.append(Rejection(str(photo.path), outcome.faceless))
        else:
            for face in outcome.faces:
                self._add(photo.path, face)

    def _add(self, path: Path, face: FaceTemplate) -> None:
        assert face.box is not None  # noqa: S101 - faces that were found
        self._templates += face.template.astype(np.float32, copy=False).tobytes()
        self._faces.append(ClusteredFace(path, face.box, face.number, face.quality, None))
        if not face.poor:
            self._fit.append(len(self._faces) - 1)

    @property
    def fit(self) -> int:
        """How many faces are not too poor to tell whose they are."""
        return len(self._fit)

    def clustered(self, encoder: Encoder, least_similarity: float) -> list[ClusteredFace]:
        """The faces with their clusters; those that are too poor to tell are alone."""
        templates = np.frombuffer(self._templates, np.float32).reshape(-1, self._dimension)[self._fit]
        photos = [self._faces[place].path for place in self._fit]
        model, least = encoder.spec.model, least_similarity
        groups = groups_of(templates, model, encoder.threshold, photos=photos, least=least)
        clusters = {self._fit[row]: number for number, group in enumerate(groups, start=1) for row in group}
        return [replace(face, cluster=clusters.get(place)) for place, face in enumerate(self._faces)]


def _sources(photos: Paths) -> Sources:
    given = [photos] if isinstance(photos, str | os.PathLike) else photos
    paths = [Path(each) for each in given]
    for path in paths:
        refuse_url(path)
        if path == STANDARD_INPUT:
            raise UsageError("photos to be sorted are in files: name a folder in place of -")
        if not os.path.lexists(path):
            raise UsageError(f"{path}: no such file or folder")
    found = of_anybody(paths)
    once = {os.path.abspath(photo.path): photo for photo in reversed(found.photos)}  # noqa: PTH100 - links stay links
    found.photos = [*reversed(once.values())]
    if not found.photos and not found.rejected:
        raise UsageError("there are no photos to be sorted")
    return found


def _check(threshold: float | None, min_face: int, workers: int | None) -> None:
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"a threshold lies between 0 and 1, {threshold} does not")
    least, most = _MIN_FACES
    if not least <= min_face <= most:
        raise UsageError(f"the smallest face to look for is {least} to {most} pixels wide, not {min_face}")
    if workers is not None and not 1 <= workers <= _MOST_WORKERS:
        raise UsageError(f"workers are 1 to {_MOST_WORKERS}, not {workers}")
