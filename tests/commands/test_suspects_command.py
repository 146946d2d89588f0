"""facesearch gallery suspects, templates set-aside."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
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
    assert "--keep ID|PATH|NAME" in plain.out

    kept = facesearch("gallery", "suspects", "--keep", number, "--json")
    assert [each["template_id"] for each in kept.json["kept"]] == [number]
    assert facesearch("gallery", "suspects").out == "no suspects found\n"
    assert facesearch("gallery", "suspects", "--reconsider", "--json").json["suspects"] == [suspect]

    assert facesearch("gallery", "suspects", "--set-aside", "--json").json["set_aside"] == [number]
    assert facesearch("gallery", "info", "--json").json["set_aside"] == 1
    nothing = facesearch("gallery", "suspects", "--set-aside").out
    assert nothing.startswith("no suspects found with a confidence of 0.95 or more: --at-least asks for another one\n")
    assert nothing.endswith("nothing was set aside\n")
    states = {t["template_id"]: t["state"] for t in facesearch("templates", "list", "--json").json["templates"]}
    assert states[number] == "set-aside"
    assert facesearch("enroll", tmp_path / "p", "--json").json["templates"] == 0
    assert facesearch("gallery", "compact", "--json").json["kept"] == 1
    assert facesearch("templates", "restore", number).status == 0
    assert len(facesearch("gallery", "suspects", "--json").json["suspects"]) == 1


def test_two_names_of_one_person_are_not_set_aside_but_merged(
    facesearch: Command, people_photos: Path, tmp_path: Path
) -> None:
    for person in sorted(people_photos.iterdir())[:4]:
        shutil.copytree(person, tmp_path / "p" / person.name)
    ada = min((tmp_path / "p").iterdir())
    (tmp_path / "p" / "A. Other").mkdir()
    sorted(ada.iterdir())[1].rename(tmp_path / "p" / "A. Other" / "1.jpg")
    facesearch("enroll", tmp_path / "p")
    done = facesearch("gallery", "suspects", "--set-aside", "--at-least", "0.5").out.splitlines()
    assert done[1:] == [
        "nothing was set aside: no single photo is wrong",
        "  facesearch identities merge A B makes two people one; the name B stays",
    ]


def test_one_name_for_two_people_is_told_with_what_to_move_and_kept_by_name(
    facesearch: Command, people_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "gallery"))
    for person in sorted(people_photos.iterdir())[:6]:
        shutil.copytree(person, tmp_path / "p" / person.name)
    ada, bea, *_ = (folder.name for folder in sorted((tmp_path / "p").iterdir()))
    facesearch("enroll", tmp_path / "p")
    numbers = facesearch("identities", "merge", bea, ada, "--json").json["template_ids"][bea]
    (suspect,) = facesearch("gallery", "suspects", "--json").json["suspects"]
    assert (suspect["kind"], suspect["identity"], suspect["template_id"]) == ("two-people", ada, None)
    assert suspect["template_ids"] == numbers
    told = facesearch("gallery", "suspects").out
    assert f"{ada} seems to be two people: " in told
    assert "facesearch templates move ID... --to NAME gives the photos of one of two people another name" in told
    done = facesearch("gallery", "suspects", "--set-aside", "--at-least", "0.5").out
    assert "nothing was set aside: no single photo is wrong" in done
    assert facesearch("gallery", "suspects", "--keep", ada).status == 0
    assert facesearch("gallery", "suspects").out == "no suspects found\n"


def test_an_enrolment_names_people_who_seem_to_be_two(
    facesearch: Command, people_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "gallery"))
    for person in sorted(people_photos.iterdir())[:6]:
        shutil.copytree(person, tmp_path / "p" / person.name)
    ada, bea, *_ = sorted((tmp_path / "p").iterdir())
    for photo in sorted(bea.iterdir()):
        photo.rename(ada / f"zz{photo.name}")
    lines = [line for line in facesearch("enroll", tmp_path / "p").out.splitlines() if line.startswith("suspect ")]
    assert len(lines) == 1 and lines[0].startswith(f"suspect {ada.name} seems to be two people: ")


def test_what_is_told_is_one_line_for_each_mistake_of_use(
    facesearch: Command, mixed: list[str], tmp_path: Path
) -> None:
    assert "there is no gallery" in facesearch("gallery", "suspects").err
    facesearch("enroll", tmp_path / "p")
    for words, said in (
        (("--keep", "1", "--set-aside"), "--keep says"),
        (("--at-least", "2"), "--at-least"),
        (("--at-least", "nan"), "--at-least"),
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


def test_nothing_is_set_aside_where_what_was_kept_is_damaged(
    facesearch: Command, mixed: list[str], tmp_path: Path
) -> None:
    facesearch("enroll", tmp_path / "p")
    (suspect,) = facesearch("gallery", "suspects", "--json").json["suspects"]
    facesearch("gallery", "suspects", "--keep", suspect["template_id"])
    with closing(sqlite3.connect(tmp_path / "gallery" / "gallery.db")) as database, database:
        assert database.execute("UPDATE kept_suspects SET checksum = checksum + 1").rowcount
    done = facesearch("gallery", "suspects", "--set-aside", "--at-least", "0.2")
    assert done.status == 1
    assert done.err.startswith("error: row 1 of kept_suspects is damaged") and done.err.count("\n") == 1
    assert facesearch("gallery", "info", "--json").json["set_aside"] == 0
    assert facesearch("gallery", "suspects", "--set-aside", "--at-least", "0.2", "--reconsider").status == 0
    assert facesearch("gallery", "info", "--json").json["set_aside"] == 1


@pytest.mark.parametrize("table", ["kept_suspects", "unknown_faces"])
def test_an_enrolment_that_was_done_is_told_whatever_is_damaged_beside_it(
    table: str, facesearch: Command, mixed: list[str], people_photos: Path, tmp_path: Path
) -> None:
    facesearch("enroll", tmp_path / "p")
    (suspect,) = facesearch("gallery", "suspects", "--json").json["suspects"]
    facesearch("gallery", "suspects", "--keep", suspect["template_id"])
    *_, new, stranger = sorted(people_photos.iterdir())
    assert facesearch("unknown", "add", stranger).status == 0
    with closing(sqlite3.connect(tmp_path / "gallery" / "gallery.db")) as database, database:
        assert database.execute(f"UPDATE {table} SET checksum = checksum + 1").rowcount
    shutil.copytree(new, tmp_path / "p" / new.name)
    done = facesearch("enroll", tmp_path / "p", "--json")
    assert done.status == 0
    assert done.json["templates"] == len(list(new.iterdir()))
    assert done.err.count("warning: ") == 1
    assert f"of {table} is damaged" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("gallery", "suspects", "--keep", ""),
            "a template is named by its number or its photo's path, not by nothing",
        ),
        (("gallery", "suspects", "--keep", 2**64), "no template 18446744073709551616 in the gallery"),
        (("gallery", "suspects", "--keep", "9" * 5000), "no template of a photo 999"),
        (("templates", "show", ""), "not by nothing"),
        (("templates", "remove", "1", " "), "not by nothing"),
        (("templates", "set-aside", 10**20), "no template 100000000000000000000 in the gallery"),
        (("templates", "move", "", "--to", "Zoe"), "not by nothing"),
        (("templates", "restore", ""), "not by nothing"),
        (("gallery", "thin", "--keep", "-" + "9" * 30), "Invalid value for '--keep'"),
    ],
)
def test_a_word_that_names_nothing_is_a_usage_error(
    words: tuple[object, ...], said: str, facesearch: Command, gallery: Path
) -> None:
    refused = facesearch(*words)
    assert refused.status == 2
    assert said in refused.err
    assert refused.err.count("\n") == 1


def test_putting_back_what_is_not_set_aside_is_told(facesearch: Command, gallery: Path) -> None:
    assert facesearch("templates", "restore", 1).out.startswith("template 1 is in use, nothing is changed: ")
    assert facesearch("templates", "restore", 1, "--json").json == {"restored": [], "unchanged": [1]}
