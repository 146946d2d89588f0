"""Who may read what: owners alone, whatever the umask, unless a folder is shared on purpose."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import Command
from gallery.doubles import store_templates, unit_vectors

from facesearch import Gallery
from facesearch.files import locations
from facesearch.files.durable import write_atomically
from facesearch.files.permissions import make_private_folder, narrow

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX systems")


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=["022", "002", "077"], autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def _modes(folder: Path) -> set[int]:
    return {_mode(path) for path in folder.iterdir()}


def test_a_gallery_and_all_that_comes_into_it_later_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "gallery"
    store_templates(folder, ["Ann", "Ben"], unit_vectors(2))
    with Gallery.open(folder) as gallery:
        gallery.build_index()
        assert {path.name for path in folder.iterdir()} >= {"gallery.db", "gallery.db-wal", "gallery.db-shm"}
        assert _mode(folder) == 0o700
        assert _modes(folder) == {0o600}
        gallery.forget("Ben")
        gallery.compact()
        assert _modes(folder) == {0o600}
        gallery.backup(tmp_path / "b.zip")
    assert _mode(tmp_path / "b.zip") == 0o600
    Gallery.restore(tmp_path / "b.zip", tmp_path / "restored")
    assert _mode(tmp_path / "restored") == 0o700
    assert _modes(tmp_path / "restored") == {0o600}


@pytest.mark.parametrize("narrower", ["folder", "files", "neither"])
def test_an_older_gallery_is_narrowed_once_and_that_is_said(narrower: str, tmp_path: Path, facesearch: Command) -> None:
    folder = tmp_path / "gallery"
    store_templates(folder, ["Ann"], unit_vectors(1))
    with Gallery.open(folder) as gallery:
        gallery.build_index()
    if narrower != "files":
        for path in folder.iterdir():
            path.chmod(0o644)
    if narrower != "folder":
        folder.chmod(0o755)
    assert "its owner's alone from here on" in facesearch("gallery", "info", "-g", folder).err
    assert (_mode(folder), _modes(folder)) == (0o700, {0o600})
    assert facesearch("gallery", "info", "-g", folder).err == ""


def test_a_folder_that_also_holds_other_things_is_left_alone_but_not_the_gallerys_files(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "notes.txt").chmod(0o644)
    store_templates(tmp_path, ["Ann"], unit_vectors(1))
    (tmp_path / "gallery.db").chmod(0o644)
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index()
    assert _mode(tmp_path) == 0o755
    assert {path.name: _mode(path) for path in tmp_path.iterdir() if _mode(path) != 0o600} == {"notes.txt": 0o644}


def test_a_gallery_shared_with_a_group_stays_shared_and_others_are_kept_out(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    folder.mkdir()
    folder.chmod(0o2775)
    store_templates(folder, ["Ann"], unit_vectors(1))
    with Gallery.open(folder) as gallery:
        gallery.build_index()
        assert _modes(folder) == {0o660}
        gallery.backup(tmp_path / "b.zip")
    assert _mode(folder) == 0o2770
    assert _mode(tmp_path / "b.zip") == 0o600
    Gallery.restore(tmp_path / "b.zip", folder, replace=True)
    assert (_mode(folder), _modes(folder)) == (0o2770, {0o660})


def test_a_group_that_may_only_write_by_the_umask_is_no_sharing(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    folder.mkdir()
    folder.chmod(0o775)
    store_templates(folder, ["Ann"], unit_vectors(1))
    with Gallery.open(folder):
        assert (_mode(folder), _modes(folder)) == (0o700, {0o600})


def test_a_folder_of_everybody_is_never_taken_away(tmp_path: Path) -> None:
    everybodys = tmp_path / "tmp"
    everybodys.mkdir()
    everybodys.chmod(0o1777)
    assert narrow([everybodys]) == []
    link = tmp_path / "link"
    link.symlink_to(everybodys)
    assert narrow([link]) == []
    assert _mode(everybodys) == 0o1777


def test_caches_and_runs_are_their_owners_alone(tmp_path: Path) -> None:
    runs, cache = locations.home() / "runs", locations.home() / "cache" / "codecs"
    runs.mkdir(parents=True)
    runs.chmod(0o755)
    for folder in (runs, cache):
        locations.make_own_folder(folder)
        write_atomically(folder / "a", lambda file: file.write(b"x"))
        assert (_mode(folder), _mode(folder / "a")) == (0o700, 0o600)
    assert _mode(cache.parent) == 0o700
    make_private_folder(tmp_path / "a" / "b", tmp_path)
    assert _mode(tmp_path / "a") == 0o700


def test_the_vectors_of_an_index_saved_by_hand_are_private(tmp_path: Path) -> None:
    from indexes import create_index

    index = create_index("flat", dimension=4)
    index.add(np.arange(2), np.eye(4, dtype=np.float32)[:2])
    index.save(tmp_path / "a.index")
    assert _mode(tmp_path / "a.index") == 0o600
