"""Folders of people change, and the gallery with them; single photos are corrected by hand."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import typer
from command_line import Command

from facesearch import Gallery


@pytest.fixture
def folders(people: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of two people, Ada and Zoe, with three photos each; the default gallery holds nobody yet."""
    monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "gallery"))
    root = tmp_path / "p"
    for name, person in zip(("Ada", "Zoe"), people, strict=False):
        (root / name).mkdir(parents=True)
        for number, photo in enumerate(sorted(person.iterdir()), start=1):
            shutil.copy(photo, root / name / f"{number}.jpg")
    return root


def templates(facesearch: Command) -> dict[str, int]:
    people = facesearch("identities", "list", "--json").json["identities"]
    return {person["name"]: person["templates"] for person in people}


def test_a_photo_put_into_the_right_folder_changes_hands(facesearch: Command, folders: Path) -> None:
    wrong = folders / "Ada" / "wrong.jpg"
    shutil.move(folders / "Zoe" / "1.jpg", wrong)
    assert facesearch("enroll", folders).status == 0
    assert templates(facesearch) == {"Ada": 4, "Zoe": 2}
    shutil.move(wrong, folders / "Zoe" / "1.jpg")
    done = facesearch("enroll", folders)
    assert done.status == 0
    assert f"moved {folders / 'Zoe' / '1.jpg'} from Ada to Zoe\n" in done.out
    assert templates(facesearch) == {"Ada": 3, "Zoe": 3}
    again = facesearch("enroll", folders, "--json").json
    assert (again["skipped"], again["moved"], again["gone"], again["rejected"]) == (6, [], [], [])


def test_while_both_files_are_there_the_one_enrolled_first_counts(facesearch: Command, folders: Path) -> None:
    shutil.copy(folders / "Zoe" / "1.jpg", folders / "Ada" / "wrong.jpg")
    done = facesearch("enroll", folders)
    assert done.status == 3
    assert "the same image is enrolled as Ada; to move it: facesearch templates move 4 --to Zoe" in done.out
    moved = facesearch("templates", "move", folders / "Ada" / "wrong.jpg", "--to", "Zoe")
    assert moved.out == f"template 4 was Ada's and is Zoe's now: {folders / 'Ada' / 'wrong.jpg'}\n"
    assert templates(facesearch) == {"Ada": 3, "Zoe": 3}
    assert facesearch("enroll", folders).status == 0  # both files are known as hers by now


def test_a_photo_that_left_is_told_and_taken_out_where_folders_are_the_truth(
    facesearch: Command, folders: Path, people: list[Path]
) -> None:
    assert facesearch("enroll", folders).status == 0
    (folders / "Ada" / "1.jpg").unlink()
    shutil.copy(sorted(people[2].iterdir())[0], folders / "Zoe" / "2.jpg")  # another content
    told = facesearch("enroll", folders, "--dry-run", "--sync")
    assert told.status == 0
    assert "would enrol 1 photo of 1 person" in told.out
    assert f"would take out {folders / 'Ada' / '1.jpg'} of Ada (template 1)" in told.out
    assert templates(facesearch) == {"Ada": 3, "Zoe": 3}
    plain = facesearch("enroll", folders)
    assert plain.status == 0
    assert "2 photos that were enrolled left the folders or changed: --sync takes them out" in plain.out
    assert templates(facesearch) == {"Ada": 3, "Zoe": 4}
    done = facesearch("enroll", folders, "--sync")
    assert done.status == 0
    assert f"took out {folders / 'Zoe' / '2.jpg'} of Zoe (template 5)" in done.out
    assert templates(facesearch) == {"Ada": 2, "Zoe": 3}
    assert facesearch("index", "check").status == 0
    nothing = facesearch("enroll", folders, "--sync", "--json").json
    assert (nothing["gone"], nothing["taken_out"], nothing["templates"]) == ([], 0, 0)
    back = facesearch("templates", "restore", 1)
    assert back.out == "template 1 is back, as 8\n"
    assert templates(facesearch) == {"Ada": 3, "Zoe": 3}


