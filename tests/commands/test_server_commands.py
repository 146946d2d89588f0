"""The commands with a gallery on a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Command

from facesearch import Gallery
from facesearch.gallery.index_building import IndexBuilder
from facesearch.gallery.shard_server import serving
from facesearch.gallery.shard_wire import HostPort
from facesearch.store import Shard
from facesearch.store.postgresql.projections import kept_projections

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
    assert "the server's write-ahead log, its replicas and dumps are not touched" in told


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
    for words in (["drop", "--search", "database"], ["publish"], ["publish", "--withdraw"]):
        done = facesearch("index", *words, "-g", tmp_path / "g")
        assert (done.status, len(done.err.strip().splitlines())) == (2, 1)
        assert "only a gallery on a server" in done.err


def test_index_files_are_published_shown_checked_and_withdrawn(enrolled: list[Path], facesearch: Command) -> None:
    shown = facesearch("index", "show", "--json")
    assert shown.json["published"] is None
    before = facesearch("gallery", "info", "--json").json["database_bytes"]
    done = facesearch("index", "publish")
    assert done.status == 0 and "1 file of 9 templates, up to template 9" in done.out
    told = facesearch("index", "show", "--json").json["published"]
    assert (told["files"], told["templates"], told["lacking"], told["fits"]) == (1, 9, 0, True)
    assert facesearch("gallery", "info", "--json").json["database_bytes"] >= before + told["bytes"] > before
    assert facesearch("index", "check").status == 0
    told = facesearch("identities", "forget", enrolled[0].name, "--yes").out
    assert "1 index file published in the database deleted: facesearch index publish puts new ones there" in told
    assert "published" in facesearch("index", "show").out
    assert facesearch("index", "publish", "--json").json["templates"] == 6
    facesearch("index", "build", "--kind", "sq8")
    assert "what was published is of another kind of index" in facesearch("index", "show").out
    for expected in (True, False):
        assert facesearch("index", "publish", "--withdraw", "--json").json["withdrawn"] is expected
    assert "no index files are published" in facesearch("index", "publish", "--withdraw").out


def test_a_new_machine_answers_photos_by_published_files_and_its_files_can_be_cleared(
    enrolled: list[Path], facesearch: Command, gallery_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = min(enrolled[0].iterdir())
    here = facesearch("query", probe, "--json").json["probes"]
    assert facesearch("index", "publish").status == 0
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "new machine"))
    monkeypatch.setattr(IndexBuilder, "build", None)  # so that it fails
    assert facesearch("query", probe, "--json").json["probes"] == here
    (kept,) = facesearch("cache", "info", "--json").json["projections"]
    assert (kept["gallery"].partition("gallery=")[2], kept["files"]) == (gallery_url.partition("gallery=")[2], 1)
    assert kept["bytes"] > 9 * 512 and kept["gallery"] in facesearch("cache", "info").out
    assert facesearch("cache", "clear", "--all", "--json").json["files"] == 0
    other_user = gallery_url.replace("postgres@", "somebody:with-a-password@")
    assert facesearch("cache", "clear", "-g", f"{gallery_url}_other").status == 2
    assert facesearch("cache", "clear", "--projections", "--runs").status == 2
    cleared = facesearch("cache", "clear", "-g", other_user, "--json").json
    assert (cleared["files"], cleared["in_use"]) == (1, 0)
    assert facesearch("cache", "info", "--json").json["projections"] == []
    assert facesearch("query", probe, "--json").json["probes"] == here
    with Gallery.open(gallery_url) as gallery:
        assert gallery.identify(probe).candidates[0].identity == enrolled[0].name
        told = facesearch("cache", "clear", "--projections").out
        assert "deleted 1 index file of 1 gallery" in told and "are open, and get their index anew" in told
        assert gallery.identify(probe).candidates[0].identity == enrolled[0].name
        assert facesearch("cache", "info", "--json").json["projections"][0]["files"] == 1
        assert gallery.check() == []


def test_what_is_cleared_of_a_gallery_is_all_that_is_kept_of_it(
    enrolled: list[Path], facesearch: Command, gallery_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = min(enrolled[0].iterdir())
    with Gallery.open(gallery_url) as gallery:
        folder = gallery.parts.folder
    monkeypatch.setenv("FACESEARCH_SHARD_SECRET", "a secret of this test")
    with serving(gallery_url, Shard(1, 2), HostPort("127.0.0.1", 0), threads=1):
        pass
    assert facesearch("query", probe, "--stale-for", "1h").status == 0
    of_shard = next(folder.glob("shard-*"))
    assert list(of_shard.glob("*.faiss")) and (folder / "replica").exists()
    kept = facesearch("cache", "info", "--json").json["projections"][0]
    assert kept["bytes"] == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert facesearch("cache", "clear", "--projections", "--json").json["in_use"] == 0
    assert not folder.exists()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("postgresql://asker@a:1/faces?gallery=x", "postgresql://enroller@a:1,b:2/faces?gallery=x", True),
        ("postgresql://asker@a:1/faces?gallery=x", "postgresql://asker@b:2/faces?gallery=x", False),
        ("postgresql://asker@a:1/faces?gallery=x", "postgresql://asker@a:1/faces?gallery=y", False),
        ("postgresql://asker@a:1/faces?gallery=x", "postgresql://asker@a:1/other?gallery=x", False),
    ],
)
def test_a_gallery_is_known_by_any_of_its_servers(
    one: str, other: str, same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path))
    folder = tmp_path / "projections" / ("0" * 32)
    folder.mkdir(parents=True)
    (folder / "gallery.txt").write_text(other)
    assert bool(kept_projections(one)) == same
