"""A gallery's threshold from data: photos of people who are not enrolled, each searched for in the gallery.

The threshold is the lowest that keeps FPIR at the wanted rate over these non-mated searches. It holds for the gallery
as it is: with more templates a stranger meets more people who might resemble him. For independent comparisons

    FPIR(N) = 1 − (1 − FMR)^N,   so   FPIR(N') = 1 − (1 − FPIR(N))^(N' / N),

and a few people who resemble many make the truth a little better than that (docs/reference/thresholds.md).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.errors import UsageError
from facesearch.evaluation import metrics, statistics
from facesearch.evaluation.codec_training import read_training_photos
from facesearch.evaluation.datasets import Dataset, read_dataset
from facesearch.evaluation.extraction import DatasetTemplates, Progress, Stage, no_stage, templates
from facesearch.evaluation.identification import owners_of
from facesearch.gallery.gallery import Gallery
from facesearch.photos.photo import composed
from facesearch.pipeline.pipeline_spec import USUAL, PipelineSpec
from facesearch.store.records import Calibration

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration, the threshold before it, and how many photos gave no template."""

    calibration: Calibration
    before: float
    failed: int


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """Photos to calibrate on, enough for `fpir`. held: their templates. names: (n,) whose each is, as far as is known.
    mated: (n,) whether that is somebody enrolled."""

    fpir: float
    dataset: Dataset
    held: DatasetTemplates
    names: list[str]
    mated: Bools


def calibrate(
    gallery: Gallery,
    folder: Path,
    fpir: float,
    *,
    aligned: str | None = None,
    pipeline: PipelineSpec = USUAL,
    keep: bool = True,
    stage: Stage = no_stage,
) -> Calibrated:
    """Set the threshold of `gallery` so that a share `fpir` of strangers gets somebody's name; `keep`: store it.

    See `read_strangers` for what the folder holds and what is raised.
    """
    strangers = read_strangers(gallery, folder, fpir, aligned=aligned, pipeline=pipeline, stage=stage)
    return calibrate_on(gallery, strangers, keep=keep, stage=stage)


def read_strangers(
    gallery: Gallery,
    folder: Path,
    fpir: float,
    *,
    aligned: str | None = None,
    pipeline: PipelineSpec = USUAL,
    stage: Stage = no_stage,
) -> Strangers:
    """Photos of people, `<identity>/<image>`, or photos alone, each of a person of its own; nothing is changed.

    People whose name is enrolled are mated searches, from which FNIR comes; all others are strangers.
    Raises `UsageError` where there are too few strangers to show so small a rate (three in `fpir`).
    """
    if not 0 < fpir < 1:
        raise UsageError(f"--fpir is {fpir}: a share between 0 and 1 is needed, as 0.01")
    enrolled = {summary.name for summary in gallery.identities()}
    if not enrolled:
        raise UsageError("the gallery is empty: enrol somebody first")
    with stage("reading photos") as progress:
        dataset, labelled = read_photos(folder, progress)
    spec = gallery.encoder_spec
    held = templates(dataset, [spec], aligned=aligned, pipeline=pipeline, stage=stage)[spec]
    names = [composed(sample.identity) if labelled else sample.path for sample in dataset.samples]
    mated = np.array([labelled and name in enrolled for name in names], np.bool_)
    least = int(np.ceil(metrics.RULE_OF_THREE / fpir))
    if (found := int((~mated).sum())) < least:
        raise UsageError(
            f"{folder} has {found} photos of people who are not enrolled; to show an FPIR of {fpir:g}, "
            f"at least {least} are needed (rule of three)"
        )
    return Strangers(fpir, dataset, held, names, mated)


def calibrate_on(gallery: Gallery, strangers: Strangers, *, keep: bool = True, stage: Stage = no_stage) -> Calibrated:
    """The threshold that a share of the strangers reaches; `keep`: store it."""
    fpir, held, names, mated = strangers.fpir, strangers.held, strangers.names, strangers.mated
    foreign = np.flatnonzero(~mated)
    score, first = _search(gallery, held.values, held.found, names, stage)
    threshold = metrics.threshold_at(score[foreign], fpir)
    hits = (score[foreign] >= threshold).astype(np.float64)
    owners = owners_of(np.unique([names[place] for place in foreign], return_inverse=True)[1].astype(np.int64))
    low, high = _interval(score[foreign], owners, fpir)
    counts = gallery.counts()
    calibration = Calibration(
        threshold=threshold,
        fpir=fpir,
        observed_fpir=float(hits.mean()),
        threshold_low=low,
        threshold_high=high,
        searches=len(foreign),
        people=int(owners.max()) + 1,
        fnir=metrics.false_negative_rate(score[mated], first[mated], threshold) if mated.any() else None,
        mated=int(mated.sum()),
        dataset=strangers.dataset.name,
        dataset_sha256=strangers.dataset.sha256,
        encoder=str(gallery.encoder_spec),
        identities=counts.identities,
        templates=counts.templates,
        created_at=int(time.time()),
    )
    before = gallery.threshold
    if keep:
        gallery.set_calibration(calibration)
    return Calibrated(calibration, before, int((~held.found).sum()))


def read_photos(folder: Path, progress: Progress) -> tuple[Dataset, bool]:
    """The photos, and whether it is known whose they are."""
    if folder.is_dir() and any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir()):
        return read_dataset(folder, progress=progress), True
    return read_training_photos(folder, progress), False


def _search(
    gallery: Gallery, values: npt.NDArray[np.float32], found: Bools, names: list[str], stage: Stage
) -> tuple[Doubles, Bools]:
    """Of every photo: the best candidate's score (−inf: none), and whether it is the photo's own person."""
    score = np.full(len(names), -np.inf)
    first = np.zeros(len(names), np.bool_)
    ready = np.flatnonzero(found)
    with stage(f"searching with {len(ready)} photos") as progress:
        for start in range(0, len(ready), 256):
            block = ready[start : start + 256]
            for place, candidates in zip(block, gallery.search(values[block], k=1), strict=True):
                if candidates:
                    score[place] = candidates[0].score
                    first[place] = candidates[0].identity == names[place]
            progress(start + len(block), len(ready))
    return score, first


def _interval(scores: Doubles, owners: Ints, fpir: float) -> tuple[float, float]:
    """95 % interval of the threshold, strangers drawn anew."""
    weights = statistics.Resamples.draw(int(owners.max()) + 1).weights
    order = np.argsort(scores)[::-1]
    counts = np.cumsum(weights[:, owners[order]], axis=1)
    barred = (counts <= fpir * counts[:, -1:] + 1e-9).sum(axis=1)
    limits = np.where(barred < len(order), scores[order][np.minimum(barred, len(order) - 1)], -1.0)
    low, high = statistics.interval(np.maximum(limits, -1.0))
    return low, high
