"""The faces of a folder in clusters, without a gallery: as a list, and as folders of copies or links."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.errors import FacesearchError, UsageError
from facesearch.files.durable import temporary_name, write_atomically
from facesearch.gallery.all_faces import Seen, all_faces
from facesearch.gallery.answers import Document
from facesearch.gallery.collecting import Progress
from facesearch.gallery.one_person import groups_of
from facesearch.photos.geometry import Box
from facesearch.photos.photo import Photo, Rejection
from facesearch.pipeline.pipeline import Pipeline

ALONE = "alone"
_COLUMNS = ("path", "x", "y", "w", "h", "cluster")


@dataclass(frozen=True, slots=True)
class ClusteredFace:
    """A face of a photo. cluster: from 1, the largest first; None: it is alone."""

    path: Path
    box: Box
    cluster: int | None

    def document(self) -> Document:
        return {
            "path": str(self.path),
            "box": [round(value, 2) for value in self.box],
            "cluster": self.cluster,
        }


@dataclass(slots=True)
class FolderClusters:
    """What was found. unfit: faces too turned or too blurred to be told apart, which are left out; without: photos in
    which there is no other."""

    faces: list[ClusteredFace] = field(default_factory=list)
    photos: int = 0
    unfit: int = 0
    without: int = 0
    rejected: list[Rejection] = field(default_factory=list)

    @property
    def sizes(self) -> list[int]:
        """How many faces clusters have, in their order."""
        found = np.bincount([face.cluster for face in self.faces if face.cluster is not None])
        return [int(count) for count in found[1:]]

    @property
    def alone(self) -> int:
        return sum(face.cluster is None for face in self.faces)

    def document(self) -> Document:
        return {
            "faces": [face.document() for face in self.faces],
            "clusters": len(self.sizes),
            "photos": self.photos,
            "unfit": self.unfit,
            "without_faces": self.without,
            "rejected": [item.document() for item in self.rejected],
        }


def clustered(
    pipeline: Pipeline,
    photos: Sequence[Photo],
    *,
    in_processes: bool,
    workers: int | None = None,
    progress: Progress | None = None,
) -> FolderClusters:
    """The faces of photos, those of one person in one cluster each; two faces of one photo are never together."""
    found, places, templates = FolderClusters(), list[tuple[Path, Box]](), list[npt.NDArray[np.float32]]()
    seen = all_faces(pipeline, photos, in_processes=in_processes, workers=workers)
    for done, (photo, outcome) in enumerate(seen, start=1):
        if isinstance(outcome, Rejection):
            found.rejected.append(outcome)
        elif not isinstance(outcome, Seen):
            found.photos += 1
            found.unfit += outcome.unfit
            found.without += not outcome.faces
            for face in outcome.faces:
                places.append((photo.path, face.box or (0.0, 0.0, outcome.width, outcome.height)))
                templates.append(face.template)
        if progress:
            progress(done, len(photos))
    if not templates:
        return found
    encoder = pipeline.encoder
    photos_of = [str(path) for path, _ in places]
    groups = groups_of(np.stack(templates), encoder.spec.model, encoder.threshold, photos=photos_of)
    numbers = {row: number for number, group in enumerate(groups, start=1) for row in group}
    found.faces = [ClusteredFace(path, box, numbers.get(row)) for row, (path, box) in enumerate(places)]
    return found


def check_target(target: Path, folders: Sequence[Path]) -> None:
    """Raises `UsageError` for a folder that is there and holds something, or lies in one of those that are read."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is there already, and nothing is overwritten: choose another name")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{target}: there is no folder for it")
    for folder in folders:
        if folder.is_dir() and target.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{target} lies in {folder}, whose photos are looked at: choose another place")


def write_folders(found: FolderClusters, target: Path, *, link: bool) -> None:
    """Put copies of the photos, or links to them, into folders 001, 002, … and `alone`; all of them or none.

    A photo is in the folder of each of its faces. Raises `UsageError` as `check_target`, `FacesearchError`.
    """
    width = max(3, len(str(len(found.sizes))))
    wanted: dict[str, list[Path]] = {}
    for face in found.faces:
        name = ALONE if face.cluster is None else f"{face.cluster:0{width}}"
        photos = wanted.setdefault(name, [])
        if face.path not in photos[-1:]:  # the faces of a photo come one after the other
            photos.append(face.path)
    staged = temporary_name(target)
    try:
        staged.mkdir()
        for name, photos in wanted.items():
            (staged / name).mkdir()
            taken: set[str] = set()
            for photo in photos:
                place = staged / name / _free_name(photo, taken)
                if link:
                    place.symlink_to(photo.absolute())
                else:
                    shutil.copy2(photo, place)
        check_target(target, ())
        if target.is_dir():
            target.rmdir()
        staged.rename(target)
    except OSError as error:
        shutil.rmtree(staged, ignore_errors=True)
        raise FacesearchError(
            f"{error.filename or target} cannot be copied or written ({(error.strerror or str(error)).lower()})"
        ) from error
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise


def write_csv(found: FolderClusters, target: Path) -> None:
    """A line for each face: path, box, cluster (empty: it is alone)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for face in found.faces:
        box = (f"{value:.2f}" for value in face.box)
        writer.writerow((str(face.path), *box, "" if face.cluster is None else face.cluster))
    content = text.getvalue().encode("utf-8", "surrogateescape")
    try:
        write_atomically(target, lambda file: file.write(content))
    except OSError as error:
        raise FacesearchError(f"{target} cannot be written ({(error.strerror or str(error)).lower()})") from error


def _free_name(photo: Path, taken: set[str]) -> str:
    """The name of a photo, with a number where another one in the folder has it, in whatever case."""
    name, number = photo.name, 1
    while os.path.normcase(name).lower() in taken:
        number += 1
        name = f"{photo.stem}-{number}{photo.suffix}"
    taken.add(os.path.normcase(name).lower())
    return name