def test_a_disk_that_is_not_mounted_empties_no_gallery(facesearch: Command, folders: Path) -> None:
    assert facesearch("enroll", folders).status == 0
    for photo in folders.rglob("*.jpg"):
        photo.unlink()
    refused = facesearch("enroll", folders, "--sync")
    assert refused.status == 2
    assert refused.err == ("error: 6 templates would be taken out, of 6: if that is right, --sync --yes does it\n")
    assert templates(facesearch) == {"Ada": 3, "Zoe": 3}
    assert facesearch("enroll", folders, "--sync", "--yes").status == 0
    assert templates(facesearch) == {"Ada": 0, "Zoe": 0}


def test_photos_that_cannot_be_read_just_now_stay(facesearch: Command, folders: Path) -> None:
    assert facesearch("enroll", folders).status == 0
    (folders / "Ada" / "1.jpg").unlink()
    (folders / "Ada" / "1.jpg").symlink_to(folders / "Ada" / "1.jpg")  # cannot be read
    done = facesearch("enroll", folders, "--sync", "--json")
    assert done.status == 3
    assert (done.json["gone"], done.json["taken_out"]) == ([], 0)
    assert templates(facesearch) == {"Ada": 3, "Zoe": 3}


@pytest.mark.parametrize("how", ["rename", "merge", "both"])
def test_a_folder_stays_its_persons_through_renaming_and_merging(
    facesearch: Command, folders: Path, people: list[Path], how: str
) -> None:
    late = folders / "Ada" / "3.jpg"
    photo = late.read_bytes()
    late.unlink()
    assert facesearch("enroll", folders).status == 0
    name = "Ada Lovelace"
    if how != "rename":
        assert facesearch("enroll", "--identity", "A. L.", sorted(people[3].iterdir())[0]).status == 0
        assert facesearch("identities", "merge", "Ada", "A. L.").status == 0
    if how == "both":
        assert facesearch("identities", "rename", "A. L.", "Countess").status == 0
    if how == "rename":
        assert facesearch("identities", "rename", "Ada", name).status == 0
    else:
        name = "A. L." if how == "merge" else "Countess"
    late.write_bytes(photo)
    done = facesearch("enroll", folders)
    assert done.status == 0
    assert f"folder {folders / 'Ada'} is {name}'s, who has been renamed or merged\n" in done.out
    assert templates(facesearch) == {name: 3 if how == "rename" else 4, "Zoe": 3}
    # somebody else of the old name, in another folder, is another person
    other = folders.parent / "q" / "Ada"
    shutil.copytree(people[2], other)
    assert facesearch("enroll", other.parent).status == 0
    assert templates(facesearch)["Ada"] == 3


def test_who_was_forgotten_does_not_come_back_unnoticed(facesearch: Command, folders: Path, tmp_path: Path) -> None:
    assert facesearch("enroll", folders).status == 0
    assert facesearch("identities", "forget", "Ada").status == 0
    done = facesearch("enroll", folders)
    assert done.status == 3
    assert done.out.count("it shows somebody who was forgotten on ") == 3
    assert templates(facesearch) == {"Zoe": 3}
    assert facesearch("enroll", folders, "--dry-run").status == 3
    photo = (folders / "Ada" / "1.jpg").read_bytes()
    files = b"".join(path.read_bytes() for path in (tmp_path / "gallery").iterdir() if path.is_file())
    assert hashlib.sha256(photo).digest() not in files
    assert facesearch("enroll", folders, "--again").status == 0
    assert templates(facesearch) == {"Ada": 3, "Zoe": 3}
    assert facesearch("enroll", folders).status == 0
    assert facesearch("identities", "forget", "Ada", "--no-record").status == 0
    assert facesearch("enroll", folders).status == 0
    assert templates(facesearch) == {"Ada": 3, "Zoe": 3}


