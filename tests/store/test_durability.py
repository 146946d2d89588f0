"""What survives: several processes, a killed process, deleted templates, folders without write permission."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from facesearch.errors import StoreBusyError, StoreError
from facesearch.store import GalleryStore, SqliteStore, SqlStore, open_store

from .samples import ENCODER, SETTINGS, add, template

ROOT = Path(__file__).parents[2]

# Enrols image after image of one identity and says so once it is committed.
ENROL = """
import hashlib, sys
from facesearch.store import EncoderKey, NewTemplate, open_store

folder, who, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
encoder = EncoderKey("dlib-resnet", "fp32", "onnx", "f" * 64)
print("ready", flush=True)
sys.stdin.readline()
with open_store(folder) as store:
    for n in range(first, last):
        new = NewTemplate(who, hashlib.sha256(str(n).encode()).digest(), f"{n}.jpg", 10, 10, b"code" * 50, 1.0, None)
        for template_id in store.templates.add([new], encoder, "int8"):
            print(template_id, flush=True)
"""


def _enrolling(folder: Path, who: str, first: int, last: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", ENROL, str(folder), who, str(first), str(last)]
    return subprocess.Popen(arguments, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def test_two_processes_make_and_fill_a_new_gallery_at_once(tmp_path: Path) -> None:
    """They share half of their images: each of those is enrolled once, by whoever was first."""
    folder = tmp_path / "gallery"
    processes = [_enrolling(folder, "Ann", 0, 60), _enrolling(folder, "Zoe", 30, 90)]
    for process in processes:
        _ready(process)
    for process in processes:
        _start(process)
    added = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    ids = [int(i) for lines in added for i in lines if i != "None"]
    assert sorted(ids) == list(range(1, 91))
    with open_store(folder) as store:
        assert store.templates.counts() == (2, 90, 90)
        assert store.integrity_check() == []


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    process = _enrolling(tmp_path, "Ann", 0, 100_000)
    _ready(process)
    _start(process)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    with process:  # reads on where `readline` stopped: `communicate` would pass over what it holds already
        told += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line[-1] == "\n"]
    with open_store(tmp_path) as store:
        stored = [i for batch in store.templates.batches() for i in batch.ids.tolist()]
        assert set(told) <= set(stored)
        assert len(stored) <= len(told) + 1
        assert store.integrity_check() == []


def test_many_connections_can_make_a_gallery_at_once(opening: Callable[..., SqlStore]) -> None:
    barrier = threading.Barrier(8)

    def work(n: int) -> None:
        barrier.wait()
        with opening() as store:
            assert store.settings.configure(SETTINGS, ENCODER) == SETTINGS
            add(store, f"person {n}", str(n))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    with opening() as store:
        assert store.templates.counts() == (8, 8, 8)


def test_threads_share_a_store(store: GalleryStore) -> None:
    def work(n: int) -> None:
        for image in range(5):
            add(store, f"person {n}", f"{n} {image}")
            assert len(store.identities.all()) > 0

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert store.templates.counts() == (6, 30, 30)


def test_every_connection_has_the_settings_it_needs(disk: SqliteStore) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": 30_000}
    with disk.transactions.reading() as first, disk.transactions.reading() as second:
        for connection in (first, second):
            for pragma, value in wanted.items():
                assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value


def test_a_reader_keeps_its_snapshot_while_another_writes(kept: SqlStore) -> None:
    add(kept, "Ann", "1")
    with kept.transactions.reading() as connection:
        before = connection.exec_driver_sql("SELECT count(*) FROM templates").scalar_one()
        add(kept, "Ann", "2")
        assert connection.exec_driver_sql("SELECT count(*) FROM templates").scalar_one() == before == 1
    assert kept.templates.counts().templates == 2


def test_a_gallery_held_by_another_writer_is_busy_and_can_still_be_read(opening: Callable[..., SqlStore]) -> None:
    with opening() as holder, opening(busy_seconds=0.05) as store:
        add(holder, "Ann", "1")
        with holder.transactions.writing():
            with pytest.raises(StoreBusyError, match="another process is writing"):
                add(store, "Zoe", "2")
            assert store.templates.counts() == (1, 1, 1)
        add(store, "Zoe", "2")
        assert holder.templates.counts() == (2, 2, 2)


def test_a_writer_waits_for_another_one(opening: Callable[..., SqlStore]) -> None:
    with opening() as first, opening() as second, ThreadPoolExecutor(1) as pool:
        with first.transactions.writing():
            waiting = pool.submit(add, second, "Zoe", "2")
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
        assert waiting.result(timeout=10) == [1]


def test_forgotten_codes_and_names_are_not_in_the_files_any_more(tmp_path: Path) -> None:
    marker, name = b"\xfe\xed\xfa\xce" * 32, "Leavesnotrace"
    with open_store(tmp_path) as store:
        add(store, "Ann", *[f"a{n}" for n in range(50)], code=b"kept" * 32)
        add(store, name, *[f"b{n}" for n in range(200)], code=marker)
        assert store.checkpoint()
        assert marker in (tmp_path / "gallery.db").read_bytes()
        store.identities.forget([name])
        assert store.checkpoint()
        for path in tmp_path.iterdir():
            content = path.read_bytes()
            assert marker[:16] not in content, path.name
            assert name.encode() not in content, path.name
        assert b"kept" * 32 in (tmp_path / "gallery.db").read_bytes()


def test_recoded_codes_are_not_in_the_files_any_more(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.settings.configure(SETTINGS, ENCODER)
        add(store, "Ann", *map(str, range(100)), code=b"precious" * 16)
        store.recoding.switch("pq8", "pq8", lambda codes, codec: [b"x" * 8 for _ in codes])
        assert store.checkpoint()
        assert all(b"precious" not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_checkpoint_says_when_a_reader_is_in_its_way(tmp_path: Path) -> None:
    with open_store(tmp_path, busy_seconds=0.05) as store:
        add(store, "Ann", "1")
        with store.transactions.reading() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM templates").scalar_one()
            add(store, "Ann", "2")
            assert not store.checkpoint()
        assert store.checkpoint()


def test_the_size_counts_the_log_and_vacuum_gives_space_back(disk: SqliteStore, tmp_path: Path) -> None:
    add(disk, "Ann", *map(str, range(1000)), code=b"c" * 512)
    files = [tmp_path / "gallery" / name for name in ("gallery.db", "gallery.db-wal")]
    assert disk.database_bytes() == sum(path.stat().st_size for path in files) > 1000 * 512
    disk.identities.forget(["Ann"], remember=False)
    disk.vacuum()
    assert disk.database_bytes() < 225_000
    assert disk.integrity_check() == []


def test_a_store_in_memory_has_a_size_and_upkeep_too() -> None:
    with open_store("sqlite://") as store:
        assert store.checkpoint()
        store.vacuum()
        assert store.database_bytes() > 0


def test_a_closed_gallery_is_one_file(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        add(store, "Ann", "1")
    assert [path.name for path in tmp_path.iterdir()] == ["gallery.db"]


def test_a_store_opened_for_reading_refuses_to_write(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        add(store, "Ann", "1")
    with open_store(tmp_path, read_only=True) as store:
        assert store.templates.counts() == (1, 1, 1)
        for write in (
            lambda: store.identities.forget(["Ann"]),
            store.checkpoint,
            store.vacuum,
        ):
            with pytest.raises(StoreError, match="reading only"):
                write()


def test_a_reader_sees_what_a_writer_has_committed_but_not_checkpointed(tmp_path: Path) -> None:
    with open_store(tmp_path) as writer:
        add(writer, "Ann", "1")
        with open_store(tmp_path, read_only=True) as reader:
            assert reader.templates.counts() == (1, 1, 1)
            add(writer, "Ann", "2")
            assert reader.templates.counts() == (1, 2, 2)


# Opens a gallery as a user who may not write; the superuser first becomes nobody.
READ_ONLY = """
import os, sys
from facesearch.errors import StoreError
from facesearch.store import open_store

