"""Photos that were rejected for what they show are not looked at again, and told as before."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from command_line import Command
from PIL import Image, ImageFilter

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


@pytest.mark.folder
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


def test_files_that_cannot_be_read_are_told_once_and_again_when_they_are_others(
    folder: Path, tmp_path: Path, facesearch: Command
) -> None:
    broken, empty = folder / "Ada" / "broken.jpg", folder / "Ada" / "empty.jpg"
    with Image.open(min((folder / "Ada").glob("*.jpg"))) as photo:
        photo.save(broken)
    broken.write_bytes(broken.read_bytes()[:3000])
    empty.touch()
    (folder / "Ada" / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    gallery = ("-g", tmp_path / "g")
    first = facesearch("enroll", folder, *gallery)
    assert first.status == 3
    for told in ("broken.jpg: truncated image file", "empty.jpg: empty file", "gone.jpg: no such file"):
        assert told in first.out
    for dry in ((), ("--dry-run",)):
        again = facesearch("enroll", folder, *dry, *gallery)
        assert (again.status, ".jpg: " in again.out) == (3, False)
        assert "rejected 5 photos as before; -v lists them" in again.out
    assert "empty.jpg: empty file" in facesearch("enroll", folder, "--again", *gallery).out
    broken.write_bytes(broken.read_bytes()[:2000])
    shutil.copy(empty, folder / "Ada" / "another.jpg")
    changed = facesearch("enroll", folder, *gallery)
    assert "broken.jpg: truncated image file" in changed.out
    assert "another.jpg: empty file" in changed.out
    assert "rejected 4 photos as before" in changed.out


def test_worker_processes_say_alike_why(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facesearch.pipeline.many_photos.WORTH_PROCESSES", 2)
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
    assert "would enrol 3 photos of 1 person" in told.out
    assert "wall1.png: no face found" in told.out
    assert (told.status, (tmp_path / "g").exists()) == (3, False)


@pytest.mark.folder
def test_a_dry_run_foretells_what_is_rejected_as_before_and_what_by_the_profile(
    folder: Path, tmp_path: Path, facesearch: Command
) -> None:
    _blurred(folder / "Ada")
    gallery = tmp_path / "g"
    facesearch("enroll", folder, "-g", gallery)
    before = gallery_bytes(gallery)
    assert "rejected 3 photos as before" in facesearch("enroll", folder, "--dry-run", "-g", gallery).out
    off = facesearch("enroll", folder, "--dry-run", "--quality", "off", "--json", "-g", gallery).json
    assert (off["templates"], off["rejected_before"], len(off["rejected"])) == (1, [], 2)
    assert gallery_bytes(gallery) == before
    assert facesearch("enroll", folder, "--quality", "off", "--json", "-g", gallery).json["templates"] == 1


def test_a_dry_run_goes_by_the_profile_that_the_gallery_has(folder: Path, tmp_path: Path, facesearch: Command) -> None:
    first = folder / "Ada" / min(path.name for path in (folder / "Ada").glob("*.jpg"))
    facesearch("enroll", "--identity", "Ada", first, "--quality", "off", "-g", tmp_path / "g")
    _blurred(folder / "Ada")
    told = facesearch("enroll", folder, "--dry-run", "--json", "-g", tmp_path / "g").json
    assert told["templates"] == 3
    facesearch("gallery", "set", "--quality", "standard", "-g", tmp_path / "g")
    told = facesearch("enroll", folder, "--dry-run", "--json", "-g", tmp_path / "g").json
    assert told["templates"] == 2
    assert [item["reasons"] for item in told["rejected"] if "blurred" in item["path"]] == [["LOW_SHARPNESS"]]


def test_photos_that_are_somebody_elses_and_photos_of_several_faces_are_told_once(
    folder: Path, tmp_path: Path, facesearch: Command
) -> None:
    photos = sorted((folder / "Ada").glob("*.jpg"))
    (folder / "Zoe").mkdir()
    (folder / "Two").mkdir()
    shutil.copy(photos[0], folder / "Zoe" / "copy.jpg")
    _beside(photos[1], photos[2], folder / "Two" / "both.png")
    foretold = facesearch("enroll", folder, "--dry-run", "-g", tmp_path / "g").out
    assert "copy.jpg: the same image would be enrolled as Ada" in foretold
    first = facesearch("enroll", folder, "-g", tmp_path / "g").out
    assert "copy.jpg: the same image is enrolled as Ada" in first
    assert "both.png: 2 faces of similar size" in first
    for dry in ((), ("--dry-run",)):
        again = facesearch("enroll", folder, *dry, "-g", tmp_path / "g")
        assert (again.status, "copy.jpg" in again.out, "both.png" in again.out) == (3, False, False)
        assert "rejected 4 photos as before" in again.out
    assert "copy.jpg" in facesearch("enroll", folder, "--again", "-g", tmp_path / "g").out


def test_a_dry_run_does_not_count_as_having_told(folder: Path, tmp_path: Path, facesearch: Command) -> None:
    photos = sorted((folder / "Ada").glob("*.jpg"))
    facesearch("enroll", folder, "-g", tmp_path / "g")
    (folder / "Zoe").mkdir()
    shutil.copy(photos[0], folder / "Zoe" / "copy.jpg")
    for dry in (("--dry-run",), ("--dry-run",), ()):
        assert "copy.jpg: the same image" in facesearch("enroll", folder, *dry, "-g", tmp_path / "g").out


def test_what_is_rejected_for_another_reason_than_before_is_told(
    folder: Path, tmp_path: Path, facesearch: Command
) -> None:
    photos = sorted((folder / "Ada").glob("*.jpg"))
    (folder / "Zoe").mkdir()
    shutil.copy(photos[0], folder / "Zoe" / "copy.jpg")
    facesearch("enroll", folder, "-g", tmp_path / "g")
    facesearch("identities", "rename", "Ada", "Adela", "-g", tmp_path / "g")
    assert "is enrolled as Adela" in facesearch("enroll", folder, "-g", tmp_path / "g").out


def test_a_photo_of_several_faces_is_looked_at_again_once_the_person_is_enrolled(
    people_photos: Path, folder: Path, tmp_path: Path, facesearch: Command
) -> None:
    zoe, third = (sorted(person.iterdir()) for person in sorted(people_photos.iterdir())[1:3])
    (folder / "Zoe").mkdir()
    _beside(zoe[0], third[0], folder / "Zoe" / "both.png")
    gallery = ("-g", tmp_path / "g")
    for before in (0, 3):
        assert len(facesearch("enroll", folder, "--json", *gallery).json["rejected_before"]) == before
    shutil.copy(zoe[1], folder / "Zoe" / "alone.jpg")
    told = facesearch("enroll", folder, "--json", *gallery).json
    assert [(item["by"], item["faces_found"]) for item in told["chosen"]] == [("likeness", 2)]


def test_a_photo_that_is_named_by_hand_is_told_each_time(folder: Path, tmp_path: Path, facesearch: Command) -> None:
    photo = folder / "Ada" / "wall1.png"
    for _ in range(2):
        assert "no face found" in facesearch("enroll", "--identity", "Ada", photo, "-g", tmp_path / "g").out


def test_what_needs_a_decision_is_listed_before_poor_photos(folder: Path, tmp_path: Path, facesearch: Command) -> None:
    photos = sorted((folder / "Ada").glob("*.jpg"))
    for number in range(3, 13):
        Image.new("RGB", (200, 200 + number), (90, 90, 90)).save(folder / "Ada" / f"wall{number}.png")
    (folder / "Zoe").mkdir()
    shutil.copy(photos[0], folder / "Zoe" / "copy.jpg")
    _beside(photos[1], photos[2], folder / "Zoe" / "both.png")
    (folder / "stray.jpg").write_bytes(photos[0].read_bytes())
    for dry in (("--dry-run",), ()):
        told = facesearch("enroll", folder, *dry, "-g", tmp_path / "g").out.splitlines()
        listed = [Path(line.split(": ")[0]).name for line in told if line.startswith("rejected /")]
        assert listed[:3] == ["stray.jpg", "copy.jpg", "both.png"]
        assert len(listed) == 10
        assert all(name.startswith("wall") for name in listed[3:])
        assert "rejected 5 more; -v lists them all" in told


@pytest.mark.folder
def test_no_name_is_kept_of_what_was_told(folder: Path, tmp_path: Path, facesearch: Command) -> None:
    photos = sorted((folder / "Ada").glob("*.jpg"))
    (folder / "Ada").rename(folder / "Quentina Xylander")
    (folder / "Zoe").mkdir()
    shutil.copy(folder / "Quentina Xylander" / photos[0].name, folder / "Zoe" / "copy.jpg")
    facesearch("enroll", folder, "-g", tmp_path / "g")
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.db")) as database:
        reasons = [reason for (reason,) in database.execute("SELECT reason FROM rejected_photos")]
    assert len(reasons) == 3
    assert not any("Quentina" in reason for reason in reasons)


def test_the_only_photo_of_a_person_is_not_said_to_be_like_others(
    folder: Path, tmp_path: Path, facesearch: Command
) -> None:
    photos = sorted((folder / "Ada").glob("*.jpg"))
    (folder / "Zoe").mkdir()
    _beside(photos[0], photos[1], folder / "Zoe" / "both.png", smaller=2)
    told = facesearch("enroll", folder, "-g", tmp_path / "g").out
    assert "took face 1 of 2" in told
    assert "as the one that the photo clearly is of" in told
    assert "like the person's other photos" not in told


def gallery_bytes(gallery: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(gallery.glob("*.faiss"))] + [(gallery / "gallery.db").read_bytes()]


def _blurred(person: Path) -> None:
    with Image.open(min(person.glob("*.jpg"))) as photo:
        photo.filter(ImageFilter.GaussianBlur(photo.width / 40)).save(person / "blurred.png")


def _beside(left: Path, right: Path, target: Path, *, smaller: int = 1) -> None:
    """Two photos side by side, the right one smaller."""
    with Image.open(left) as one, Image.open(right) as other:
        size = (other.width // smaller, other.height // smaller)
        both = Image.new("RGB", (one.width + size[0], max(one.height, size[1])), (90, 90, 90))
        both.paste(one, (0, 0))
        both.paste(other.resize(size), (one.width, 0))
        both.save(target)
