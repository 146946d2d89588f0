"""What commands say of templates: one word for each thing, and that nothing is changed where nothing is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import Command
from PIL import Image, ImageFilter

from facesearch import Gallery


@pytest.fixture
def ada(gallery: Path, people: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of somebody's two templates, in the gallery that commands use."""
    monkeypatch.setenv("FACESEARCH_GALLERY", str(gallery))
    with Gallery.open(gallery) as opened:
        return [info.id for info in opened.templates(people[0].name)]


def test_taken_out_is_what_compact_deletes_and_set_aside_what_it_keeps(
    facesearch: Command, ada: list[int], people: list[Path]
) -> None:
    out, aside = ada[:2]
    facesearch("templates", "remove", out)
    facesearch("templates", "set-aside", aside)
    table = facesearch("templates", "list", people[0].name).out
    assert "2 templates (1 taken out, 1 set aside)" in table
    assert "1 more taken out, 1 set aside" in facesearch("gallery", "info").out
    info = facesearch("gallery", "info", "--json").json
    assert (info["taken_out"], info["set_aside"]) == (1, 1)
    assert f"template   {out}, taken out: gallery compact deletes it" in facesearch("templates", "show", out).out
    assert f"template   {aside}, set aside: gallery compact keeps it" in facesearch("templates", "show", aside).out
    listed = facesearch("templates", "list", people[0].name, "--json").json["templates"]
    assert [(item["state"], item["kept"]) for item in listed] == [
        ("set-aside", False),
        ("set-aside", True),
    ]
    done = facesearch("gallery", "compact").out
    assert "1 template that had been taken out deleted for good" in done
    assert "1 template set aside kept" in done
    info = facesearch("gallery", "info", "--json").json
    assert (info["taken_out"], info["set_aside"]) == (0, 1)


def test_what_was_set_aside_or_taken_out_stands_in_the_receipt(
    facesearch: Command, ada: list[int], people: list[Path]
) -> None:
    facesearch("templates", "set-aside", ada[0])
    facesearch("templates", "remove", ada[1])
    told = facesearch("identities", "forget", people[0].name).out
    assert "  2 templates (2 set aside or taken out) and 2 image records deleted and overwritten" in told
    bea = people[1].name
    facesearch("identities", "negative", bea, sorted(people[2].iterdir())[0])
    receipt = facesearch("identities", "forget", bea, "--json").json
    assert (receipt["templates"], receipt["out_of_use"], receipt["negatives"], receipt["of_others"]) == (2, 0, 1, 0)


@pytest.mark.parametrize(("command", "state"), [("remove", "taken out"), ("set-aside", "set aside")])
def test_a_second_time_changes_nothing_and_says_so(
    facesearch: Command, ada: list[int], command: str, state: str
) -> None:
    facesearch("templates", command, ada[0])
    again = facesearch("templates", command, *ada[:2])
    assert f"template {ada[0]} of" in again.out
    assert f"is {state} already, nothing is changed" in again.out
    assert f"templates restore {ada[0]} {ada[1]} puts them back" in again.out
    third = facesearch("templates", command, ada[0], "--json").json
    assert third["unchanged"] == [ada[0]]


def test_from_set_aside_to_taken_out_is_a_change(facesearch: Command, ada: list[int]) -> None:
    facesearch("templates", "set-aside", ada[0])
    assert "was set aside, and is taken out now" in facesearch("templates", "remove", ada[0]).out
    assert "was taken out, and is set aside now" in facesearch("templates", "set-aside", ada[0]).out


def test_what_is_in_use_is_not_restored(facesearch: Command, ada: list[int]) -> None:
    told = facesearch("templates", "restore", ada[0])
    assert (told.status, told.out.startswith(f"template {ada[0]} is in use, nothing is changed: ")) == (0, True)
    facesearch("templates", "remove", ada[1])
    both = facesearch("templates", "restore", *ada[:2], "--json").json
    assert [item["from"] for item in both["restored"]] == [ada[1]]
    assert both["unchanged"] == [ada[0]]


def test_a_move_to_the_same_person_changes_nothing(facesearch: Command, ada: list[int], people: list[Path]) -> None:
    name = people[0].name
    assert f"is {name}'s already, nothing is changed" in facesearch("templates", "move", ada[0], "--to", name).out
    told = facesearch("templates", "move", ada[0], "--to", name, "--json").json
    assert (told["moved"], told["unchanged"]) == ([], [ada[0]])


