"""Photos in a folder as a gallery sees them: their templates by its encoder, and who of them is enrolled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from facesearch.evaluation.codec_training import read_training_photos
from facesearch.evaluation.datasets import Dataset, read_dataset
from facesearch.evaluation.extraction import DatasetTemplates, Progress, Stage, no_stage, templates
from facesearch.evaluation.false_matches import SAME_PHOTO
from facesearch.gallery.gallery import Gallery
from facesearch.photos.photo import Rejection, composed
from facesearch.photos.sources import photos_within
from facesearch.pipeline.pipeline_spec import USUAL, PipelineSpec


@dataclass(frozen=True, slots=True, eq=False)
class FolderPhotos:
    """held: templates of the photos of `dataset`. names: (n,) whose each is; where that is not known, its path.
    enrolled: (n,) whether somebody of that name is. same: (n,) whether this very photo is, under whatever name."""

    folder: Path
    dataset: Dataset
    held: DatasetTemplates
    names: list[str]
    enrolled: npt.NDArray[np.bool_]
    same: npt.NDArray[np.bool_]

    @property
    def strangers(self) -> npt.NDArray[np.bool_]:
        """(n,) Which show a face of somebody who is not enrolled."""
        return self.held.found & ~self.enrolled & ~self.same

    def rejected(self) -> list[Rejection]:
        """The photos that gave no template, and why."""
        paired = zip(self.dataset.samples, self.held.reasons, strict=True)
        return [Rejection(str(self.folder / sample.path), reason) for sample, reason in paired if reason]


class Reading(TypedDict, total=False):
    """How photos are read. aligned: they are crops of this kind already. pipeline: what finds faces in them. stage: is
    told what is going on."""

    aligned: str | None
    pipeline: PipelineSpec
    stage: Stage


def read_folder(gallery: Gallery, folder: Path, **how: Unpack[Reading]) -> FolderPhotos:
    """Photos of people, `<identity>/<image>`, or photos alone, each of a person of its own."""
    stage = how.get("stage", no_stage)
    enrolled = {summary.name for summary in gallery.identities()}
    with stage("reading photos") as progress:
        dataset, labelled = _read(folder, progress)
    spec = gallery.encoder_spec
    aligned, pipeline = how.get("aligned"), how.get("pipeline", USUAL)
    held = templates(dataset, [spec], aligned=aligned, pipeline=pipeline, stage=stage)[spec]
    names = [composed(sample.identity) if labelled else sample.path for sample in dataset.samples]
    known = np.array([labelled and name in enrolled for name in names], np.bool_)
    return FolderPhotos(folder, dataset, held, names, known, _same(gallery, held))


def _same(gallery: Gallery, held: DatasetTemplates) -> npt.NDArray[np.bool_]:
    same = np.zeros(len(held.values), np.bool_)
    ready = np.flatnonzero(held.found)
    if len(ready) and gallery.counts().templates:
        nearest = gallery.search(held.values[ready], k=1)
        same[ready] = [bool(found) and found[0].similarity > SAME_PHOTO for found in nearest]
    return same


def _holds_photos(entry: Path) -> bool:
    """Whether it is the folder of a person."""
    return entry.is_dir() and not entry.name.startswith(".") and any(photos_within(entry))


def _read(folder: Path, progress: Progress) -> tuple[Dataset, bool]:
    """The photos, and whether it is known whose they are."""
    if folder.is_dir() and any(_holds_photos(entry) for entry in folder.iterdir()):
        return read_dataset(folder, progress=progress), True
    return read_training_photos(folder, progress), False
