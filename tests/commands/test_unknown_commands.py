"""Unknown faces from the command line."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from command_line import Command

from facesearch import Gallery
from facesearch.codecs.plain import find_codec
from facesearch.files import durable
from facesearch.files.durable import write_atomically
from facesearch.store import NewTemplate


@pytest.fixture
def strangers(people: list[Path], ada_and_zoe: Path, tmp_path: Path) -> Path:
    """Three photos of one person and one of another; neither is enrolled."""
    folder = tmp_path / "party"
    folder.mkdir()
    for number, photo in enumerate([*sorted(people[2].iterdir())[:3], sorted(people[3].iterdir())[0]]):
        shutil.copy(photo, folder / f"{number}.jpg")
    return folder


def test_from_photos_to_names(facesearch: Command, strangers: Path, tmp_path: Path) -> None:
    assert facesearch("gallery", "set", "--threshold", "0.95").status == 0  # drawn people look alike
    done = facesearch("enroll", "--collect", strangers)
    assert done.status == 0 and "collected 4 unknown faces from 4 photos" in done.out
    assert facesearch("unknown", "add", strangers, "--json").json["skipped"] == 4
    grouped = facesearch("unknown", "cluster", "--json").json
    assert grouped["faces"] == 4 and grouped["clusters"] >= 1
    counted = f"4 unknown faces: {grouped['clusters']} cluster{'s' if grouped['clusters'] > 1 else ''}"
    assert facesearch("unknown", "cluster").out == f"{counted}, {grouped['alone']} alone\n"  # none is new any more
    found = facesearch("unknown", "list", "--sheet", tmp_path / "sheets", "--json").json
    assert found["sheets"] and all(Path(path).is_file() for path in found["sheets"])
    (strangers / "0.jpg").unlink()  # a photo that is gone is drawn as such
    assert facesearch("unknown", "list", "--sheet", tmp_path / "sheets").status == 0
    number = found["clusters"][0]["cluster"]
    assert "f" in facesearch("unknown", "show", number).out
    assert facesearch("gallery", "info", "--json").json["unknown_faces"] == 4
    assert "enrolled" in facesearch("unknown", "name", number, "Bea").out
    assert "Bea" in facesearch("identities", "list").out
    left = facesearch("gallery", "info", "--json").json["unknown_faces"]
    assert facesearch("unknown", "discard", "--all").status == 2  # it asks, and nobody is there
    assert facesearch("unknown", "discard", "--all", "--yes", "--json").json["faces"] == left


def test_faces_that_do_not_look_like_the_person_are_enrolled_with_a_warning(
    facesearch: Command, strangers: Path, people: list[Path]
) -> None:
    assert facesearch("gallery", "set", "--threshold", "0.95").status == 0
    assert facesearch("unknown", "add", strangers).status == 0
    assert facesearch("unknown", "name", "f1", "Bea").err == ""  # somebody new is like nobody
    ada = facesearch("identities", "list", "--json").json["identities"][0]["name"]
    done = facesearch("unknown", "name", "f4", ada, "--json")
    (number,) = done.json["templates"]
    assert done.status == 0 and done.err.count("\n") == 1
    assert done.err.startswith(f"warning: {ada}'s other photos and this face do not look alike (similarity ")
    assert done.err.endswith(f"if they are two people, facesearch templates move {number} --to NAME\n")


def test_a_photo_of_a_discarded_face_is_seen_before_and_looked_at_again_where_that_is_asked_for(
    facesearch: Command, strangers: Path
) -> None:
    assert facesearch("gallery", "set", "--threshold", "0.95").status == 0
    facesearch("unknown", "add", strangers)
    told = facesearch("unknown", "discard", "f1").out.splitlines()
    assert told == [
        "deleted 1 unknown face, 0 clusters and 1 image record",
        "  their photos count as seen: unknown add skips them, unless --again is given",
    ]
    done = facesearch("unknown", "add", strangers).out
    assert done.startswith(
        "collected 0 unknown faces from 0 photos, skipped 4 seen before (--again looks at them again)"
    )
    assert facesearch("unknown", "add", strangers, "--again", "--json").json["faces"] == 1


def test_the_list_says_how_many_of_its_faces_look_like_a_person(
    facesearch: Command, strangers: Path, people: list[Path], tmp_path: Path
) -> None:
    assert facesearch("gallery", "set", "--threshold", "0.95").status == 0
    assert facesearch("unknown", "add", strangers).status == 0
    none = facesearch("unknown", "list", "--like", "Ada").out
    assert none == "none of the 4 unknown faces looks like Ada\n"
    assert facesearch("unknown", "join", "f1", "f2", "f4").status == 0
    assert facesearch("unknown", "name", "f1", "Bea").status == 0
    same, _ = facesearch("unknown", "show", "f2", "f4", "--json").json["faces"]
    assert same["suggestion"]["identity"] == "Bea"
    assert facesearch("gallery", "set", "--threshold", same["suggestion"]["score"] - 0.01).status == 0
    told = facesearch("unknown", "name", "f3", "Bea").out
    found = facesearch("unknown", "list", "--like", "Bea", "--json").json
    faces = [face for each in found["clusters"] for face in each["faces"]] + found["alone"]
    alike = sum(face["suggestion"]["faces_alike"] for face in faces)
    assert 0 < alike < len(faces)
    look = "looks" if alike == 1 else "look"
    assert f"{look} like Bea, too: facesearch unknown list --like Bea" in told
    told = facesearch("unknown", "list", "--like", "Bea").out
    assert told.endswith(f"{alike} of these {len(faces)} faces {look} like Bea\n")
    assert "Bea\n" not in facesearch("unknown", "list").out


@pytest.mark.parametrize("is_new", [True, False])
def test_sheets_on_a_full_disk_leave_nothing_behind(
    facesearch: Command, strangers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    assert facesearch("gallery", "set", "--threshold", "0.95").status == 0
    assert facesearch("unknown", "add", strangers).status == 0
    assert facesearch("unknown", "join", "f1", "f4").status == 0
    folder, written = tmp_path / "sheets", list[Path]()
    if not is_new:
        folder.mkdir()
        (folder / "mine.txt").touch()

    def full(path: Path, write: Callable[[BinaryIO], object]) -> None:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)
        write_atomically(path, write)

    monkeypatch.setattr(durable, "write_atomically", full)
    failed = facesearch("unknown", "list", "--sheet", folder)
    assert (failed.status, len(failed.err.splitlines())) == (1, 1)
    assert "cannot be written to (no space left on device)" in failed.err
    assert len(written) == 1
    assert [path.name for path in folder.iterdir()] == ["mine.txt"] if not is_new else not folder.exists()


def test_what_cannot_be_meant_is_one_line_and_status_2(facesearch: Command, strangers: Path) -> None:
    for words in (
        ("unknown", "name", "Bea"),
        ("unknown", "show", "7"),
        ("unknown", "discard"),
        ("unknown", "discard", "7", "--all"),
        ("unknown", "part", "7"),
        ("unknown", "list", "--like", "Nobody"),
        ("enroll", "--collect", strangers, "--identity", "Bea"),
    ):
        done = facesearch(*words)
        assert done.status != 0 and done.err.startswith("error: ") and done.err.count("\n") == 1, words


@pytest.mark.parametrize(
    "options",
    [
        ("--identity", "Bea"),
        ("--manifest", "people.csv"),
        ("--encoder", "mobilefacenet"),
        ("--index", "flat"),
        ("--keep-originals", "fp32"),
        ("--face", "1"),
        ("--sync",),
        ("--watch",),
        ("--dry-run",),
        ("--frames", "3"),
        ("--frames-per-second", "1"),
        ("--yes",),
        ("--aligned", "arcface"),
    ],
    ids=lambda options: options[0],
)
def test_what_says_whose_photos_are_or_how_a_gallery_begins_is_refused_with_collect(
    options: tuple[str, ...], facesearch: Command, strangers: Path
) -> None:
    done = facesearch("enroll", "--collect", strangers, *options)
    assert done.status == 2 and done.err.startswith("error: ") and done.err.count("\n") == 1
    assert facesearch("unknown", "list", "--json").json == {"clusters": [], "alone": [], "sheets": []}


def test_workers_smallest_face_quality_and_again_hold_with_collect(facesearch: Command, strangers: Path) -> None:
    assert facesearch("gallery", "set", "--threshold", "0.95").status == 0
    words = ("enroll", "--collect", strangers, "--json")
    assert facesearch(*words, "--min-face", "2000").json["faces"] == 0
    assert facesearch(*words, "--workers", "2").json["skipped"] == 4
    done = facesearch(*words, "--workers", "2", "--again", "--quality", "off")
    assert (done.json["faces"], done.json["skipped"]) == (4, 0)


def test_the_receipt_says_when_backups_were_made_and_which_photos_stay(
    facesearch: Command, strangers: Path, tmp_path: Path
) -> None:
    assert facesearch("gallery", "set", "--threshold", "0.95").status == 0
    assert facesearch("unknown", "add", strangers).status == 0
    assert facesearch("gallery", "backup", tmp_path / "b.fsb").status == 0
    with Gallery.open(tmp_path / "gallery") as gallery:
        kept, (face, *_) = gallery.parts.store, gallery.parts.store.unknown.inbox().faces
        encoder, settings = kept.settings.encoder(), kept.settings.read()
        assert encoder and settings
        code = find_codec(settings.codec).encode(np.eye(1, settings.dimension, dtype=np.float32))[0]
        other = NewTemplate("", face.sha256, face.path, 9, 9, code, 0.9, (900.0, 900.0, 50.0, 50.0))
        assert kept.unknown.add([other], [], encoder, settings.codec) != [None]
    assert facesearch("unknown", "name", f"f{face.id}", "Bea").status == 0
    told = facesearch("identities", "forget", "Bea").out
    assert "  1 image record stays, as other faces of this photo are in the inbox; its path stays, too\n" in told
    assert re.search(r"backups that still hold them were made on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: delete", told)
    told = facesearch("gallery", "restore", tmp_path / "b.fsb", "--replace").out
    back = f"  1 unknown face is back of people who had been forgotten since: facesearch unknown discard f{face.id}\n"
    assert back in told
