"""Backups of galleries on a server, and backups of folders restored onto one."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from altering import alter
from command_line import Command
from gallery.doubles import add_templates, unit_vectors
from old_files.test_old_files import ARCHIVE
from postgres_server import new_gallery

from facesearch import Gallery
from facesearch.errors import BackupError, StoreError, UsageError
from facesearch.gallery.place import opened
from facesearch.store import open_on_server

from .full_gallery import make_full_gallery, probes, rows_of, without_copy

PASSWORD = "s3cr3t-0f-nobody"


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A gallery in a folder."""
    folder = make_full_gallery(tmp_path / "gallery")
    with Gallery.open(folder) as gallery:
        gallery.build_index()
    return folder


@pytest.fixture
def on_server(full: Path, gallery_url: str) -> str:
    """The same on a server."""
    Gallery.copy(full, gallery_url)
    return gallery_url


def _answers(place: Path | str) -> list[list[tuple[str, float, int]]]:
    with Gallery.open(place, create=False) as gallery:
        assert gallery.check() == []
        found = gallery.search(probes(), 4)
    return [[(each.identity, each.similarity, each.template_id) for each in row] for row in found]


def test_a_backup_of_a_server_is_restored_to_a_folder_and_to_a_server(
    on_server: str, tmp_path: Path, postgresql_server: str
) -> None:
    before = rows_of(on_server)
    with Gallery.open(on_server) as gallery:
        report = gallery.backup(tmp_path / "b.zip")
    assert (report.templates, report.has_index) == (len(before["templates"]), True)
    folder, url = tmp_path / "restored", new_gallery(postgresql_server)
    for place in (folder, url):
        restored = Gallery.restore(tmp_path / "b.zip", place)
        assert (restored.templates, restored.has_index) == (report.templates, True)
        assert without_copy(rows_of(place)) == before
        assert _answers(place) == _answers(on_server)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.zip", "gallery", "restored"]
    with Gallery.open(url) as gallery:
        gallery.forget_all(["person 0"])
        assert add_templates(gallery.parts.store, ["Newcomer"], unit_vectors(1, seed=7), "int8") == [241]


def test_a_backup_of_a_folder_is_restored_onto_a_server(full: Path, gallery_url: str, tmp_path: Path) -> None:
    before = rows_of(full)
    with Gallery.open(full) as gallery:
        gallery.backup(tmp_path / "b.zip")
    report = Gallery.restore(tmp_path / "b.zip", gallery_url)
    assert report.folder == gallery_url
    assert without_copy(rows_of(gallery_url)) == before
    assert _answers(gallery_url) == _answers(full)


def test_what_an_earlier_version_wrote_is_restored_onto_a_server(tmp_path: Path, gallery_url: str) -> None:
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    report = Gallery.restore(tmp_path / "backup.zip", gallery_url)
    assert report.templates > 0
    with Gallery.open(gallery_url) as gallery:
        assert gallery.check() == []
        assert gallery.counts().templates == report.templates


def test_a_gallery_on_a_server_is_never_replaced(on_server: str, tmp_path: Path) -> None:
    with Gallery.open(on_server) as gallery:
        gallery.backup(tmp_path / "b.zip")
    before = rows_of(on_server)
    with pytest.raises(UsageError, match=r"there is a gallery in .* already"):
        Gallery.restore(tmp_path / "b.zip", on_server)
    with pytest.raises(UsageError, match="a gallery on a server is not replaced"):
        Gallery.restore(tmp_path / "b.zip", on_server, replace=True)
    assert rows_of(on_server) == before


def test_a_restore_onto_a_server_goes_on_where_it_was_interrupted(
    full: Path, gallery_url: str, tmp_path: Path, own_home: None
) -> None:
    with Gallery.open(full) as gallery:
        gallery.backup(tmp_path / "b.zip")
    in_rows = False

    def told(done: int, total: int) -> None:
        nonlocal in_rows
        if done > 100 and total < 10_000:
            in_rows = True
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Gallery.restore(tmp_path / "b.zip", gallery_url, progress=told)
    assert in_rows
    with pytest.raises(StoreError, match=r"is an unfinished copy of .*b\.zip; the command that began it goes on"):
        Gallery.open(gallery_url)
    Gallery.restore(tmp_path / "b.zip", gallery_url)
    assert _answers(gallery_url) == _answers(full)


def test_a_damaged_gallery_on_a_server_is_not_backed_up(on_server: str, tmp_path: Path) -> None:
    with open_on_server(on_server) as store:
        alter(store, "UPDATE identities SET name = 'Somebody' WHERE id = 5")
    with (
        Gallery.open(on_server) as gallery,
        pytest.raises(StoreError, match="row 5 of identities is damaged: its checksum is wrong"),
    ):
        gallery.backup(tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_a_damaged_archive_brings_nothing_onto_a_server(full: Path, gallery_url: str, tmp_path: Path) -> None:
    with Gallery.open(full) as gallery:
        gallery.backup(tmp_path / "b.zip")
    content = bytearray((tmp_path / "b.zip").read_bytes())
    content[len(content) // 3] ^= 1
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(BackupError, match="damaged"):
        Gallery.restore(tmp_path / "b.zip", gallery_url)
    with pytest.raises(UsageError, match="there is no gallery"):
        opened(gallery_url, lambda: None, create=False)


def test_no_password_is_in_a_backup_or_in_what_is_said_of_it(
    on_server: str, tmp_path: Path, postgresql_server: str, facesearch: Command
) -> None:
    other = new_gallery(postgresql_server)
    one, two = (url.replace("postgres@", f"postgres:{PASSWORD}@") for url in (on_server, other))
    said = [facesearch("gallery", "backup", tmp_path / "b.zip", "--gallery", one)]
    said.append(facesearch("gallery", "restore", tmp_path / "b.zip", "--gallery", two))
    said.append(facesearch("gallery", "restore", tmp_path / "b.zip", "--gallery", two, "--json"))
    assert [each.status for each in said] == [0, 0, 2]
    assert f"to {other}" in said[1].out
    assert PASSWORD not in "".join(each.out + each.err for each in said)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert not [name for name in archive.namelist() if PASSWORD.encode() in archive.read(name)]
        assert b"postgresql" not in archive.read("manifest.json")
    shutil.rmtree(tmp_path / "gallery")
    assert _answers(other) == _answers(on_server)
