"""The profile of quality that a gallery keeps: asked for at first, changed later, overruled once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from facesearch import Gallery, Photo
from facesearch.commands.app import app
from facesearch.errors import GalleryNotFoundError, UsageError


@pytest.fixture(scope="module")
def blurred(known: list[Photo], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "blurred.png"
    Image.open(known[0].path).convert("RGB").filter(ImageFilter.GaussianBlur(8)).save(path)
    return path


@pytest.fixture
def folder(known: list[Photo], tmp_path: Path) -> Path:
    with Gallery.open(tmp_path / "g", quality="strict") as gallery:
        gallery.enroll_photos(known[:2])
    return tmp_path / "g"


def poor(gallery: Gallery, photo: Path) -> bool:
    (answer,) = gallery.identify_faces(photo)
    return answer.poor


def test_a_new_gallery_keeps_what_it_is_asked_for(folder: Path, known: list[Photo], tmp_path: Path) -> None:
    with Gallery.open(folder) as gallery:
        assert gallery.quality == gallery.info().quality == gallery.info().document()["quality"] == "strict"
    with Gallery.open(tmp_path / "usual") as gallery:
        gallery.enroll_photos(known[:1])
        assert gallery.quality == "standard"


def test_another_profile_holds_while_it_is_open(folder: Path, blurred: Path) -> None:
    with Gallery.open(folder, quality="off") as gallery:
        assert gallery.enroll("Poor", blurred).templates == 1
        assert not poor(gallery, blurred)
        assert gallery.quality == "strict"
    with Gallery.open(folder) as gallery:
        assert poor(gallery, blurred)


def test_a_change_is_seen_by_galleries_that_are_open(folder: Path, blurred: Path) -> None:
    with Gallery.open(folder) as one, Gallery.open(folder) as other:
        assert poor(one, blurred)
        other.set_quality("off")
        assert not poor(one, blurred)
        assert one.enroll("Poor", blurred).templates == 1
        one.set_quality("standard")
        assert poor(other, blurred)


def test_a_profile_that_there_is_not_changes_nothing(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        for wrong in ("high", "", "STRICT", None):
            with pytest.raises(UsageError, match="no profile of quality is named"):
                gallery.set_quality(wrong)  # type: ignore[arg-type]
        assert gallery.quality == "strict"


def test_an_empty_gallery_has_none_yet(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        for use in (lambda: gallery.quality, lambda: gallery.set_quality("off")):
            with pytest.raises(GalleryNotFoundError):
                use()


def test_it_goes_into_backups(folder: Path, tmp_path: Path) -> None:
    with Gallery.open(folder) as gallery:
        gallery.backup(tmp_path / "g.zip")
    Gallery.restore(tmp_path / "g.zip", tmp_path / "again")
    with Gallery.open(tmp_path / "again") as gallery:
        assert gallery.quality == "strict"


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_commands(folder: Path) -> None:
    place = ("--gallery", str(folder))
    assert "quality    strict\n" in run("gallery", "info", *place)
    assert json.loads(run("gallery", "set", "--quality", "off", "--json", *place))["quality"] == "off"
    assert json.loads(run("gallery", "info", "--json", *place))["quality"] == "off"
    wrong = CliRunner().invoke(app, ["gallery", "set", "--quality", "best", *place])
    assert "there are: off, standard, strict" in str(wrong.exception)
