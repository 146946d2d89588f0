"""Archives that somebody made up, or that time has damaged: refused in one line, and nothing is written or touched."""

from __future__ import annotations

import hashlib
import io
import json
import random
import sqlite3
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gallery.doubles import store_templates, unit_vectors

from facesearch import Gallery
from facesearch.errors import BackupError

FLIPS = 150


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a sound backup with an index file."""
    folder = tmp_path_factory.mktemp("attacks")
    store_templates(folder / "gallery", [f"person {n}" for n in range(20)], unit_vectors(20))
    with Gallery.open(folder / "gallery") as gallery:
        gallery.build_index()
        gallery.backup(folder / "b.zip")
    return (folder / "b.zip").read_bytes()


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Callable[[bytes], str]]:
    """Tries to restore an archive of these bytes; returns the refusal."""

    def attempt(content: bytes) -> str:
        (tmp_path / "evil.zip").write_bytes(content)
        with pytest.raises(BackupError) as caught:
            Gallery.restore(tmp_path / "evil.zip", tmp_path / "place" / "gallery")
        assert "\n" not in str(caught.value)
        assert "evil.zip" in str(caught.value)
        return str(caught.value)

    yield attempt
    assert not (tmp_path / "place" / "gallery").exists()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["evil.zip", "place"]


def _parts(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


Change = Callable[[zipfile.ZipInfo], None]


def _made(parts: list[tuple[str, bytes]], change: Change = lambda entry: None, *, honest: bool = True) -> bytes:
    """An archive of these parts in which only `change` is wrong: names, sizes and checksums agree if `honest`."""
    files = [{"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in parts]
    manifest = {"format": 1, "files": files, "about": {}}
    everything = [*parts, ("manifest.json", json.dumps(manifest).encode())] if honest else parts
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in everything:
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 3, 0o600 << 16
            change(entry)
            archive.writestr(entry, data)
    return buffer.getvalue()


def test_an_archive_made_with_care_is_accepted(sound: bytes, tmp_path: Path) -> None:
    """So that what follows is refused for the reason it should be."""
    parts = _parts(sound)
    del parts["manifest.json"]
    (tmp_path / "b.zip").write_bytes(_made(list(parts.items())))
    assert Gallery.restore(tmp_path / "b.zip", tmp_path / "gallery").templates == 20


@pytest.mark.parametrize(
    "name",
    [
        "../gallery.db",
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\gallery.db",
        "..\\gallery.db",
        "gallery.db/",
        "./gallery.db",
        "index-0123456789abcdef.faiss/../../x",
        "index-0123456789ABCDEF.faiss",
        "index-0123456789abcdef.faiss\n",
        "index-0123456789abcdef.faiss\0.txt",
        "gallery.db-wal",
        ".bashrc",
        "manifest.xml",
        "",
        "ä.faiss",
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str, sound: bytes, refused: Callable[[bytes], str]) -> None:
    parts = _parts(sound)
    database = parts["gallery.db"]
    refused(_made([(name, database)]))
    refused(_made([("gallery.db", database), (name, b"x")]))


def test_the_same_name_twice_is_refused(sound: bytes, refused: Callable[[bytes], str]) -> None:
    database = _parts(sound)["gallery.db"]
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = _made([("gallery.db", database), ("gallery.db", database)])
    assert "does not hold what a backup holds" in refused(archive)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_links_and_devices_are_refused(kind: int, sound: bytes, refused: Callable[[bytes], str]) -> None:
    def become(entry: zipfile.ZipInfo) -> None:
        entry.external_attr = (kind | 0o777) << 16

    assert "not a plain file" in refused(_made([("gallery.db", b"/etc/passwd")], become))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bombs_are_refused_before_they_are_unpacked(method: int, refused: Callable[[bytes], str]) -> None:
    def compress(entry: zipfile.ZipInfo) -> None:
        entry.compress_type = method

    assert "compressed" in refused(_made([("gallery.db", bytes(50_000_000))], compress))


def test_a_large_manifest_is_not_read(sound: bytes, refused: Callable[[bytes], str]) -> None:
    database = _parts(sound)["gallery.db"]
    archive = _made([("gallery.db", database), ("manifest.json", b" " * 100_000)], honest=False)
    assert "manifest is too large" in refused(archive)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"format": 2, "files": [], "about": {}}',
        b'{"format": "1", "files": [], "about": {}}',
        b'{"format": true, "files": [], "about": {}}',
        b'{"format": 1, "files": [], "about": {}}',
        b'{"format": 1, "files": {"a": 1}, "about": {}}',
        b'{"format": 1, "files": [{"name": "gallery.db", "bytes": 1e3, "sha256": "x"}], "about": {}}',
        b'{"format": 1, "files": [{"name": "gallery.db", "bytes": -1, "sha256": "x", "mode": 511}], "about": {}}',
    ],
)
def test_manifests_that_are_none_are_refused(manifest: bytes, sound: bytes, refused: Callable[[bytes], str]) -> None:
    database = _parts(sound)["gallery.db"]
    refusal = refused(_made([("gallery.db", database), ("manifest.json", manifest)], honest=False))
    assert "manifest" in refusal or "format" in refusal


def test_a_wrong_size_or_checksum_is_refused(sound: bytes, refused: Callable[[bytes], str]) -> None:
    parts = _parts(sound)
    for field, wrong in (("bytes", 1), ("sha256", "0" * 64), ("name", "gallery.xx")):
        manifest = json.loads(parts["manifest.json"])
        manifest["files"][0][field] = wrong
        altered = [*list(parts.items())[:-1], ("manifest.json", json.dumps(manifest).encode())]
        refused(_made(altered, honest=False))


@pytest.mark.parametrize("where", ["before", "behind"])
def test_bytes_that_belong_to_nothing_are_refused(where: str, sound: bytes, refused: Callable[[bytes], str]) -> None:
    refused(b"#!/bin/sh\n" + sound if where == "before" else sound + b"more")


def test_a_local_header_that_says_something_else_is_refused(sound: bytes, refused: Callable[[bytes], str]) -> None:
    refused(sound.replace(b"gallery.db", b"gallery.xx", 1))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON templates BEGIN DELETE FROM identities; END",
        "CREATE VIEW v AS SELECT name FROM identities",
    ],
)
def test_a_database_that_would_act_is_refused(
    statement: str, sound: bytes, refused: Callable[[bytes], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("evil") / "gallery.db"
    path.write_bytes(_parts(sound)["gallery.db"])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.commit()
    assert "views or triggers" in refused(_made([("gallery.db", path.read_bytes())]))


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000, b"SQLite format 3\0" + bytes(5000)])
def test_a_database_that_is_none_is_refused(content: bytes, refused: Callable[[bytes], str]) -> None:
    refused(_made([("gallery.db", content)]))


def test_the_database_of_another_program_is_refused(
    refused: Callable[[bytes], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("other") / "x.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE recipes (id INTEGER)")
    assert "not a facesearch gallery" in refused(_made([("gallery.db", path.read_bytes())]))


def test_an_index_file_that_belongs_to_nothing_is_left_out(sound: bytes, tmp_path: Path) -> None:
    parts = _parts(sound)
    archive = _made([("gallery.db", parts["gallery.db"]), ("index-0123456789abcdef.faiss", b"x" * 100)])
    (tmp_path / "b.zip").write_bytes(archive)
    assert not Gallery.restore(tmp_path / "b.zip", tmp_path / "gallery").has_index
    assert [path.name for path in (tmp_path / "gallery").iterdir()] == ["gallery.db"]


# damage


def test_every_truncation_is_noticed(sound: bytes, refused: Callable[[bytes], str]) -> None:
    for length in (0, 1, 21, 22, 100, len(sound) // 2, len(sound) - 23, len(sound) - 1):
        refused(sound[:length])


def test_a_flipped_bit_is_noticed_or_changes_nothing(sound: bytes, tmp_path: Path) -> None:
    """What is not noticed lies in fields of the ZIP format that say nothing, such as the version that made it."""
    draw, noticed = random.Random(0), 0
    parts = _parts(sound)
    for number in range(FLIPS):
        content = bytearray(sound)
        # the last kilobyte is all headers: as many flips there as in all the rest
        place = draw.randrange(len(sound) - 1000, len(sound)) if number % 2 else draw.randrange(len(sound))
        content[place] ^= 1 << draw.randrange(8)
        (tmp_path / "b.zip").write_bytes(content)
        try:
            Gallery.restore(tmp_path / "b.zip", tmp_path / f"gallery {number}")
        except BackupError as error:
            noticed += 1
            assert "\n" not in str(error)
            continue
        for path in (tmp_path / f"gallery {number}").iterdir():
            with Gallery.open(tmp_path / f"gallery {number}") as gallery:
                assert gallery.check() == []
            assert path.name == "gallery.db" or path.read_bytes() == parts[path.name]
    assert noticed > 0.9 * FLIPS
