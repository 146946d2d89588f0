"""facesearch calibrate: the score, and the cohort that it is normalised with."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import Command
from PIL import Image

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
    assert done.json == {"cohort": 6, "score": "normalised", "rejected": []}
    assert facesearch("gallery", "info", "--json").json["cohort"] == 6
    assert facesearch("index", "check").status == 0
    assert facesearch("calibrate", "--cohort", "none", "--json").json == {
        "cohort": 0,
        "score": "normalised",
        "rejected": [],
    }
    assert facesearch("gallery", "info", "--json").json["cohort"] == 0
    assert facesearch("calibrate", "--cohort", "none").out == "cohort     none; backups made before may hold it\n"


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
    enrolled = f"{3 * len(people)} photos of people who are enrolled"
    assert f"shows 0 other people, and {enrolled}; a cohort needs at least 5" in refused.err
    assert facesearch("gallery", "info", "--json").json["cohort"] == 0


def test_a_threshold_is_calibrated_for_the_score_given(facesearch: Command, family: Path, people: list[Path]) -> None:
    found = {}
    before = 0.49
    for score in ("cosine", "normalised"):
        done = facesearch("calibrate", people[0].parent, "--fpir", "0.2", "--score", score, "--json")
        assert (done.status, done.err) == (0, "")
        found[score] = done.json["threshold"]
        assert done.json["before"] == before
        before = found[score]
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


def test_photos_without_a_face_are_named(facesearch: Command, family: Path, photos: Path, wall: Path) -> None:
    shutil.copy(wall, photos / "wall.png")
    (photos / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    for asked in (("--cohort", photos), (photos, "--fpir", 0.5)):
        facesearch("calibrate", "--cohort", "none")
        done = facesearch("calibrate", *asked)
        assert done.status == 3
        assert f"rejected {photos / 'wall.png'}: no face found" in done.out
        assert f"rejected {photos / 'torn.jpg'}: " in done.out
        facesearch("calibrate", "--cohort", "none")
        done = facesearch("calibrate", *asked, "--json")
        assert (done.status, done.err) == (3, "")
        assert {Path(item["path"]).name for item in done.json["rejected"]} == {"wall.png", "torn.jpg"}
        assert all(item.keys() == {"path", "reason", "reasons"} for item in done.json["rejected"])


def test_a_threshold_is_not_calibrated_on_the_cohort(
    facesearch: Command, family: Path, photos: Path, people: list[Path]
) -> None:
    before = facesearch("gallery", "info", "--json").json
    refused = facesearch("calibrate", photos, "--cohort", photos, "--fpir", 0.5)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err == f"error: 6 photos of {photos} are in the cohort too: calibrate on photos of other people\n"
    assert facesearch("gallery", "info", "--json").json == before
    assert facesearch("calibrate", "--cohort", photos).status == 0
    assert "6 photos" in facesearch("calibrate", people[0].parent, "--fpir", 0.5).err
    next(photos.iterdir()).unlink()
    assert "5 photos" in facesearch("calibrate", photos, "--fpir", 0.6).err


def test_what_a_threshold_was_calibrated_on_is_shown_until_it_no_longer_holds(
    facesearch: Command, family: Path, people: list[Path], photos: Path
) -> None:
    others = people[2].parent
    found = facesearch("calibrate", others, "--fpir", 0.2, "--json").json
    info = facesearch("gallery", "info", "--json").json
    assert info["threshold_from"] == "calibration"
    assert {key: info["calibration"][key] for key in ("fpir", "searches", "threshold")} == {
        "fpir": 0.2,
        "searches": found["searches"],
        "threshold": found["threshold"],
    }
    told = f"for an FPIR of 0.2 on {found['searches']} photos of strangers\n"
    assert told in facesearch("gallery", "info").out
    held = facesearch("calibrate", "--cohort", photos)
    assert "was calibrated with other scores" in held.out
    assert facesearch("gallery", "info", "--json").json["threshold_from"] == "set"
    assert facesearch("calibrate", "--cohort", "none").status == 0
    assert facesearch("calibrate", others, "--fpir", 0.2).status == 0
    changed = facesearch("gallery", "set", "--score", "cosine").out
    assert changed.splitlines()[0] == "threshold  0.490, the default of the encoder"
    assert changed.splitlines()[2].startswith("before     ")
    assert changed.splitlines()[2].endswith(told.strip())


def test_what_another_score_would_give_is_said_without_taking_it(
    facesearch: Command, family: Path, people: list[Path]
) -> None:
    before = facesearch("gallery", "info", "--json").json
    asked = ("calibrate", people[0].parent, "--fpir", 0.2, "--score", "cosine")
    dry = facesearch(*asked, "--dry-run", "--json").json
    assert (dry["score"], dry["kept"]) == ("cosine", False)
    assert facesearch("gallery", "info", "--json").json == before
    assert facesearch(*asked, "--json").json["threshold"] == dry["threshold"]


def test_photos_without_a_face_count_for_nothing(
    facesearch: Command, family: Path, photos: Path, tmp_path: Path
) -> None:
    noise = tmp_path / "noise"
    noise.mkdir()
    generator = np.random.default_rng(1)
    for number in range(12):
        Image.fromarray(generator.integers(0, 255, (60, 60, 3), dtype=np.uint8)).save(noise / f"{number}.png")
    refused = facesearch("calibrate", noise, "--fpir", 0.3)
    assert (refused.status, refused.out) == (2, "")
    assert "has 0 photos with a face of people who are not enrolled" in refused.err
    alone = facesearch("calibrate", photos, "--fpir", 0.5, "--dry-run", "--json").json
    for path in noise.iterdir():
        shutil.copy(path, photos)
    mixed = facesearch("calibrate", photos, "--fpir", 0.5, "--dry-run", "--json")
    assert mixed.status == 3
    assert {key: mixed.json[key] for key in ("threshold", "searches", "people", "observed_fpir")} == {
        key: alone[key] for key in ("threshold", "searches", "people", "observed_fpir")
    }
    assert mixed.json["failed_to_enrol"] == 12


def test_photos_that_are_enrolled_are_neither_strangers_nor_others(
    facesearch: Command, gallery: Path, people: list[Path], tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for person in people:
        for path in sorted(person.iterdir())[:2]:
            shutil.copy(path, plain)
    refused = facesearch("calibrate", plain, "--fpir", 0.3)
    assert "has 0 photos with a face of people who are not enrolled" in refused.err
    refused = facesearch("calibrate", "--cohort", plain)
    assert "shows 0 other people, and 24 photos of people who are enrolled" in refused.err


def test_only_the_word_none_removes_a_cohort(
    facesearch: Command, family: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert facesearch("calibrate", "--cohort", photos).status == 0
    assert "--cohort is empty" in facesearch("calibrate", "--cohort", "").err
    shutil.copytree(photos, tmp_path / "none")
    next((tmp_path / "none").iterdir()).unlink()
    monkeypatch.chdir(tmp_path)
    assert facesearch("calibrate", "--cohort", "./none", "--json").json["cohort"] == 5


def test_a_calibration_survives_what_does_not_concern_it(
    facesearch: Command, family: Path, people: list[Path], photos: Path
) -> None:
    def source() -> str:
        return str(facesearch("gallery", "info", "--json").json["threshold_from"])

    assert facesearch("calibrate", people[2].parent, "--fpir", 0.2).status == 0
    assert facesearch("calibrate", "--cohort", "none").status == 0
    assert source() == "calibration"
    assert facesearch("calibrate", people[2].parent, "--fpir", 0.2, "--score", "cosine").status == 0
    assert facesearch("calibrate", "--cohort", photos).status == 0
    assert source() == "calibration"


def test_who_is_forgotten_leaves_the_cohort_too(
    facesearch: Command, family: Path, photos: Path, people: list[Path]
) -> None:
    assert facesearch("calibrate", "--cohort", photos).status == 0
    person = people[-1]
    assert facesearch("enroll", "--again", "--identity", "Late", *sorted(person.iterdir())).status == 0
    receipt = facesearch("identities", "forget", "Late")
    assert "1 face like theirs taken out of the cohort: calibrate again\n" in receipt.out
    with Gallery.open(family) as opened:
        kept = opened.cohort()
        assert kept is not None
        assert len(kept.templates) == 5
        assert (kept.templates @ opened.template(sorted(person.iterdir())[0])).max() < 0.9
