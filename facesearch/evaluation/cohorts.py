"""A cohort from photos: people who are not enrolled, with whom a gallery normalises its scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np
import numpy.typing as npt

from facesearch.encoders.background import NEAREST
from facesearch.errors import UsageError
from facesearch.evaluation.false_matches import SAME_PHOTO
from facesearch.evaluation.folder_photos import FolderPhotos, Reading, read_folder
from facesearch.gallery.gallery import Gallery
from facesearch.gallery.scoring import LARGEST_COHORT
from facesearch.photos.photo import Rejection
from facesearch.text.figures import counted

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class OtherPeople:
    """Templates (n, dimension) of different people, and where they come from, in words."""

    templates: npt.NDArray[np.float32]
    source: str
    rejected: list[Rejection]


def read_cohort(gallery: Gallery, folder: Path, **how: Unpack[Reading]) -> OtherPeople:
    """The people in the photos of `folder`, to be handed to `Gallery.set_cohort`; nothing is changed.

    Of each person the first photo is taken; of many people, the first `LARGEST_COHORT`. Those who are enrolled are left
    out. Raises `UsageError` where fewer than `NEAREST` are left.
    """
    photos = read_folder(gallery, folder, **how)
    chosen: dict[str, int] = {}
    for place in np.flatnonzero(photos.strangers).tolist():
        chosen.setdefault(photos.names[place], place)
    places = list(chosen.values())[:LARGEST_COHORT]
    if len(places) < NEAREST:
        enrolled = int((photos.held.found & (photos.enrolled | photos.same)).sum())
        told = f", and {counted(enrolled, 'photo')} of people who are enrolled" if enrolled else ""
        others = counted(len(places), "other person", "other people")
        raise UsageError(f"{folder} shows {others}{told}; a cohort needs at least {NEAREST}")
    return OtherPeople(photos.held.values[places], photos.dataset.name, photos.rejected())


def check_apart(strangers: FolderPhotos, cohort: Floats) -> None:
    """Raises `UsageError` where photos that a threshold is to be calibrated on are in the cohort (n, dimension) too:
    their scores would be lowered by themselves, as those of other strangers would not be."""
    foreign = strangers.held.values[strangers.strangers]
    same = int(((foreign @ cohort.T).max(axis=1, initial=-1.0) > SAME_PHOTO).sum())
    if same:
        raise UsageError(
            f"{counted(same, 'photo')} of {strangers.folder} are in the cohort too: calibrate on photos of other people"
        )