if os.geteuid() == 0:
    os.setuid(65534)
for read_only in (True, False):
    try:
        with open_store(sys.argv[1], read_only=read_only) as store:
            print(*store.templates.counts())
    except StoreError as error:
        print(error)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no POSIX permissions here")
@pytest.mark.parametrize("log", [False, True])
def test_a_gallery_in_a_folder_without_write_permission_can_be_read(log: bool) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with open_store(folder) as store:
            add(store, "Ann", "1")
            if log:  # as if copied while in use: changes in the log, and no shared-memory file
                add(store, "Ann", "2")
                copies = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".db-shm"}
        if log:
            for name, content in copies.items():
                (folder / name).write_bytes(content)
        for path in folder.iterdir():
            path.chmod(0o444)
        folder.chmod(0o555)
        try:
            arguments = [sys.executable, "-c", READ_ONLY, made]
            done = subprocess.run(arguments, check=True, cwd=ROOT, capture_output=True, text=True)
        finally:
            folder.chmod(0o755)
    reading, writing = done.stdout.splitlines()
    if log:
        assert "open it once with write permission" in reading
    else:
        assert reading == "1 1 1"
    assert "no permission to write" in writing or "cannot be opened" in writing


def test_a_transaction_that_fails_halfway_leaves_nothing(disk: SqliteStore) -> None:
    with closing(sqlite3.connect(str(disk.path))) as connection, connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON templates WHEN NEW.code = x'00' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(StoreError):
        disk.templates.add([template("Ann", "1"), template("Ann", "2", b"\0")], ENCODER, "int8")
    assert disk.templates.counts() == (0, 0, 0)
    assert disk.templates.position() == (0, 0)


def test_a_full_disk_is_said_to_be_full_and_nothing_is_lost(disk: SqliteStore) -> None:
    add(disk, "Ann", "1")
    with disk.transactions.outside(sqlite3.Connection) as driver:  # the pool hands out the same connection again
        pages = driver.execute("PRAGMA page_count").fetchone()[0]
        driver.execute(f"PRAGMA max_page_count={pages}").close()
    with pytest.raises(StoreError, match="disk is full"):
        add(disk, "Zoe", *map(str, range(2, 500)), code=b"c" * 512)
    assert disk.templates.counts() == (1, 1, 1)
