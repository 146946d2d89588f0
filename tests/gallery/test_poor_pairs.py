"""Two poor photos that look alike tell nothing: poor photos of different people do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facesearch import FaceAnswer, Gallery, Photo
from facesearch.commands.face_told import verdict
from facesearch.errors import RejectedImageError
from facesearch.pipeline.quality import GOOD, POOR


def ask(gallery: Gallery, photo: Image.Image | Path) -> FaceAnswer:
    (answers,) = gallery.identify_photos([photo])
    assert not isinstance(answers, RejectedImageError)
    return answers[0]


@pytest.fixture(scope="module")
def fair(known: list[Photo], tmp_path_factory: pytest.TempPathFactory) -> Image.Image:
    """A photo of the first one enrolled that is named, but not good."""
    photo = Image.open(known[0].path).convert("RGB")
    with Gallery.open(tmp_path_factory.mktemp("fair") / "g", quality="off") as gallery:
        gallery.enroll(known[0].identity, known[0].path)
        for radius in np.arange(2, 9, 0.2):
            blurred = photo.filter(ImageFilter.GaussianBlur(float(radius)))
            if ask(gallery, blurred).quality < (POOR + GOOD) / 2:
                return blurred
    raise AssertionError("it does not become worse")


def test_it_is_named_by_a_good_photo(known: list[Photo], fair: Image.Image, tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.enroll(known[0].identity, known[0].path)
        answer = ask(gallery, fair)
        assert POOR < answer.quality < GOOD
        assert (answer.name, answer.poor) == (known[0].identity, False)


def test_it_is_not_named_by_a_poor_one(known: list[Photo], fair: Image.Image, tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", quality="off") as gallery:
        gallery.enroll("Poor", fair)
        assert ask(gallery, fair).name == "Poor"
        gallery.set_quality("standard")
    with Gallery.open(tmp_path / "g", quality="standard") as gallery:
        answer = ask(gallery, fair)
        why = "the face and the photo it is most like are poor"
        assert verdict(answer).startswith(f"unknown, because {why}: quality 0.")
        assert answer.candidates[0].score >= answer.threshold
        assert (answer.name, answer.poor) == (None, True)
        assert answer.reasons
        assert ask(gallery, known[0].path).poor is False


def test_it_is_collected_neither_as_somebodys_nor_as_unknown(
    known: list[Photo], fair: Image.Image, tmp_path: Path
) -> None:
    with Gallery.open(tmp_path / "g", quality="off") as gallery:
        gallery.enroll("Poor", fair)
        assert gallery.unknown.add([fair]).matched == 1
        gallery.set_quality("standard")
    with Gallery.open(tmp_path / "g", quality="standard") as gallery:
        report = gallery.unknown.add([fair], again=True)
        assert (report.faces, report.matched, report.poor, report.known) == (0, 0, 1, 0)  # as the question above says
        assert gallery.unknown.add([known[0].path]).matched == 1


def test_two_of_them_are_not_verified(known: list[Photo], fair: Image.Image, tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.enroll(known[0].identity, known[0].path)
        both, one = gallery.verify(fair, fair), gallery.verify(fair, known[0].path)
    assert both.score >= both.threshold
    assert not both.same
    assert one.same
    assert [face.poor for face in both.faces] == [True, True]
    with Gallery.open(tmp_path / "g", quality="off") as gallery:
        assert gallery.verify(fair, fair).same
