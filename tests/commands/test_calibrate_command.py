"""facesearch calibrate: the score, and the cohort that it is normalised with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import Command

from facesearch import Gallery


@pytest.fixture
def family(gallery: Path) -> Path:
    """The default gallery, with two people left in it."""
    with Gallery.open(gallery) as opened:
        opened.forget_all([person.name for person in opened.identities()][2:])
    return gallery


@pytest.fixture
def photos(people: list[Path], tmp_path: Path) -> Path:
    """A folder of photos alone, of six people."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for person in people[-6:]:
        shutil.copy(sorted(person.iterdir())[0], folder)
    return folder


def test_a_cohort_is_kept_with_the_gallery_and_removed_again(facesearch: Command, family: Path, photos: Path) -> None:
    done = facesearch("calibrate", "--cohort", photos, "--json")
    assert (done.status, done.err) == (0, "")
    assert done.json == {"cohort": 6, "score": "normalised"}
    assert facesearch("gallery", "info", "--json").json["cohort"] == 6
    assert facesearch("index", "check").status == 0
    assert facesearch("calibrate", "--cohort", "none", "--json").json == {"cohort": 0, "score": "normalised"}
    assert facesearch("gallery", "info", "--json").json["cohort"] == 0
    assert facesearch("calibrate", "--cohort", "none").out == "cohort     none\n"


def test_of_each_person_who_is_not_enrolled_one_photo_becomes_part_of_the_cohort(
    facesearch: Command, family: Path, people: list[Path]
) -> None:
    done = facesearch("calibrate", "--cohort", people[0].parent)
    assert (done.status, done.out) == (0, f"cohort     {len(people) - 2} faces\n")
    with Gallery.open(family) as opened:
        kept = opened.cohort()
        assert kept is not None
        assert kept.source == people[0].parent.name
        for person in people[2:]:  # the first photo of each
            nearest = (kept.templates @ opened.template(sorted(person.iterdir())[0])).max()
            assert nearest == pytest.approx(1, abs=1e-3)


def test_a_cohort_of_too_few_is_refused_and_the_old_one_stays(
    facesearch: Command, family: Path, photos: Path, wall: Path
) -> None:
    assert facesearch("calibrate", "--cohort", photos).status == 0
    before = facesearch("gallery", "info", "--json").json
    for photo in sorted(photos.iterdir())[:2]:
        shutil.copy(wall, photo.with_suffix(".png"))
        photo.unlink()
    refused = facesearch("calibrate", "--cohort", photos)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err == f"error: {photos} shows 4 other people; a cohort needs at least 5\n"
    assert facesearch("gallery", "info", "--json").json == before


def test_people_who_are_enrolled_are_no_cohort(facesearch: Command, gallery: Path, people: list[Path]) -> None:
    refused = facesearch("calibrate", "--cohort", people[0].parent)
    assert refused.status == 2
    assert "shows 0 other people; a cohort needs at least 5" in refused.err
    assert facesearch("gallery", "info", "--json").json["cohort"] == 0


def test_a_threshold_is_calibrated_for_the_score_given(facesearch: Command, family: Path, people: list[Path]) -> None:
    found = {}
    for score in ("cosine", "normalised"):
        done = facesearch("calibrate", people[0].parent, "--fpir", "0.2", "--score", score, "--json")
        assert (done.status, done.err) == (0, "")
        found[score] = done.json["threshold"]
        assert done.json["before"] == 0.49
        info = facesearch("gallery", "info", "--json").json
        assert (info["score"], info["threshold"]) == (score, found[score])
    assert found["normalised"] <= found["cosine"]


def test_where_the_photos_are_too_few_nothing_is_changed(
    facesearch: Command, gallery: Path, people: list[Path], tmp_path: Path
) -> None:
    few = tmp_path / "few"
    shutil.copytree(people[0], few / "somebody")
    assert facesearch("gallery", "set", "--score", "cosine", "--threshold", 0.6).status == 0
    for asked in ((few,), (few, "--cohort", few), ("--cohort", few)):
        refused = facesearch("calibrate", *asked, "--score", "normalised")
        assert (refused.status, refused.out) == (2, "")
        with Gallery.open(gallery) as opened:
            assert opened.score == "cosine"
            assert opened.threshold == pytest.approx(0.6)
            assert opened.cohort() is None


def test_a_cohort_that_has_no_effect_is_said_to_have_none(facesearch: Command, family: Path, photos: Path) -> None:
    assert facesearch("gallery", "set", "--score", "cosine").status == 0
    done = facesearch("calibrate", "--cohort", photos)
    assert done.status == 0
    assert "no effect while the gallery decides by the cosine" in done.err
