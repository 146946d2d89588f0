"""facesearch gallery thin, and what the commands beside it say."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import typer
from command_line import Command

from facesearch import Gallery
from facesearch.store.sql.thinning import SqlThinning


@pytest.fixture
def thinned(facesearch: Command, gallery: Path) -> Path:
    """The default gallery, thinned to a template each."""
    assert facesearch("gallery", "thin", "--keep", 1).status == 0
    return gallery


def test_thin_says_what_it_does_and_did(facesearch: Command, gallery: Path) -> None:
    planned = facesearch("gallery", "thin", "--keep", 1, "--dry-run")
    assert planned.status == 0
    assert "would delete 12 templates of 12 people, and free about " in planned.out
    assert re.search(r"free about [\d.]+ KB or more of [\d.]+ KB; nothing was changed", planned.out)
    done = facesearch("gallery", "thin", "--keep", 1)
    assert "deleted 12 templates of 12 people; freed " in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert "nobody has more than 1 template\n" in facesearch("gallery", "thin", "--keep", 1).out
    assert "nobody has more than 10 templates\n" in facesearch("gallery", "thin").out


def test_thin_gives_programs_a_receipt(facesearch: Command, gallery: Path) -> None:
    planned = facesearch("gallery", "thin", "--keep", 1, "--dry-run", "--json").json
    done = facesearch("gallery", "thin", "--keep", 1, "--json").json
    assert (planned["dry_run"], done["dry_run"]) == (True, False)
    assert planned["removed"] == done["removed"]
    assert len(done["removed"]) == 12
    assert done["people"][0].keys() == {"identity", "kept", "removed"}
    assert done["freed_bytes"] == done["before_bytes"] - done["after_bytes"]
    shown = facesearch("gallery", "info", "--json").json
    assert shown["database_bytes"] + shown["index_bytes"] == done["after_bytes"]


def test_show_tells_of_photos_thinned_out_and_enroll_skips_them(
    facesearch: Command, thinned: Path, people: list[Path]
) -> None:
    with Gallery.open(thinned) as gallery:
        name = gallery.identities()[0].name
    assert (
        "  thinned: 1 photo more whose templates gallery thin deleted\n" in facesearch("identities", "show", name).out
    )
    assert facesearch("identities", "show", name, "--json").json["thinned"] == 1
    again = facesearch("enroll", people[0].parent, "--dry-run")
    assert "skip 24 enrolled before, 12 of them thinned out\n" in again.out


def test_keeping_nobody_is_a_usage_error(facesearch: Command, gallery: Path) -> None:
    for keep in ("0", "-3"):
        refused = facesearch("gallery", "thin", "--keep", keep)
        assert refused.status == 2
        assert "--keep" in refused.err
    assert facesearch("gallery", "thin", "--keep", "many").status == 2


def test_there_has_to_be_a_gallery(facesearch: Command, tmp_path: Path) -> None:
    missing = facesearch("gallery", "thin", "-g", tmp_path / "nowhere")
    assert missing.status != 0
    assert "there is no gallery in" in missing.err
    assert not (tmp_path / "nowhere").exists()


def test_a_dry_run_leaves_every_file_as_it_is(facesearch: Command, gallery: Path) -> None:
    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in gallery.iterdir() if path.suffix in {".db", ".faiss"}}

    before = files()
    assert facesearch("gallery", "thin", "--keep", 1, "--dry-run").status == 0
    assert files() == before


def test_while_somebody_reads_no_bytes_are_said_to_be_freed(facesearch: Command, gallery: Path) -> None:
    with closing(sqlite3.connect(gallery / "gallery.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM templates").fetchall()
        done = facesearch("gallery", "thin", "--keep", 1)
    assert done.status == 0
    assert "deleted 12 templates of 12 people\n" in done.out
    assert "freed" not in done.out
    assert "room; facesearch gallery compact frees it once nobody reads\n" in done.out
    assert "on disk (before: " in facesearch("gallery", "compact").out


def test_somebody_overtaken_is_named_and_not_everybody_said_to_be_done(
    facesearch: Command, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqlThinning, "thin", lambda self, plans: [])
    done = facesearch("gallery", "thin", "--keep", 1)
    assert "nobody has more" not in done.out
    assert "deleted 12" not in done.out
    assert done.out.count("of whom nothing was deleted: run it again\n") == 12


def test_a_person_whose_kept_photo_left_is_told_to_have_no_template(
    facesearch: Command, people: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "own"))
    shutil.copytree(people[0], tmp_path / "p" / "Ada")
    shutil.copytree(people[1], tmp_path / "p" / "Zoe")
    facesearch("enroll", tmp_path / "p")
    facesearch("gallery", "thin", "--keep", 1)
    (kept,) = facesearch("templates", "list", "Ada", "--json").json["templates"]
    Path(kept["path"]).unlink()
    left = len(list((tmp_path / "p" / "Ada").iterdir()))
    planned = facesearch("enroll", tmp_path / "p", "--sync", "--dry-run").out
    assert "Ada would have no template left, and be in no answer\n" in planned
    for _ in range(2):  # not only when it happens
        done = facesearch("enroll", tmp_path / "p", "--sync").out
        assert "Ada has no template left, and is in no answer\n" in done
        assert f"  {left} photo" in done
        assert "had been thinned out: enroll --again takes" in done
    assert "Zoe" not in done
    assert "no template left" not in facesearch("enroll", tmp_path / "p", "--again").out


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_it_shows_whom_it_concerns_before_it_asks(
    facesearch: Command, gallery: Path, monkeypatch: pytest.MonkeyPatch, json: tuple[str, ...]
) -> None:
    asked: list[str] = []

    def no(question: str, **_: object) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr("facesearch.commands.gallery_thin.on_a_terminal", lambda: True)
    monkeypatch.setattr(typer, "confirm", no)
    refused = facesearch("gallery", "thin", "--keep", 1, *json)
    assert (refused.status, len(asked)) == (1, 1)
    assert ("would go" in refused.out) == (not json)
    monkeypatch.setattr(typer, "confirm", lambda question, **_: True)
    done = facesearch("gallery", "thin", "--keep", 1)
    assert done.out.count("identity  ") == 1
    assert "deleted" in done.out