@pytest.fixture
def blurred(people: list[Path], tmp_path: Path) -> Path:
    """A photo that is far below every profile's quality."""
    with Image.open(min(people[0].iterdir())) as photo:
        photo.filter(ImageFilter.GaussianBlur(photo.width / 45)).save(tmp_path / "blurred.png")
    return tmp_path / "blurred.png"


def test_poor_templates_are_listed_the_worst_first(facesearch: Command, ada: list[int], blurred: Path) -> None:
    assert "no template in use is of a quality below 0.50" in facesearch("templates", "list", "--poor").out
    assert "poorer than that" not in facesearch("gallery", "set", "--quality", "standard").out
    facesearch("enroll", "--identity", "Poor", blurred, "--quality", "off")
    told = facesearch("templates", "list", "--poor", "--json").json
    assert (told["below"], [item["identity"] for item in told["templates"]]) == (0.5, ["Poor"])
    strict = facesearch("gallery", "set", "--quality", "strict").out
    assert "enrolled before" in strict and "facesearch templates list --poor" in strict
    told = facesearch("templates", "list", "--poor", "--json").json
    qualities = [item["quality"] for item in told["templates"]]
    assert told["below"] == 0.7
    assert qualities == sorted(qualities) and all(quality < 0.7 for quality in qualities)
    assert "1 template in use of a quality below 0.70, which the profile strict" in (
        facesearch("templates", "list", "Poor", "--poor").out
    )
    facesearch("templates", "set-aside", told["templates"][0]["template_id"])
    assert not facesearch("templates", "list", "Poor", "--poor", "--json").json["templates"]


def test_a_gallery_that_enrols_all_lists_what_others_would_not(
    facesearch: Command, ada: list[int], blurred: Path
) -> None:
    facesearch("enroll", "--identity", "Poor", blurred, "--quality", "off")
    assert "poorer" not in facesearch("gallery", "set", "--quality", "off").out
    assert "which the profile standard enrols from" in facesearch("templates", "list", "--poor").out


def test_a_poor_probe_is_named_where_that_is_asked_for(
    facesearch: Command, ada: list[int], blurred: Path, people: list[Path]
) -> None:
    (face,) = facesearch("query", blurred, "--json").json["probes"][0]["faces"]
    assert (face["poor"], face["stranger_rate"]) == (True, None)
    assert "stranger" not in facesearch("query", blurred).out
    asked = facesearch("query", blurred, "--quality", "off", "--threshold", -1, "--json")
    (face,) = asked.json["probes"][0]["faces"]
    assert (face["poor"], face["decision"]) == (False, "match")
    assert "stranger" in facesearch("query", blurred, "--quality", "off").out
    assert facesearch("gallery", "info", "--json").json["quality"] == "standard"
    wrong = facesearch("query", blurred, "--quality", "poor")
    assert (wrong.status, "no profile of quality is named 'poor'" in wrong.err) == (2, True)


@pytest.mark.parametrize("there", [True, False])
def test_so_are_two_photos_compared(
    facesearch: Command,
    ada: list[int],
    blurred: Path,
    people: list[Path],
    there: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    if not there:
        monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "none"))
    asked = ("verify", blurred, min(people[0].iterdir()), "--threshold", -1)
    assert facesearch(*asked).out.startswith("nobody can tell")
    assert facesearch(*asked, "--quality", "off").out.startswith("the same person")


def test_a_folder_that_was_copied_or_moved_is_told(
    facesearch: Command, people: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "g"))
    shutil.copytree(people[0], tmp_path / "people" / "Ada")
    facesearch("enroll", tmp_path / "people")
    shutil.copytree(tmp_path / "people", tmp_path / "copy")
    copied = facesearch("enroll", tmp_path / "copy", "--sync")
    assert "3 photos are copies of files that were enrolled: the paths of those are kept" in copied.out
    assert all(str(tmp_path / "people") in item["path"] for item in _listed(facesearch))
    shutil.rmtree(tmp_path / "people")
    foretold = facesearch("enroll", tmp_path / "copy", "--sync", "--dry-run")
    assert "3 photos have moved since being enrolled: the new paths would be kept" in foretold.out
    moved = facesearch("enroll", tmp_path / "copy", "--sync", "--json").json
    assert [(item["copied"], Path(item["from"]).parent.parent.name) for item in moved["relocated"]] == [
        (False, "people")
    ] * 3
    assert all(str(tmp_path / "copy") in item["path"] for item in _listed(facesearch))
    assert facesearch("enroll", tmp_path / "copy", "--sync", "--json").json["relocated"] == []


def _listed(facesearch: Command) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = facesearch("templates", "list", "--json").json["templates"]
    return listed