def test_templates_are_listed_shown_and_taken_out(facesearch: Command, folders: Path) -> None:
    assert facesearch("enroll", folders).status == 0
    listed = facesearch("templates", "list", "--json").json["templates"]
    assert [(each["template_id"], each["identity"], each["state"]) for each in listed][:4] == [
        (1, "Ada", "active"),
        (2, "Ada", "active"),
        (3, "Ada", "active"),
        (4, "Zoe", "active"),
    ]
    assert {"path", "quality", "added"} <= set(listed[0])
    assert listed[0]["added"].endswith("+00:00")
    shown = facesearch("templates", "show", folders / "Zoe" / "1.jpg").out
    assert "template   4, active\n" in shown
    assert "identity   Zoe\n" in shown
    removed = facesearch("templates", "remove", "4", 5, "Zoe/3.jpg")
    assert removed.status == 0
    assert "Zoe has no template left" in removed.out
    assert (
        facesearch("query", folders / "Zoe" / "1.jpg", "--json").json["probes"][0]["faces"][0]["decision"] == "unknown"
    )
    table = facesearch("templates", "list", "Zoe").out
    assert table.count("taken out  ") == 3
    assert "3 templates (3 taken out)" in table
    assert "3 templates that had been taken out deleted for good" in facesearch("gallery", "compact").out
    for wrong in ((99,), ("Zoe/9.jpg",), ("1.jpg",)):
        refused = facesearch("templates", "remove", *wrong)
        assert (refused.status, refused.out) == ((2, "") if wrong != ("1.jpg",) else (0, refused.out))


def test_sync_goes_with_folders_alone(facesearch: Command, folders: Path) -> None:
    for asked in (("--identity", "Ada", folders / "Ada"), ("--manifest", folders / "list.csv")):
        refused = facesearch("enroll", "--sync", *asked)
        assert refused.status == 2
        assert "--sync goes with folders of people" in refused.err


def test_forgetting_asks_on_a_terminal(
    facesearch: Command, folders: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert facesearch("enroll", folders).status == 0
    asked: list[str] = []

    def no(question: str, **_: object) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr("facesearch.commands.identities.on_a_terminal", lambda: True)
    monkeypatch.setattr(typer, "confirm", no)
    assert facesearch("identities", "forget", "Ada").status == 1
    assert asked == ["Forget Ada for good, with 3 templates?"]
    with Gallery.open(tmp_path / "gallery") as gallery:
        assert len(gallery.identities()) == 2
    assert facesearch("identities", "forget", "Ada", "--yes").status == 0
    assert len(asked) == 1


def test_renaming_says_where_the_old_name_stays(facesearch: Command, folders: Path) -> None:
    assert facesearch("enroll", folders).status == 0
    shown = facesearch("identities", "rename", "Ada", "Countess").out
    assert shown == "renamed Ada to Countess\n  3 photos keep their paths, in which the old name stands\n"
    assert facesearch("identities", "rename", "Countess", "Ada Lovelace").out == "renamed Countess to Ada Lovelace\n"


def test_a_person_without_a_template_is_not_counted_with_those_who_have_some(
    ada_and_zoe: Path, people: list[Path], facesearch: Command
) -> None:
    for name in ("Robert Duval", "Ada"):  # a slip, taken back
        assert facesearch("templates", "move", "1", "--to", name).status == 0
    photo = sorted(people[2].iterdir())[0]
    told = facesearch("enroll", "--identity", "Mia", photo).out
    assert "the gallery holds 3 templates of 3 people, and 1 person without a template\n" in told
    told = facesearch("gallery", "info").out
    assert "people     3, 3 templates\n           1 person more without a template\n" in told
    document = facesearch("gallery", "info", "--json").json
    assert (document["identities"], document["without_templates"]) == (4, 1)
    assert facesearch("identities", "forget", "Robert Duval", "--yes").status == 0
    assert "the gallery holds 3 templates of 3 people\n" in facesearch("enroll", "--identity", "Mia", photo).out
