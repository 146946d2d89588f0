"""Backing up, restoring and compacting a gallery."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gallery.doubles import add_templates, index_files, store_templates, unit_vectors

from facesearch import Gallery
from facesearch.errors import BackupError, StoreBusyError, UsageError
from facesearch.files import durable
from facesearch.gallery.archive import write_archive
from facesearch.store import SqliteStore, open_store
from facesearch.store.sql import migrating
from facesearch.store.sqlite.connection import file_engine, writing

from .conftest import PEOPLE, Answers

Ask = Callable[[Path], Answers]
ROOT = Path(__file__).parents[2]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["flat", "sq8", "pq16"])
def test_a_restored_gallery_answers_as_the_one_backed_up(kind: str, folder: Path, tmp_path: Path, asked: Ask) -> None:
    with Gallery.open(folder) as gallery:
        gallery.build_index(kind)
        before = gallery.info()
        report = gallery.backup(tmp_path / "b.zip")
        assert (report.identities, report.templates, report.has_index) == (300, 600, True)
        assert report.bytes == (tmp_path / "b.zip").stat().st_size
    wanted = asked(folder)
    restored = Gallery.restore(tmp_path / "b.zip", tmp_path / "new" / "gallery")
    assert (restored.identities, restored.templates, restored.has_index) == (300, 600, True)
    assert restored.returned == ()
    assert asked(tmp_path / "new" / "gallery") == wanted
    with Gallery.open(tmp_path / "new" / "gallery") as gallery:
        after = gallery.info()
        assert gallery.check() == []
        assert (after.index, after.codec, after.templates) == (before.index, before.codec, before.templates)
    assert _names(tmp_path) == ["b.zip", "gallery", "new"]
    assert _names(tmp_path / "new" / "gallery") == ["gallery.db", index_files(folder)[0].name]


def test_a_backup_taken_while_others_enrol_is_one_moment_and_keeps_nobody_waiting(
    folder: Path, tmp_path: Path, vectors: np.ndarray
) -> None:
    stop = threading.Event()
    added: list[int] = []

    def enrol() -> None:
        with open_store(folder) as store:
            while not stop.is_set():
                added.extend(add_templates(store, ["Newcomer"] * 2, unit_vectors(2, seed=len(added)), "int8"))

    writer = threading.Thread(target=enrol)
    writer.start()
    try:
        with Gallery.open(folder) as gallery:
            for number in range(5):
                gallery.backup(tmp_path / f"{number}.zip")
    finally:
        stop.set()
        writer.join()
    assert len(added) > 10
    for number in range(5):
        report = Gallery.restore(tmp_path / f"{number}.zip", tmp_path / f"restored {number}")
        assert report.templates >= 600
        assert report.templates % 2 == 0  # a transaction is in it as a whole
        with Gallery.open(tmp_path / f"restored {number}") as gallery:
            assert gallery.check() == []
            assert gallery.search(vectors[:1], 1)[0][0].identity == "person 0"


def test_a_backup_does_not_end_in_an_endless_race_with_a_writer_of_index_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Ask
) -> None:
    copied = SqliteStore.snapshot

    def outrun(self: SqliteStore, target: Path, progress: Callable[[int, int], None]) -> None:
        with Gallery.open(folder) as other:
            other.build_index()
        copied(self, target, progress)

    with Gallery.open(folder) as gallery, monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "snapshot", outrun)
        assert not gallery.backup(tmp_path / "b.zip").has_index
    assert not Gallery.restore(tmp_path / "b.zip", tmp_path / "restored").has_index
    assert asked(tmp_path / "restored") == asked(folder)


def test_the_archive_is_a_plain_zip_with_checksums_and_for_its_owner_only(archive_once: Path) -> None:
    with zipfile.ZipFile(archive_once) as opened:
        assert opened.testzip() is None
        names = opened.namelist()
        manifest = json.loads(opened.read("manifest.json"))
    assert names[0] == "gallery.db"
    assert names[-1] == "manifest.json"
    assert [each["name"] for each in manifest["files"]] == names[:-1]
    assert manifest["about"]["templates"] == 600
    assert archive_once.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_is_only_replaced_on_the_users_word(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"mine")
    with Gallery.open(folder) as gallery:
        with pytest.raises(UsageError, match="there is a file"):
            gallery.backup(tmp_path / "b.zip")
        assert (tmp_path / "b.zip").read_bytes() == b"mine"
        gallery.backup(tmp_path / "b.zip", overwrite=True)
        with pytest.raises(UsageError, match="is a folder"):
            gallery.backup(tmp_path)
        with pytest.raises(UsageError, match="own folder"):
            gallery.backup(folder / "b.zip")
        with pytest.raises(BackupError, match="cannot be written"):
            gallery.backup(tmp_path / "none" / "b.zip")
    assert zipfile.is_zipfile(tmp_path / "b.zip")


def test_a_damaged_gallery_is_not_backed_up_and_a_damaged_index_left_out(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, asked: Ask
) -> None:
    wanted = asked(folder)
    (file,) = index_files(folder)
    os.truncate(file, 100)
    with Gallery.open(folder) as gallery, caplog.at_level(logging.WARNING, "facesearch"):
        assert not gallery.backup(tmp_path / "b.zip").has_index
    assert "restoring builds a new one" in caplog.text
    Gallery.restore(tmp_path / "b.zip", tmp_path / "restored")
    assert asked(tmp_path / "restored") == wanted
    with open_store(folder) as store, store.transactions.writing() as connection:
        connection.exec_driver_sql("UPDATE templates SET code = x'00' WHERE id = 3")
    with Gallery.open(folder) as gallery, pytest.raises(BackupError, match="damaged and was not backed up: 1 row of"):
        gallery.backup(tmp_path / "c.zip")
    assert _names(tmp_path) == ["b.zip", "gallery", "restored"]


def test_the_receipt_of_somebody_forgotten_names_the_backups_that_hold_them(folder: Path, tmp_path: Path) -> None:
    with Gallery.open(folder) as gallery:
        assert gallery.forget("person 7").backups == ()
        gallery.backup(tmp_path / "b.zip")
        (made,) = gallery.forget("person 8").backups
        assert made > 1_700_000_000


# restoring


def test_restoring_wants_an_empty_folder_or_a_word(archive: Path, folder: Path, tmp_path: Path, asked: Ask) -> None:
    wanted = asked(folder)
    with Gallery.open(folder) as gallery:
        gallery.forget("person 0")
    with pytest.raises(UsageError, match="is not empty: choose another folder, or --replace"):
        Gallery.restore(archive, folder)
    assert asked(folder) != wanted
    assert Gallery.restore(archive, folder, replace=True).returned == ("person 0",)
    assert asked(folder) == wanted
    (tmp_path / "empty").mkdir()
    Gallery.restore(archive, tmp_path / "empty")
    assert asked(tmp_path / "empty") == wanted
    with pytest.raises(UsageError, match="is not a folder"):
        Gallery.restore(archive, archive)
    assert _names(tmp_path) == ["backup.zip", "empty", "gallery"]


@pytest.mark.parametrize("name", ["notes.txt", "photos", "gallery.db.bak"])
def test_a_folder_with_other_things_in_it_is_never_replaced(name: str, archive: Path, folder: Path, asked: Ask) -> None:
    (folder / name).write_bytes(b"mine")
    with Gallery.open(folder) as gallery:
        gallery.forget("person 0")
    wanted = asked(folder)
    with pytest.raises(UsageError, match=f"also holds '{name}'"):
        Gallery.restore(archive, folder, replace=True)
    assert asked(folder) == wanted
    assert (folder / name).read_bytes() == b"mine"


@pytest.mark.parametrize("exchange", [True, False], ids=["names exchanged", "two renames"])
def test_a_restore_that_fails_leaves_the_gallery_as_it_was(
    exchange: bool, archive: Path, folder: Path, tmp_path: Path, asked: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gallery.open(folder) as gallery:
        gallery.forget("person 0")
    wanted = asked(folder)

    def fail(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    for where, what in ((durable, "sync"), (Path, "rename"), (durable, "_exchange")):
        with monkeypatch.context() as patch:
            if not exchange:
                patch.setattr(durable, "_exchange", lambda one, other: False)
            if (what == "_exchange") != exchange and what != "sync":
                continue
            patch.setattr(where, what, fail)
            with pytest.raises(BackupError, match="no space left"):
                Gallery.restore(archive, folder, replace=True)
        assert asked(folder) == wanted
        assert _names(tmp_path) == ["backup.zip", "gallery"]
    Gallery.restore(archive, folder, replace=True)
    assert asked(folder) != wanted


def test_a_gallery_in_use_is_not_replaced(archive: Path, folder: Path, asked: Ask) -> None:
    wanted = asked(folder)
    with open_store(folder) as user, user.transactions.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM templates").scalar_one()
        with pytest.raises(StoreBusyError, match="is in use"):
            Gallery.restore(archive, folder, replace=True)
    assert asked(folder) == wanted


@pytest.mark.parametrize("damage", ["garbage", "empty", "truncated"])
def test_a_gallery_too_damaged_to_be_opened_can_be_replaced(
    damage: str, archive: Path, folder: Path, asked: Ask
) -> None:
    wanted = asked(folder)
    database = folder / "gallery.db"
    content = {"garbage": b"x" * 9000, "empty": b"", "truncated": database.read_bytes()[:10_000]}[damage]
    database.write_bytes(content)
    assert Gallery.restore(archive, folder, replace=True).returned == ()
    assert asked(folder) == wanted


def test_a_backup_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    engine = file_engine(tmp_path / "gallery.db", read_only=False)
    with writing(engine).begin() as connection:
        migrating.upgrade(connection, "0002")
        connection.exec_driver_sql("INSERT INTO identities VALUES (1, 'Ann', 1700000000)")
    engine.dispose()
    with (tmp_path / "old.zip").open("wb") as target, (tmp_path / "gallery.db").open("rb") as content:
        write_archive(target, [("gallery.db", content)], {"made_at": 1}, lambda done, total: None)
    restored = Gallery.restore(tmp_path / "old.zip", tmp_path / "restored")
    assert (restored.made_at, restored.identities) == (1, 1)
    with open_store(tmp_path / "restored") as store:
        assert [person.name for person in store.identities.all()] == ["Ann"]
        assert store.integrity_check() == []


def test_what_killed_processes_left_is_removed_and_what_others_are_at_work_on_stays(
    archive: Path, folder: Path, tmp_path: Path
) -> None:
    left, held = tmp_path / ".new.0123456789abcdef.tmp", tmp_path / ".new.00112233445566ff.tmp"
    left.mkdir()
    held.mkdir()
    (left / "gallery.db").write_bytes(b"half")
    hold = (
        "import sys\n"
        "from pathlib import Path\n"
        "from facesearch.files.locks import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1]) / 'in-use.lock'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", hold, str(held)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        Gallery.restore(archive, tmp_path / "new")
        other.communicate()
    assert not left.exists()
    assert held.exists()


# compacting


def test_compacting_frees_bytes_and_leaves_nothing_of_the_forgotten(
    folder: Path, vectors: np.ndarray, tmp_path: Path
) -> None:
    open_store(tmp_path / "empty").close()
    empty = (tmp_path / "empty" / "gallery.db").stat().st_size
    with open_store(folder) as store:
        codes = {code for batch in store.templates.batches() for code in batch.codes[: len(PEOPLE) - 20]}
    (folder / "index-0123456789abcdef.faiss").write_bytes(next(iter(codes)) * 1000)  # left by a killed process
    with Gallery.open(folder) as gallery:
        with open_store(folder) as store:
            store.identities.forget(list(dict.fromkeys(PEOPLE[:-20])))
        compaction = gallery.compact()
        assert compaction.wiped
        assert compaction.after_bytes - empty < 0.3 * (compaction.before_bytes - empty)
        assert compaction.after_bytes == sum(
            path.stat().st_size for path in folder.iterdir() if path.suffix != ".db-shm"
        )
        assert gallery.check() == []
        assert gallery.search(vectors[-1:], 1)[0][0].identity == PEOPLE[-1]
    assert len(index_files(folder)) == 1
    for path in folder.iterdir():
        content = path.read_bytes()
        assert not any(code in content for code in codes), path.name


def test_an_empty_gallery_cannot_be_compacted_but_backed_up(tmp_path: Path) -> None:
    store_templates(tmp_path / "gallery", ["Ann"], unit_vectors(1))
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.forget("Ann")
        assert gallery.compact().wiped
        gallery.backup(tmp_path / "b.zip")
    assert Gallery.restore(tmp_path / "b.zip", tmp_path / "restored").templates == 0


def test_progress_is_told_in_bytes(folder: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with Gallery.open(folder) as gallery:
        gallery.backup(tmp_path / "b.zip", progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 600 * 128
    told.clear()
    Gallery.restore(tmp_path / "b.zip", tmp_path / "r", progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 600 * 128
    shutil.rmtree(tmp_path / "r")
