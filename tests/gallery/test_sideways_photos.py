"""A photo on its side, in which no face is found as it is: the advice is to turn it, not to take a larger one."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command
from PIL import Image

from facesearch import Gallery, Photo
from facesearch.errors import NoFaceError, TinyFaceError


@pytest.fixture
def sideways(people_photos: Path, tmp_path: Path) -> Path:
    """A photo that shows no face unless it is turned."""
    with Image.open(min(min(people_photos.iterdir()).iterdir())) as photo:
        photo.rotate(90, expand=True).save(tmp_path / "sideways.png")
    return tmp_path / "sideways.png"


@pytest.fixture
def small(people_photos: Path, tmp_path: Path) -> Path:
    """A photo whose face is upright, and too small."""
    with Image.open(min(min(people_photos.iterdir()).iterdir())) as photo:
        photo.resize((72, 72)).save(tmp_path / "small.png")
    return tmp_path / "small.png"


@pytest.mark.parametrize("quality", ["off", "standard", "strict"])
def test_enrolment_says_that_it_is_to_be_turned(sideways: Path, tmp_path: Path, quality: str) -> None:
    with Gallery.open(tmp_path / "g", quality=quality) as gallery:
        (rejected,) = gallery.enroll_photos([Photo("Ada", sideways)]).rejected
    assert rejected.reason.startswith("no upright face found, but one that lies on its side: turn the photo")
    assert "--quality off" not in rejected.reason
    assert rejected.reasons == ["EXTREME_POSE"]


def test_so_does_a_question(sideways: Path, people_photos: Path, tmp_path: Path, facesearch: Command) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.enroll("Ada", list(min(people_photos.iterdir()).iterdir()))
        with pytest.raises(NoFaceError, match="lies on its side"):
            gallery.identify(sideways)
    asked = facesearch("query", sideways, "--json", "-g", tmp_path / "g")
    assert (asked.status, asked.json["rejected"][0]["reasons"]) == (3, ["EXTREME_POSE"])


def test_upright_and_small_stays_small(small: Path, tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        (rejected,) = gallery.enroll_photos([Photo("Ada", small)]).rejected
        assert "pixels wide, at least 40 are needed (--min-face)" in rejected.reason
        assert rejected.document()["reasons"] == ["SMALL_BOUNDING_BOX"]
        with pytest.raises(TinyFaceError):
            gallery.template(small)


def test_what_shows_nobody_either_way_has_no_face(tmp_path: Path) -> None:
    Image.new("RGB", (200, 300), (90, 90, 90)).save(tmp_path / "wall.png")
    with Gallery.open(tmp_path / "g") as gallery:
        (rejected,) = gallery.enroll_photos([Photo("Ada", tmp_path / "wall.png")]).rejected
    assert rejected.document() == {"path": str(tmp_path / "wall.png"), "reason": "no face found", "reasons": []}
