"""facesearch gallery suspects, templates set-aside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import Command


@pytest.fixture
def mixed(people_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of six people, the first of whom has a photo of the second one."""
    monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "gallery"))
    for person in sorted(people_photos.iterdir())[:6]:
        shutil.copytree(person, tmp_path / "p" / person.name)
    ada, bea, *_ = folders = sorted((tmp_path / "p").iterdir())
    sorted(bea.iterdir())[1].rename(ada / "zz.jpg")
    return [folder.name for folder in folders]


def test_suspects_are_told_kept_and_set_aside(facesearch: Command, mixed: list[str], tmp_path: Path) -> None:
    ada, bea, *_ = mixed
    enrolled = facesearch("enroll", tmp_path / "p")
    (line,) = [line for line in enrolled.out.splitlines() if line.startswith("suspect ")]
    (suspect,) = facesearch("gallery", "suspects", "--json").json["suspects"]
    assert (suspect["kind"], suspect["identity"], suspect["other"]) == ("wrong-person", ada, bea)
    assert suspect["path"].endswith("zz.jpg")
    assert 0.5 < suspect["confidence"] <= 1
    number = suspect["template_id"]

    plain = facesearch("gallery", "suspects")
    assert line.removeprefix("suspect ") in plain.out  # the same check at enrolment and of the whole
    assert "templates move" in plain.out

    kept = facesearch("gallery", "suspects", "--keep", number, "--json")
    assert [each["template_id"] for each in kept.json["kept"]] == [number]
    assert facesearch("gallery", "suspects").out == "nothing looks wrong\n"
    assert facesearch("gallery", "suspects", "--reconsider", "--json").json["suspects"] == [suspect]

    assert facesearch("gallery", "suspects", "--set-aside", "--json").json["set_aside"] == [number]
    assert facesearch("gallery", "info", "--json").json["set_aside"] == 1
    nothing = facesearch("gallery", "suspects", "--set-aside").out
    assert nothing.startswith(
        "nothing looks wrong with a confidence of 0.95 or more: --at-least asks for another one\n"
    )
    assert nothing.endswith("nothing was set aside\n")
    states = {t["template_id"]: t["state"] for t in facesearch("templates", "list", "--json").json["templates"]}
    assert states[number] == "set-aside"
    assert facesearch("enroll", tmp_path / "p", "--json").json["templates"] == 0
    assert facesearch("gallery", "compact", "--json").json["kept"] == 1
    assert facesearch("templates", "restore", number).status == 0
    assert len(facesearch("gallery", "suspects", "--json").json["suspects"]) == 1


def test_what_is_told_is_one_line_for_each_mistake_of_use(
    facesearch: Command, mixed: list[str], tmp_path: Path
) -> None:
    assert "there is no gallery" in facesearch("gallery", "suspects").err
    facesearch("enroll", tmp_path / "p")
    for words, said in (
        (("--keep", "1", "--set-aside"), "--keep says"),
        (("--at-least", "2"), "between 0 and 1"),
        (("--keep", "99"), "no template 99"),
        (("--keep", "1"), "nothing is told of 1"),
        (("--keep", mixed[3]), f"nothing is told of {mixed[3]}"),
    ):
        done = facesearch("gallery", "suspects", *words)
        assert done.status == 2, words
        assert said in done.err
        assert len(done.err.splitlines()) == 1


def test_a_photo_is_set_aside_by_its_path(facesearch: Command, mixed: list[str], tmp_path: Path) -> None:
    facesearch("enroll", tmp_path / "p")
    photo = tmp_path / "p" / mixed[0] / "zz.jpg"
    done = facesearch("templates", "set-aside", photo)
    assert f"of {mixed[0]}: {photo}" in done.out
    assert "templates restore" in done.out
    assert facesearch("templates", "set-aside", photo).status == 0  # once more changes nothing
    assert "gallery compact keeps it" in facesearch("templates", "show", photo).out
    (number,) = facesearch("templates", "remove", photo, "--json").json["removed"]
    assert facesearch("gallery", "compact", "--json").json["discarded"] == 1
    assert facesearch("templates", "show", number).status != 0
