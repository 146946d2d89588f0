"""Copies of deleted rows that SQLite leaves between others: they are found, and wiped."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from facesearch.store import GallerySettings, NewTemplate, SqliteStore, open_store
from facesearch.store.sql.traces import stored_integer, traces_of
from facesearch.store.sqlite.gaps import any_left

from .samples import ENCODER

BYTES = 32  # of a code
PEOPLE = 800
TOGETHER = 7


def _filled(folder: Path, people: int, seed: int) -> tuple[SqliteStore, dict[str, bytes]]:
    """A store of people with random names and a template each, by name, in the order in which they are to go."""
    draw, bits = random.Random(seed), np.random.default_rng(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = list({"".join(draw.choices(letters, k=draw.randrange(8, 40))): None for _ in range(people)})
    draw.shuffle(names)
    store, codes = open_store(folder), {name: bits.bytes(BYTES) for name in names}
    store.settings.configure(GallerySettings(ENCODER.model, BYTES, "int8", "sq8"), ENCODER)
    for first in range(0, len(names), 100):
        batch = [
            NewTemplate(name, bits.bytes(32), f"photos/{name}/{draw.random()}.jpg", 1, 1, codes[name], 1.0, None)
            for name in names[first : first + 100]
        ]
        store.templates.add(batch, ENCODER, "int8")
    random.Random(seed).shuffle(names)
    return store, {name: codes[name] for name in names}


def _forgotten(store: SqliteStore, codes: dict[str, bytes]) -> Iterator[frozenset[bytes]]:
    """Forget most of the people, a few together; gives what is to be wiped of each few."""
    names = list(codes)
    for first in range(0, int(0.95 * len(names)), TOGETHER):
        removed = store.identities.forget(names[first : first + TOGETHER])
        yield frozenset[bytes]().union(*(each.traces for each in removed))


def _known(content: bytes, store: SqliteStore, codes: dict[str, bytes]) -> set[str]:
    """People who are forgotten and not."""
    there = {person.name for person in store.identities.all()}
    return {name for name in codes if name not in there and (codes[name] in content or name.encode() in content)}


@pytest.mark.parametrize("seed", [4, 5])
def test_nothing_is_left_of_hundreds_forgotten_in_random_order(seed: int, tmp_path: Path) -> None:
    store, codes = _filled(tmp_path, PEOPLE, seed)
    database, needed = tmp_path / "gallery.db", 0
    with store:
        for number, traces in enumerate(_forgotten(store, codes)):
            assert store.checkpoint()
            there = any(trace in database.read_bytes() for trace in traces)
            found = any_left(database, traces)
            needed += found
            assert found == there
            assert store.wipe(traces)
            if found or number % 20 == 0:
                assert _known(database.read_bytes(), store, codes) == set()
        assert _known(database.read_bytes(), store, codes) == set()
        assert store.integrity_check() == []
    assert needed > 0 or seed != 4  # or this would show nothing


def test_a_snapshot_holds_rows_only(tmp_path: Path) -> None:
    """A copy of the pages would have what a wipe that others kept from being done has left there."""
    store, codes = _filled(tmp_path, PEOPLE, 4)
    with store:
        for traces in _forgotten(store, codes):
            store.checkpoint()
            if any_left(tmp_path / "gallery.db", traces):
                break
        store.snapshot(tmp_path / "copy.db", lambda done, total: None)
        assert _known((tmp_path / "gallery.db").read_bytes(), store, codes) != set()
        assert _known((tmp_path / "copy.db").read_bytes(), store, codes) == set()
        left = store.templates.counts().identities
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT count(*) FROM identities").fetchone() == (left,)


@pytest.mark.parametrize("page_size", [512, 1024, 4096, 65_536])
def test_what_stands_in_the_gaps_of_pages_is_found_and_what_rows_hold_is_not(page_size: int, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute(f"PRAGMA page_size={page_size}")
        made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
        made.executemany(
            "INSERT INTO t VALUES (?, ?)", [(n, f"name number {n * 7919 % 1000:05}") for n in range(1, 150)]
        )
        made.execute("VACUUM")
    assert not any_left(path, {b"name number 0"})
    content = bytearray(path.read_bytes())
    for page in range(0, len(content), page_size):
        head = page + (100 if page == 0 else 0)
        if content[head] not in (2, 5, 10, 13):
            continue
        start = head + (12 if content[head] in (2, 5) else 8) + 2 * int.from_bytes(content[head + 3 : head + 5], "big")
        stop = page + (int.from_bytes(content[head + 5 : head + 7], "big") or 65_536)
        for at in {start, (start + stop) // 2, stop - 6}:
            if start <= at and at + 6 <= stop:
                changed = content.copy()
                changed[at : at + 6] = b"Secret"
                path.write_bytes(changed)
                assert any_left(path, {b"Other1", b"Secret"})
                assert not any_left(path, {b"Other1"})


def test_a_freed_cell_is_a_gap_too(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute("PRAGMA secure_delete=OFF")
        made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
        made.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"name number {n}") for n in range(100)])
        made.execute("DELETE FROM t WHERE id IN (30, 50)")
    assert any_left(path, {b"number 50"})
    assert any_left(path, {b"number 30"})
    assert not any_left(path, {b"number 40"})


@pytest.mark.parametrize(
    "content", [b"", b"short", bytes(5000), b"x" * 5000, b"SQLite format 3\0" + b"\x10\0" + bytes(82)]
)
def test_a_file_that_is_no_database_has_no_gaps_and_does_no_harm(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(content)
    assert not any_left(tmp_path / "a.db", {b"abc"})


def test_looking_into_a_database_takes_no_lock_from_this_process(tmp_path: Path) -> None:
    """A process that closes a file loses its locks on it: then another one could delete the log that this one uses."""
    store, codes = _filled(tmp_path, 20, 0)
    with store:
        store.identities.forget([sorted(codes)[0]])
        locks = Path("/proc/locks")
        inode = f":{(tmp_path / 'gallery.db').stat().st_ino} "
        if not locks.exists() or inode not in locks.read_text():
            pytest.skip("locks cannot be seen here")
        store.wipe({b"nothing of that kind"})
        any_left(tmp_path / "gallery.db", {b"x"})
        assert inode in locks.read_text()


@pytest.mark.parametrize("name", ["Al", "Ümi", "x"])
def test_a_short_name_is_told_from_the_same_letters_in_others(name: str, tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.settings.configure(GallerySettings(ENCODER.model, BYTES, "int8", "sq8"), ENCODER)
        for number, each in enumerate([name, f"{name}bert", f"Sir {name}"]):
            code = bytes([number]) * BYTES
            new = NewTemplate(each, code[:32], f"{number} of them.jpg", 1, 1, code, 1.0, None)
            store.templates.add([new], ENCODER, "int8")
        person = store.identities.find(name)
        content = (tmp_path / "gallery.db").read_bytes() + (tmp_path / "gallery.db-wal").read_bytes()
        (removed,) = store.identities.forget([name])
        with_name = {trace for trace in removed.traces if name.encode() in trace}
        assert len(with_name) == 2
        assert all(trace in content for trace in with_name)
        assert store.wipe(removed.traces)
        rest = (tmp_path / "gallery.db").read_bytes()
        assert name.encode() in rest
        assert not any(trace in rest for trace in with_name)
        assert person.id == 1


@pytest.mark.parametrize("value", [0, 1, 2, 127, 128, 32_767, 32_768, 2**23, 2**31 - 1, 2**31, 2**40, 2**47, 2**60])
def test_integers_are_known_as_sqlite_stores_them(value: int, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as made:
        made.execute("CREATE TABLE t (n INTEGER, mark TEXT)")
        made.execute("INSERT INTO t VALUES (?, 'mark')", (value,))
    kind, stored = stored_integer(value)
    assert bytes([3, kind, 13 + 8]) + stored + b"mark" in (tmp_path / "a.db").read_bytes()


def test_traces_of_a_value_know_it_also_by_a_part() -> None:
    value = bytes(range(200))
    for part in (value[:100], value[60:140], value[100:]):
        assert any(trace in part for trace in traces_of(value))
    assert traces_of(b"abc") == {b"abc"}
    assert traces_of(b"") == set()
