"""A cohort from photos: people who are not enrolled, with whom a gallery normalises its scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.encoders.background import NEAREST
from facesearch.errors import UsageError
from facesearch.evaluation.calibration import read_photos
from facesearch.evaluation.extraction import Stage, no_stage, templates
from facesearch.gallery.gallery import Gallery
from facesearch.gallery.scoring import LARGEST_COHORT
from facesearch.photos.photo import composed
from facesearch.pipeline.pipeline_spec import USUAL, PipelineSpec


@dataclass(frozen=True, slots=True, eq=False)
class OtherPeople:
    """Templates (n, dimension) of different people, and where they come from, in words."""

    templates: npt.NDArray[np.float32]
    source: str


def read_cohort(
    gallery: Gallery,
    folder: Path,
    *,
    aligned: str | None = None,
    pipeline: PipelineSpec = USUAL,
    stage: Stage = no_stage,
) -> OtherPeople:
    """The people in the photos of `folder`, to be handed to `Gallery.set_cohort`; nothing is changed.

    Photos are `<identity>/<image>`, of which the first of each person is taken, or photos alone, each of a person of
    its own; of many, the first `LARGEST_COHORT`. People who are enrolled are left out. Raises `UsageError` where fewer
    than `NEAREST` are left.
    """
    enrolled = {summary.name for summary in gallery.identities()}
    with stage("reading photos of other people") as progress:
        dataset, labelled = read_photos(folder, progress)
    spec = gallery.encoder_spec
    held = templates(dataset, [spec], aligned=aligned, pipeline=pipeline, stage=stage)[spec]
    chosen: dict[str, int] = {}
    for place in np.flatnonzero(held.found).tolist():
        sample = dataset.samples[place]
        name = composed(sample.identity) if labelled else sample.path
        if not (labelled and name in enrolled):
            chosen.setdefault(name, place)
    places = list(chosen.values())[:LARGEST_COHORT]
    if len(places) < NEAREST:
        raise UsageError(f"{folder} shows {len(places)} other people; a cohort needs at least {NEAREST}")
    return OtherPeople(held.values[places], dataset.name)
