"""A probe that is too poor to tell is answered "unknown, because …", not with a name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from facesearch import FaceAnswer, Gallery, Photo
from facesearch.commands.app import app
from facesearch.errors import RejectedImageError

from .on_server import Server


@pytest.fixture(scope="module")
def blurred(known: list[Photo], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of somebody enrolled, blurred beyond recognition."""
    path = tmp_path_factory.mktemp("probes") / "blurred.png"
    Image.open(known[0].path).convert("RGB").filter(ImageFilter.GaussianBlur(8)).save(path)
    return path


@pytest.fixture(scope="module")
def folder(known: list[Photo], blurred: Path, tmp_path_factory: pytest.TempPathFactory, server: Server | None) -> Path:
    """A gallery into which a poor photo was let on purpose: probes photographed as poorly are most like it."""
    folder = tmp_path_factory.mktemp("poor") / "g"
    with Gallery.open(folder, quality="off") as gallery:
        gallery.enroll_photos(known[:10])
        gallery.enroll("Poor", blurred)
        gallery.set_quality("standard")
    return folder


@pytest.fixture(params=["standard", "strict"])
def gallery(request: pytest.FixtureRequest, folder: Path) -> Iterator[Gallery]:
    with Gallery.open(folder, quality=request.param) as gallery:
        yield gallery


def only(gallery: Gallery, photo: Path | Image.Image) -> FaceAnswer:
    (answers,) = gallery.identify_photos([photo])
    assert not isinstance(answers, RejectedImageError)
    return answers[0]


def test_it_is_not_named(gallery: Gallery, blurred: Path) -> None:
    answer = only(gallery, blurred)
    assert answer.candidates[0].score >= answer.threshold
    assert (answer.poor, answer.is_match, answer.name) == (True, False, None)
    document = answer.document()
    assert (document["decision"], document["reasons"]) == ("unknown", list(answer.reasons))
    assert "LOW_SHARPNESS" in answer.reasons
    assert 0 <= document["quality"] < 0.3


def test_it_is_named_where_quality_is_off(folder: Path, blurred: Path) -> None:
    with Gallery.open(folder, quality="off") as gallery:
        answer = only(gallery, blurred)
    assert (answer.poor, answer.name) == (False, "Poor")
    assert answer.quality < 0.3  # it is told all the same


def test_a_good_probe_is_named(gallery: Gallery, probes: list[Photo]) -> None:
    answer = only(gallery, probes[0].path)
    assert answer.name == probes[0].identity
    assert answer.quality > 0.9


def test_of_two_poor_photos_nobody_knows(gallery: Gallery, blurred: Path, known: list[Photo]) -> None:
    other = Image.open(known[1].path).convert("RGB").filter(ImageFilter.GaussianBlur(8))
    answer = gallery.verify(blurred, other)
    assert answer.score >= answer.threshold
    assert not answer.same
    assert [face.document()["poor"] for face in answer.faces] == [True, True]


def test_a_template_alone_is_not_judged(gallery: Gallery) -> None:
    template = np.eye(1, 192, dtype=np.float32)
    assert gallery.search(template, 1)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_says_why(folder: Path, blurred: Path, known: list[Photo]) -> None:
    said = run("query", str(blurred), "--gallery", str(folder))
    assert "unknown, because the face is too poor: quality 0." in said
    assert "LOW_SHARPNESS" in said
    said = run("verify", str(blurred), str(known[0].path), "--gallery", str(folder))
    assert said.startswith("nobody can tell: score ")
    assert "is too poor to tell: quality 0." in said
    (face,) = json.loads(run("query", str(blurred), "--gallery", str(folder), "--json"))["probes"][0]["faces"]
    assert (face["decision"], face["poor"], face["reasons"][0]) == ("unknown", True, "LOW_SHARPNESS")


def test_enrolment_gives_the_reasons_in_fixed_words(blurred: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["enroll", str(blurred), "--identity", "Ada", "--gallery", str(tmp_path / "g"), "--json"]
    )
    (rejected,) = json.loads(result.stdout)["rejected"]
    assert rejected["reasons"] == ["LOW_SHARPNESS"]
    assert rejected["reason"].endswith("(LOW_SHARPNESS)")


def test_a_person_named_in_capitals_is_no_reason(tmp_path: Path) -> None:
    (tmp_path / "LOW_FACE.jpg").write_bytes(b"no photo (LOW_FACE)")
    with Gallery.open(tmp_path / "g") as gallery:
        (rejected,) = gallery.enroll("Ada", tmp_path / "LOW_FACE.jpg").rejected
    assert rejected.reasons == []


def test_a_strict_gallery_refuses_what_a_usual_one_doubts(known: list[Photo], tmp_path: Path) -> None:
    photo = Image.open(known[0].path).convert("RGB")
    for radius in np.arange(3, 10, 0.25):
        soft = photo.filter(ImageFilter.GaussianBlur(float(radius)))
        with Gallery.open(tmp_path / "usual") as gallery:
            usual = gallery.enroll("Ada", soft)
        if usual.doubtful:
            break
    with Gallery.open(tmp_path / "strict", quality="strict") as gallery:
        strict = gallery.enroll("Ada", soft)
    assert (usual.templates, strict.templates) == (1, 0)
    assert strict.rejected[0].reasons
