"""facesearch gallery thin, and what the commands beside it say."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from command_line import Command

from facesearch import Gallery


@pytest.fixture
def thinned(facesearch: Command, gallery: Path) -> Path:
    """The default gallery, thinned to a template each."""
    assert facesearch("gallery", "thin", "--keep", 1).status == 0
    return gallery


def test_thin_says_what_it_does_and_did(facesearch: Command, gallery: Path) -> None:
    planned = facesearch("gallery", "thin", "--keep", 1, "--dry-run")
    assert planned.status == 0
    assert "would delete 12 templates of 12 people, and free about " in planned.out
    assert "nothing was changed" in planned.out
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
