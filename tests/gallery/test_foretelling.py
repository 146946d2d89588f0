"""What a dry run says is what the enrolment after it does, of new, known, moved, copied, poor and shared photos."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import Command
from PIL import Image, ImageFilter

from facesearch import Gallery, Photo
from facesearch.gallery.folder_truth import Folders
from facesearch.photos.sources import from_paths


@pytest.fixture
def folders(people_photos: Path, tmp_path: Path) -> Path:
    """Three people of whom one photo is blurred, one shows no face, one is sideways, one is in two folders."""
    root = tmp_path / "people"
    for name, person in zip(("Ada", "Bela", "Zoe"), sorted(people_photos.iterdir()), strict=False):
        shutil.copytree(person, root / name)
    ada, bela, zoe = (sorted((root / name).iterdir()) for name in ("Ada", "Bela", "Zoe"))
    with Image.open(ada[0]) as photo:
        photo.filter(ImageFilter.GaussianBlur(photo.width / 40)).save(root / "Ada" / "blurred.png")
        photo.rotate(90, expand=True).save(root / "Ada" / "sideways.png")
        photo.resize((72, 72)).save(root / "Ada" / "small.png")
    Image.new("RGB", (200, 200), "grey").save(root / "Bela" / "wall.png")
    (root / "Bela" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    shutil.copy(bela[0], root / "Zoe" / "copy.jpg")
    shutil.copy(zoe[0], root / "Zoe" / "twice.jpg")
    return root


def _told(document: dict[str, Any]) -> dict[str, Any]:
    """What a dry run can say."""
    reasons = sorted((item["path"], item["reason"].split(" as ")[-1].split(";")[0]) for item in document["rejected"])
    names = ("templates", "identities", "skipped", "moved", "chosen", "relocated", "doubtful", "rejected_before")
    return {"reasons": reasons} | {name: document[name] for name in names}


def test_it_is_what_is_done(folders: Path, tmp_path: Path, facesearch: Command) -> None:
    asked = ("enroll", folders, "--json", "-g", tmp_path / "g")
    for step in range(3):
        foretold, done = facesearch(*asked, "--dry-run"), facesearch(*asked)
        told = _told(done.json)
        if step == 0:
            assert told["templates"] > 6
            assert len(told["reasons"]) == 6
        if step == 2:
            assert [item["to"] for item in told["moved"]] == ["Zoe"]
        assert (_told(foretold.json), foretold.status) == (told, done.status)
        if step == 1:
            min((folders / "Ada").glob("*.jpg")).rename(folders / "Zoe" / "hers.jpg")


@pytest.mark.parametrize("quality", ["off", "strict"])
def test_the_profile_that_is_asked_for_decides(
    folders: Path, tmp_path: Path, facesearch: Command, quality: str
) -> None:
    asked = ("enroll", folders, "--json", "--quality", quality, "-g", tmp_path / "g")
    assert _told(facesearch(*asked, "--dry-run").json) == _told(facesearch(*asked).json)


def test_wrong_requests_are_refused_alike(folders: Path, tmp_path: Path, facesearch: Command) -> None:
    for words in (("--quality", "best"), ("--encoder", "nobody"), ("--index", "round"), ("--aligned", "dlib-chip")):
        done, dry = (
            facesearch("enroll", folders, *words, *more, "-g", tmp_path / "g") for more in ((), ("--dry-run",))
        )
        assert (dry.status, dry.err) == (done.status, done.err)
        assert dry.status in (1, 2)
        shutil.rmtree(tmp_path / "g", ignore_errors=True)


def test_another_model_than_the_gallerys_is_refused(folders: Path, tmp_path: Path, facesearch: Command) -> None:
    facesearch("enroll", folders / "Bela", "--identity", "Bela", "-g", tmp_path / "g")
    refused = facesearch("enroll", folders, "--dry-run", "--encoder", "dlib-resnet", "-g", tmp_path / "g")
    assert (refused.status, "mobilefacenet" in refused.err) == (1, True)


def test_what_would_go_and_what_may_not_be_said(folders: Path, tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        photos = from_paths([folders / "Bela"], "Bela").photos
        empty = gallery.survey(photos)
        assert (empty.templates, gallery.counts().templates) == (3, 0)
        gallery.enroll_photos(from_paths([folders]).photos, folders=Folders((folders,)))
        before = gallery.counts()
        gone = min((folders / "Ada").glob("*.jpg"))
        gone.unlink()
        told = gallery.survey(from_paths([folders]).photos, Folders((folders,), sync=True))
        assert ([info.path for info in told.gone], told.taken_out) == ([str(gone)], 0)
        assert gallery.counts() == before


def test_pixels_are_surveyed_like_files(folders: Path, tmp_path: Path) -> None:
    with Image.open(min((folders / "Bela").glob("*.jpg"))) as photo:
        given = Photo.of("Bela", photo, 1)
    with Gallery.open(tmp_path / "g") as gallery:
        assert (gallery.survey([given, given]).templates, gallery.survey([]).templates) == (1, 0)
