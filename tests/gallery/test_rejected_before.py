"""Photos that were rejected for what they show are not looked at again, and told as before."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from command_line import Command
from PIL import Image

from facesearch import Gallery, Photo
from facesearch.pipeline.pipeline import PhotoTemplate, Pipeline


@pytest.fixture
def folder(people_photos: Path, tmp_path: Path) -> Path:
    """One person with three photos, and two that show no face."""
    shutil.copytree(min(people_photos.iterdir()), tmp_path / "people" / "Ada")
    for number in (1, 2):
        Image.new("RGB", (200, 200 + number), (90, 90, 90)).save(tmp_path / "people" / "Ada" / f"wall{number}.png")
    return tmp_path / "people"


def test_they_are_told_in_one_line(folder: Path, tmp_path: Path, facesearch: Command) -> None:
    first = facesearch("enroll", folder, "-g", tmp_path / "g")
    assert first.status == 3
    assert "wall1.png: no face found" in first.out
    again = facesearch("enroll", folder, "-g", tmp_path / "g")
    assert again.status == 3
    assert "wall" not in again.out
    assert "rejected 2 photos as before; -v lists them" in again.out
    assert "wall1.png: no face found" in facesearch("enroll", folder, "-v", "-g", tmp_path / "g").out
    told = facesearch("enroll", folder, "--json", "-g", tmp_path / "g").json
    assert told["rejected_before"] == [item["path"] for item in told["rejected"]]
    assert len(told["rejected_before"]) == 2


def test_they_are_not_looked_at_again_unless_asked_for_or_looked_at_otherwise(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    found = Pipeline.file

    def told(self: Pipeline, path: Path, *more: str | None) -> PhotoTemplate:
        looked.append(path.name)
        return found(self, path, *more)

    monkeypatch.setattr(Pipeline, "file", told)
    photos = [Photo("Ada", path) for path in sorted((folder / "Ada").iterdir())]

    def enrolled(again: bool = False, **options: int | str) -> list[bool]:
        looked.clear()
        with Gallery.open(tmp_path / "g", **options) as gallery:  # type: ignore[arg-type]
            return [item.before for item in gallery.enroll_photos(photos, again=again).rejected]

    assert enrolled() == [False, False]
    assert enrolled() == [True, True]
    assert looked == []
    assert enrolled(again=True) == [False, False]
    assert sorted(looked) == ["wall1.png", "wall2.png"]
    assert enrolled(min_face=24) == [False, False]
    assert enrolled(quality="off") == [False, False]
    assert enrolled(min_face=24) == [True, True]


def test_the_database_does_not_say_which_photos_they_were(folder: Path, tmp_path: Path, facesearch: Command) -> None:
    facesearch("enroll", folder, "-g", tmp_path / "g")
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.db")) as database:
        assert database.execute("SELECT count(*) FROM rejected_photos").fetchone() == (2,)
    content = b"".join(path.read_bytes() for path in (tmp_path / "g").iterdir())
    for number in (1, 2):
        photo = folder / "Ada" / f"wall{number}.png"
        assert sha256(photo.read_bytes()).digest() not in content
        assert photo.name.encode() not in content


def test_photos_in_memory_and_damaged_files_are_looked_at_each_time(folder: Path, tmp_path: Path) -> None:
    (folder / "Ada" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    wall = Image.open(folder / "Ada" / "wall1.png")
    with Gallery.open(tmp_path / "g") as gallery:
        for _ in range(2):
            (rejected,) = gallery.enroll("Ada", wall).rejected
            assert not rejected.before
            (rejected,) = gallery.enroll("Ada", folder / "Ada" / "broken.jpg").rejected
            assert not rejected.before


def test_worker_processes_say_alike_why(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facesearch.gallery.enrolment.WORTH_PROCESSES", 2)
    photos = [Photo("Ada", path) for path in sorted((folder / "Ada").iterdir())]
    with Gallery.open(tmp_path / "g") as gallery:
        assert [item.before for item in gallery.enroll_photos(photos, workers=2).rejected] == [False, False]
        assert [item.before for item in gallery.enroll_photos(photos, workers=2).rejected] == [True, True]


def test_whoever_is_named_by_hand_comes_back_and_the_report_says_so(folder: Path, tmp_path: Path) -> None:
    photos = sorted((folder / "Ada").glob("*.jpg"))
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.enroll("Ada", photos).returned == {}
        gallery.forget("Ada")
        refused = gallery.enroll_photos([Photo("Ada", photo) for photo in photos])
        assert (refused.templates, len(refused.rejected)) == (0, 3)
        assert len(gallery.enroll("Ada", photos[:1], again=False).rejected) == 1
        report = gallery.enroll("Ada", photos)
        assert (report.templates, list(report.returned)) == (3, [str(photo) for photo in photos])
        assert report.document()["returned"][0].keys() == {"path", "forgotten_on"}
        assert gallery.enroll("Ada", photos).returned == {}


def test_a_dry_run_before_the_first_enrolment_starts_nothing(folder: Path, tmp_path: Path, facesearch: Command) -> None:
    told = facesearch("enroll", folder, "--dry-run", "-g", tmp_path / "g")
    assert "would enrol 5 photos of 1 person" in told.out
    assert (told.status, (tmp_path / "g").exists()) == (0, False)
