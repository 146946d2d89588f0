"""Faces of photos in clusters, one for each person as far as that can be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesearch.photos.geometry import Box
from facesearch.photos.photo import Rejection
from facesearch.text.figures import counted
from facesearch.text.spreadsheets import csv_text

if TYPE_CHECKING:
    from PIL import Image as Pillow

_COLUMNS = ("path", "face", "x", "y", "width", "height", "quality", "cluster")
_LEAST_DIGITS = 3  # of the number of a cluster in words


@dataclass(frozen=True, slots=True)
class ClusteredFace:
    """A face in a photo. box: x, y, width, height in pixels. number: which face of the photo it is, 1 being the
    largest. quality: in 0..1. cluster: from 1, the largest cluster first; None for a face that is alone."""

    path: Path
    box: Box
    number: int
    quality: float
    cluster: int | None


@dataclass(frozen=True, slots=True)
class PhotoClusters:
    """All faces found in photos, in the order of the photos, with their clusters.

    photos: how many were looked at. rejected: those that could not be read, and why. faceless: those without a face
    that is large enough, and why. copies: photos with the same content as an earlier one, by path, with the path of
    that one; they count for nothing. left_out: files that are no photos, counted by suffix. threshold: the cosine from
    which on two faces may be one person's.
    """

    faces: list[ClusteredFace]
    photos: int
    encoder: str
    threshold: float
    rejected: list[Rejection] = field(default_factory=list)
    faceless: list[Rejection] = field(default_factory=list)
    copies: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def clusters(self) -> list[list[ClusteredFace]]:
        """The faces of each cluster, the largest cluster first."""
        inside = sorted((face for face in self.faces if face.cluster is not None), key=lambda face: face.cluster or 0)
        return [list(faces) for _, faces in groupby(inside, key=lambda face: face.cluster)]

    def alone(self) -> list[ClusteredFace]:
        """The faces that are like no other."""
        return [face for face in self.faces if face.cluster is None]

    def label(self, cluster: int) -> str:
        """How a cluster is called, and its folder: 001."""
        largest = max((face.cluster or 0 for face in self.faces), default=0)
        return f"{cluster:0{max(_LEAST_DIGITS, len(str(largest)))}}"

    @property
    def photos_per_second(self) -> float:
        """How many photos were looked at in a second."""
        return self.photos / self.seconds if self.seconds > 0 else 0.0

    def document(self) -> dict[str, Any]:
        """What `facesearch cluster --json` prints."""
        return {
            "faces": [
                {
                    "path": str(face.path),
                    "box": [round(value, 2) for value in face.box],
                    "cluster": face.cluster,
                    "face": face.number,
                    "quality": round(face.quality, 3),
                }
                for face in self.faces
            ],
            "clusters": max((face.cluster or 0 for face in self.faces), default=0),
            "photos": self.photos,
            "rejected": [item.document() for item in self.rejected],
            "without_faces": [item.document() for item in self.faceless],
            "copies": [{"path": path, "of": first} for path, first in self.copies.items()],
            "left_out": dict(self.left_out.most_common()),
            "encoder": self.encoder,
            "threshold": self.threshold,
            "images_per_second": round(self.photos_per_second, 2),
        }

    def csv(self) -> str:
        """A line for each face; the cluster of a face that is alone is empty."""
        return csv_text(
            [
                {
                    "path": str(face.path),
                    "face": face.number,
                    **dict(zip(_COLUMNS[2:6], (round(value, 2) for value in face.box), strict=True)),
                    "quality": round(face.quality, 3),
                    "cluster": face.cluster,
                }
                for face in self.faces
            ],
            _COLUMNS,
        )

    def sheets(self, progress: Callable[[int, int], None] | None = None) -> Iterator[Pillow.Image]:
        """Contact sheets: a row for each cluster with up to a dozen of its faces; at most 100 rows each.

        progress: called with (rows done, rows in all).
        """
        from facesearch.drawing.face_rows import FaceRow, ShownFace, row_sheets

        return row_sheets(
            [
                FaceRow(
                    f"{self.label(number)}: {counted(len(faces), 'photo')}",
                    [ShownFace(face.path, face.box) for face in faces],
                )
                for number, faces in enumerate(self.clusters(), start=1)
            ],
            progress,
        )
