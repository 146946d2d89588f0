from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facesearch import Gallery
from facesearch.errors import UsageError
from facesearch.evaluation.calibration import Calibrated, calibrate, read_strangers
from facesearch.photos.sources import from_paths


@pytest.fixture
def gallery(people_photos: Path, tmp_path: Path) -> Iterator[Gallery]:
    """Four people with two photos each."""
    with Gallery.open(tmp_path / "gallery") as opened:
        known = {person.name for person in sorted(people_photos.iterdir())[:4]}
        photos = [photo for photo in from_paths([people_photos]).photos if photo.identity in known]
        opened.enroll_photos([photo for photo in photos if not photo.path.stem.endswith("3")])
        yield opened


def test_the_threshold_is_the_lowest_that_so_few_strangers_reach(gallery: Gallery, people_photos: Path) -> None:
    enrolled = {person.name for person in gallery.identities()}
    found = calibrated(gallery, people_photos, 0.25).calibration
    strangers = [photo.path for photo in from_paths([people_photos]).photos if photo.identity not in enrolled]
    best = sorted((gallery.identify(path, k=1).candidates[0].score for path in strangers), reverse=True)
    assert (found.searches, found.people, found.templates, found.identities) == (len(strangers), 8, 8, 4)
    assert found.threshold == pytest.approx(best[int(0.25 * len(best))], abs=1e-5)
    assert found.observed_fpir == pytest.approx(np.mean([score >= found.threshold for score in best]))
    assert found.observed_fpir <= 0.25
    assert found.threshold_low <= found.threshold <= found.threshold_high + 1e-6
    assert gallery.threshold == found.threshold
    assert gallery.calibration() == found


def test_people_who_are_enrolled_tell_how_many_are_missed(gallery: Gallery, people_photos: Path) -> None:
    enrolled = {person.name for person in gallery.identities()}
    found = calibrated(gallery, people_photos, 0.25).calibration
    photos = from_paths([people_photos]).photos
    mated = [photo for photo in photos if photo.identity in enrolled and photo.path.stem.endswith("3")]
    answers = [(gallery.identify(photo.path, k=1), photo.identity) for photo in mated]
    missed = [not (answer.is_match and answer.candidates[0].identity == name) for answer, name in answers]
    assert found.mated == len(mated)
    assert found.fnir == pytest.approx(np.mean(missed))


def test_photos_alone_are_strangers_each(gallery: Gallery, people_photos: Path, tmp_path: Path) -> None:
    flat = tmp_path / "strangers"
    flat.mkdir()
    for person in sorted(people_photos.iterdir())[4:]:
        for path in person.iterdir():
            shutil.copy(path, flat / path.name)
    found = calibrated(gallery, flat, 0.25, keep=False).calibration
    assert (found.searches, found.people, found.fnir) == (24, 24, None)
    assert gallery.calibration() is None


def test_no_rate_is_promised_that_so_few_strangers_cannot_show(gallery: Gallery, people_photos: Path) -> None:
    with pytest.raises(UsageError, match="at least 300 are needed"):
        calibrated(gallery, people_photos, 0.01)
    with pytest.raises(UsageError, match="between 0 and 1"):
        calibrated(gallery, people_photos, 1.0)
    assert gallery.calibration() is None


def test_a_gallery_that_has_grown_says_that_its_threshold_no_longer_holds(
    gallery: Gallery, people_photos: Path
) -> None:
    found = calibrated(gallery, people_photos, 0.25).calibration
    assert gallery.outgrown() is None
    gallery.set_calibration(replace(found, templates=2))  # as if it had been calibrated with two templates
    warning = gallery.outgrown()
    assert warning is not None
    expected = 1 - (1 - found.observed_fpir) ** 4
    assert f"{expected:.2g} is to be expected" in warning
    gallery.set_threshold(0.5)  # somebody's own
    assert gallery.outgrown() is None
    assert gallery.calibration() is None


def test_expected_rates_follow_independent_comparisons(gallery: Gallery, people_photos: Path) -> None:
    found = replace(calibrated(gallery, people_photos, 0.25).calibration, observed_fpir=0.01, templates=1000)
    fmr = 1 - (1 - 0.01) ** (1 / 1000)
    assert found.expected_fpir(10_000) == pytest.approx(1 - (1 - fmr) ** 10_000)
    assert found.expected_fpir(1000) == pytest.approx(0.01)


def calibrated(gallery: Gallery, folder: Path, fpir: float, *, keep: bool = True) -> Calibrated:
    return calibrate(gallery, read_strangers(gallery, folder, fpir), fpir, keep=keep)
