"""Enrolment names new photos that are probably somebody else's, and people who are probably enrolled already."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from facesearch import Gallery
from facesearch.gallery.suspects import suspects
from facesearch.photos.sources import from_paths


@pytest.fixture
def folder(people_photos: Path, tmp_path: Path) -> Path:
    """Six people with three photos each."""
    for person in sorted(people_photos.iterdir())[:6]:
        shutil.copytree(person, tmp_path / "p" / person.name)
    return tmp_path / "p"


def again(photo: Path, target: Path) -> None:
    """The same picture in other bytes."""
    target.parent.mkdir(exist_ok=True)
    Image.open(photo).save(target, quality=80)


def enrolled(folder: Path, gallery: Path) -> list[tuple[str, str, str | None, str | None]]:
    with Gallery.open(gallery) as opened:
        report = opened.enroll_photos(from_paths([folder]).photos)
        assert report.document()["suspects"] == [suspect.document() for suspect in report.suspects]
        return [(item.kind, item.identity, item.other, item.path) for item in report.suspects]


def test_nobody_is_suspected_where_all_is_right(folder: Path, tmp_path: Path) -> None:
    assert enrolled(folder, tmp_path / "g") == []


@pytest.mark.parametrize("people", [2, 6])
def test_a_copy_in_the_wrong_folder_is_named(people: int, folder: Path, tmp_path: Path) -> None:
    ada, bea, *_ = sorted(folder.iterdir())
    for other in sorted(folder.iterdir())[people:]:
        shutil.rmtree(other)
    again(min(bea.iterdir()), ada / "IMG_7.jpg")
    assert enrolled(folder, tmp_path / "g") == [("same-photo", ada.name, bea.name, str(ada / "IMG_7.jpg"))]


def test_a_person_with_two_names_is_named(folder: Path, tmp_path: Path) -> None:
    ada = min(folder.iterdir())
    (folder / "A. Other").mkdir()
    sorted(ada.iterdir())[1].rename(folder / "A. Other" / "1.jpg")
    (suspect,) = enrolled(folder, tmp_path / "g")
    assert (suspect[0], {suspect[1], suspect[2]}) == ("same-person", {ada.name, "A. Other"})


def test_a_photo_in_the_wrong_folder_is_named(folder: Path, tmp_path: Path) -> None:
    ada, bea, *_ = sorted(folder.iterdir())
    photo = sorted(bea.iterdir())[1].rename(ada / "IMG_7.jpg")
    assert enrolled(folder, tmp_path / "g") == [("wrong-person", ada.name, bea.name, str(photo))]


def test_only_new_photos_are_looked_at(folder: Path, tmp_path: Path) -> None:
    ada, bea, *_ = sorted(folder.iterdir())
    again(min(bea.iterdir()), ada / "IMG_7.jpg")
    assert len(enrolled(folder, tmp_path / "g")) == 1
    assert enrolled(folder, tmp_path / "g") == []
    with Gallery.open(tmp_path / "g") as gallery:
        assert len(gallery.suspects()) == 1


@pytest.mark.parametrize("kind", ["sq8", "tcq64"])
def test_coded_templates_are_compared_alike(kind: str, folder: Path, tmp_path: Path) -> None:
    ada, bea, *_ = sorted(folder.iterdir())
    again(min(bea.iterdir()), ada / "IMG_7.jpg")
    Gallery.open(tmp_path / "g", index=kind).close()
    with Gallery.open(tmp_path / "g", index=kind) as gallery:
        (suspect,) = gallery.enroll_photos(from_paths([folder]).photos).suspects
    assert (suspect.identity, suspect.other) == (ada.name, bea.name)
    assert suspect.own is not None
    assert suspect.similarity is not None
    assert suspect.own < suspect.similarity


def test_who_was_taken_out_meanwhile_is_not_looked_at(folder: Path, tmp_path: Path) -> None:
    enrolled(folder, tmp_path / "g")
    with Gallery.open(tmp_path / "g") as gallery:
        photos = [info.id for info in gallery.templates()]
        gallery.forget(gallery.identities()[0].name)
        assert suspects(gallery.parts, photos) == []
        assert suspects(gallery.parts, [10**9]) == []


def test_an_empty_gallery_suspects_nobody(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        assert suspects(gallery.parts, [1, 2]) == []
        assert gallery.suspects() == []


def test_of_a_copy_in_a_wrong_folder_the_only_right_photo_is_not_told(people_photos: Path, tmp_path: Path) -> None:
    ada, basil = sorted(people_photos.iterdir())[:2]
    right = sorted(ada.iterdir())[0]
    again(right, tmp_path / "again.jpg")
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.enroll("Ada", right)
        gallery.enroll("Basil", [*sorted(basil.iterdir()), tmp_path / "again.jpg"])
        wrong = gallery.identity("Basil")[1][-1].id
        assert {found.template_id for found in gallery.suspects()} == {wrong}
