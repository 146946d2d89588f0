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
from typing import Unpack

import numpy as np
import numpy.typing as npt

from facesearch.errors import UsageError
from facesearch.evaluation import metrics, statistics
from facesearch.evaluation.extraction import Stage, no_stage
from facesearch.evaluation.folder_photos import FolderPhotos, Reading, read_folder
from facesearch.evaluation.identification import owners_of
from facesearch.gallery.gallery import Gallery
from facesearch.store.records import Calibration
from facesearch.text.figures import counted

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration, and how many photos gave no template; of somebody enrolled, they count as missed."""

    calibration: Calibration
    failed: int


def read_strangers(gallery: Gallery, folder: Path, fpir: float, **how: Unpack[Reading]) -> FolderPhotos:
    """Photos to calibrate on; nothing is changed.

    People who are enrolled are mated searches, from which FNIR comes; all others are strangers. Photos that are
    enrolled themselves say nothing about either. Raises `UsageError` where there are too few strangers to show so small
    a rate (three in `fpir`).
    """
    if not 0 < fpir < 1:
        raise UsageError(f"--fpir is {fpir}: a share between 0 and 1 is needed, as 0.01")
    if not gallery.identities():
        raise UsageError("the gallery is empty: enrol somebody first")
    photos = read_folder(gallery, folder, **how)
    least = int(np.ceil(statistics.RULE_OF_THREE / fpir))
    if (found := int(photos.strangers.sum())) < least:
        raise UsageError(
            f"{folder} has {counted(found, 'photo')} with a face of people who are not enrolled; to show an FPIR of "
            f"{fpir:g}, at least {least} are needed (rule of three)"
        )
    return photos


def calibrate(
    gallery: Gallery,
    photos: FolderPhotos,
    fpir: float,
    *,
    score: str | None = None,
    keep: bool = True,
    stage: Stage = no_stage,
) -> Calibrated:
    """Set the threshold of `gallery` so that a share `fpir` of strangers gets somebody's name; `keep`: store it.

    photos: what `read_strangers` gave for that rate. score: by another one than the gallery's, which it has to be to
    keep the threshold.
    """
    names, mated = photos.names, photos.enrolled & ~photos.same
    foreign = np.flatnonzero(photos.strangers)
    best, first = _search(gallery, photos, score, stage)
    threshold = min(metrics.threshold_at(best[foreign], fpir), 1.0)
    hits = (best[foreign] >= threshold).astype(np.float64)
    owners = owners_of(np.unique([names[place] for place in foreign], return_inverse=True)[1].astype(np.int64))
    low, high = _interval(best[foreign], owners, fpir)
    counts = gallery.counts()
    calibration = Calibration(
        threshold=threshold,
        fpir=fpir,
        observed_fpir=float(hits.mean()),
        threshold_low=low,
        threshold_high=high,
        searches=len(foreign),
        people=int(owners.max()) + 1,
        fnir=metrics.false_negative_rate(best[mated], first[mated], threshold) if mated.any() else None,
        mated=int(mated.sum()),
        dataset=photos.dataset.name,
        dataset_sha256=photos.dataset.sha256,
        encoder=str(gallery.encoder_spec),
        identities=counts.identities,
        templates=counts.templates,
        created_at=int(time.time()),
    )
    if keep:
        gallery.set_calibration(calibration)
    return Calibrated(calibration, int((~photos.held.found).sum()))


def _search(gallery: Gallery, photos: FolderPhotos, score: str | None, stage: Stage) -> tuple[Doubles, Bools]:
    """Of every photo: the best candidate's score (−inf: none), and whether it is the photo's own person."""
    values, names = photos.held.values, photos.names
    best = np.full(len(names), -np.inf)
    first = np.zeros(len(names), np.bool_)
    ready = np.flatnonzero(photos.held.found)
    with stage(f"searching with {counted(len(ready), 'photo')}") as progress:
        for start in range(0, len(ready), 256):
            block = ready[start : start + 256]
            for place, candidates in zip(block, gallery.search(values[block], k=1, score=score), strict=True):
                if candidates:
                    best[place] = candidates[0].score
                    first[place] = candidates[0].identity == names[place]
            progress(start + len(block), len(ready))
    return best, first


def _interval(scores: Doubles, owners: Ints, fpir: float) -> tuple[float, float]:
    """95 % interval of the threshold, strangers drawn anew."""
    weights = statistics.Resamples.draw(int(owners.max()) + 1).weights
    order = np.argsort(scores)[::-1]
    counts = np.cumsum(weights[:, owners[order]], axis=1)
    barred = (counts <= fpir * counts[:, -1:] + 1e-9).sum(axis=1)
    limits = np.where(barred < len(order), scores[order][np.minimum(barred, len(order) - 1)], -1.0)
    low, high = statistics.interval(np.maximum(limits, -1.0))
    return low, high
