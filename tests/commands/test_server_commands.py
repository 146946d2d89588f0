"""The commands with a gallery on a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Command

SECRET = "a-secret-word"


@pytest.fixture
def enrolled(gallery_url: str, people_photos: Path, facesearch: Command, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders of three people, who are enrolled in the default gallery."""
    monkeypatch.setenv("FACESEARCH_GALLERY", gallery_url)
    people = sorted(people_photos.iterdir())[:3]
    for person in people:
        done = facesearch("enroll", *sorted(person.iterdir()), "--identity", person.name)
        assert done.status == 0, done.err
    return people


def test_a_gallery_on_a_server_is_used_like_one_in_a_folder(enrolled: list[Path], facesearch: Command) -> None:
    first = enrolled[0].name
    asked = facesearch("query", min(enrolled[0].iterdir()), "--json")
    (face,) = json.loads(asked.out)["probes"][0]["faces"]
    assert (face["decision"], face["candidates"][0]["identity"]) == ("match", first)
    info = json.loads(facesearch("gallery", "info", "--json").out)
    assert (info["store"], info["identities"], info["templates"]) == ("postgresql", 3, 9)
    assert facesearch("verify", *sorted(enrolled[0].iterdir())[:2]).status == 0
    assert facesearch("index", "check").status == 0
    receipt = json.loads(facesearch("identities", "forget", first, "--yes", "--json").out)
    assert (receipt[0] if isinstance(receipt, list) else receipt)["templates"] == 3
    assert first not in facesearch("identities", "list").out


def test_a_receipt_says_what_a_server_keeps(enrolled: list[Path], facesearch: Command) -> None:
    told = facesearch("identities", "forget", enrolled[0].name, "--yes").out
    assert "3 templates and 3 image records deleted from the database" in told
    assert "the server's log, its replicas and dumps are not touched" in told


def test_a_backup_does_not_take_the_place_of_a_gallery_on_a_server(
    enrolled: list[Path], gallery_url: str, facesearch: Command, tmp_path: Path
) -> None:
    assert facesearch("gallery", "backup", tmp_path / "x.zip").status == 0
    for words in ([], ["--replace"]):
        done = facesearch("gallery", "restore", tmp_path / "x.zip", "-g", gallery_url, *words)
        assert (done.status, len(done.err.strip().splitlines())) == (2, 1)
    assert json.loads(facesearch("gallery", "info", "--json").out)["templates"] == 9


def test_no_password_is_shown_whatever_fails(facesearch: Command, tmp_path: Path) -> None:
    for url in (f"postgresql://ann:{SECRET}@/x?host={tmp_path}", f"postgresql://ann:{SECRET}/@x", "postgresql://h/x?a"):
        done = facesearch("gallery", "info", "-v", "--gallery", url)
        assert done.status in {1, 2}
        assert len(done.err.strip().splitlines()) == 1
        assert SECRET not in done.err + done.out


def test_what_servers_keep_is_refused_of_a_folder_in_one_line(
    people_photos: Path, facesearch: Command, tmp_path: Path
) -> None:
    person = min(people_photos.iterdir())
    assert facesearch("enroll", *person.iterdir(), "--identity", person.name, "-g", tmp_path / "g").status == 0
    done = facesearch("index", "drop", "--search", "database", "-g", tmp_path / "g")
    assert (done.status, len(done.err.strip().splitlines())) == (2, 1)
    assert "only a gallery on a server" in done.err
