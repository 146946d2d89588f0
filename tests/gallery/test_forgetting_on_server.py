"""Somebody forgotten is in no file of the server but its write-ahead log, and receipts say where."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psycopg
import pytest
from command_line import Command

from facesearch import Gallery
from facesearch.errors import StoreError
from facesearch.store.postgresql import rewriting, vectors
from facesearch.store.postgresql import store as server_store
from facesearch.store.postgresql.address import Address

from .doubles import store_templates, unit_vectors

pytestmark = pytest.mark.server

PEOPLE = [f"person {number}" for number in range(30)]
WAL = "pg_wal"


class Somebody:
    """A person whom no other test knows, with two templates."""

    def __init__(self) -> None:
        number = secrets.randbits(40)
        self.name, self.tag, self.note = f"Leavesnotrace Ü {number}", f"tag of {number}", f"note of {number}"
        self.vectors = unit_vectors(2, number)

    def traces(self) -> dict[str, bytes]:
        told = {"name": self.name.encode(), "tag": self.tag.encode(), "note": self.note.encode()}
        codes = {f"code {row}": self.vectors[row].tobytes() for row in (0, 1)}
        halves = {f"vector {row}": self.vectors[row].astype("<f2").tobytes() for row in (0, 1)}
        signs = {f"signs {row}": np.packbits(self.vectors[row] > 0).tobytes() for row in (0, 1)}
        return {**told, **codes, **halves, **signs}


@pytest.fixture
def somebody() -> Somebody:
    return Somebody()


@pytest.fixture
def gallery(tmp_path: Path, somebody: Somebody) -> Iterator[Gallery]:
    """Other people and somebody with a tag and a note, and vectors of them all."""
    names = [*PEOPLE, *[somebody.name] * 2]
    store_templates(tmp_path / "g", names, np.concatenate([unit_vectors(len(PEOPLE)), somebody.vectors]))
    with Gallery.open(tmp_path / "g") as opened:
        opened.set_attributes(somebody.name, tags=[somebody.tag], note=somebody.note)
        opened.build_index(search="database")
        yield opened


def address(gallery: Gallery) -> Address:
    store = gallery.parts.store
    assert isinstance(store, server_store.PostgresqlStore)
    return store.address


@contextmanager
def connected(gallery: Gallery) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """As the server's administrator."""
    with psycopg.connect(address(gallery).conninfo, autocommit=True) as connection:
        connection.execute(f"SET search_path = {address(gallery).gallery}, public".encode())
        yield connection


def places(gallery: Gallery, somebody: Somebody) -> dict[str, set[str]]:
    """Where on the server's disk each trace is, but in its write-ahead log, which may have what all tests wrote: the
    first folder of the path below its data directory."""
    with connected(gallery) as server:
        server.execute("CHECKPOINT")
        (folder,) = server.execute("SHOW data_directory").fetchone() or ("",)
    found: dict[str, set[str]] = {what: set() for what in somebody.traces()}
    for path in sorted(Path(str(folder)).rglob("*")):
        if WAL in path.parts:
            continue
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # the server removes files meanwhile
            continue
        for what, trace in somebody.traces().items():
            if trace in content:
                found[what].add(path.relative_to(str(folder)).parts[0])
    return found


def beyond_the_log(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {what: where for what, where in found.items() if where}


def test_a_forgotten_person_is_in_no_file_of_the_server_but_its_log_and_the_receipt_says_so(
    gallery: Gallery, somebody: Somebody, tmp_path: Path, facesearch: Command
) -> None:
    with connected(gallery) as administrator:
        administrator.execute("ANALYZE")
    before = places(gallery, somebody)
    there = {what for what, where in before.items() if "base" in where}
    assert there >= {"name", "tag", "note", "code 0", "code 1"}
    assert there & {"vector 0", "vector 1"}
    forgot = facesearch("identities", "forget", somebody.name, "--yes", "--gallery", tmp_path / "g")
    after = places(gallery, somebody)
    assert beyond_the_log(after) == {}
    assert "the server's write-ahead log, its replicas and dumps are not touched" in forgot.out
    assert "old pages stay" not in forgot.out


def test_in_a_large_gallery_old_pages_stay_as_the_receipt_says_until_it_is_compacted(
    gallery: Gallery, somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_store, "_MOST_REWRITTEN", 0)
    receipt = gallery.forget(somebody.name)
    assert not receipt.wiped and receipt.on_server
    assert beyond_the_log(places(gallery, somebody)) != {}
    assert gallery.compact().wiped
    assert beyond_the_log(places(gallery, somebody)) == {}


def test_the_graph_and_what_the_server_samples_for_its_planner_keep_nobody(
    gallery: Gallery, somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "INDEXED_FROM", 10)
    gallery.build_index(search="database")
    with connected(gallery) as administrator:
        administrator.execute("ANALYZE")
        graphs = administrator.execute("SELECT count(*) FROM pg_index WHERE indrelid = 'vectors'::regclass").fetchone()
        sampled = administrator.execute(
            "SELECT tablename, attname FROM pg_stats WHERE schemaname = %s AND tablename <> 'numbers' "
            "AND attname IN ('name', 'code', 'path', 'sha256', 'v', 'tag', 'note', 'binary_quantize')",
            (address(gallery).gallery,),
        ).fetchall()
    assert graphs == (2,) and sampled == []
    assert {"base"} <= places(gallery, somebody)["signs 1"]
    gallery.forget(somebody.name)
    assert beyond_the_log(places(gallery, somebody)) == {}


def test_vectors_whose_making_was_cut_off_keep_nobody(gallery: Gallery, somebody: Somebody) -> None:
    with connected(gallery) as administrator:
        administrator.execute("CREATE TABLE vectors_new (LIKE vectors INCLUDING ALL)")
        administrator.execute(
            "ALTER TABLE vectors_new ADD FOREIGN KEY (template_id) REFERENCES templates ON DELETE CASCADE"
        )
        administrator.execute("INSERT INTO vectors_new SELECT * FROM vectors")
    assert gallery.forget(somebody.name).wiped
    assert beyond_the_log(places(gallery, somebody)) == {}


def test_while_somebody_still_sees_what_was_deleted_no_receipt_says_that_it_is_gone(
    gallery: Gallery, somebody: Somebody
) -> None:
    """A transaction of another gallery of the database is enough: the server keeps for it what it might read."""
    with pytest.MonkeyPatch.context() as patch, connected(gallery) as reader:
        patch.setattr(rewriting, "EARLIER_SECONDS", 0.1)
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        reader.execute("SELECT 1 FROM pg_class LIMIT 1")
        receipt = gallery.forget(somebody.name)
        assert not receipt.wiped
        assert beyond_the_log(places(gallery, somebody)) != {}
        assert not gallery.compact().wiped
        reader.execute("ROLLBACK")
    assert gallery.compact().wiped
    assert beyond_the_log(places(gallery, somebody)) == {}


def test_where_pages_cannot_be_written_anew_what_was_deleted_is_gone_and_the_receipt_says_that_they_stay(
    gallery: Gallery, somebody: Somebody, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*given: object) -> bool:
        raise StoreError("the server went away")

    monkeypatch.setattr(logging.getLogger("facesearch"), "propagate", True)  # commands of other tests keep it back
    monkeypatch.setattr(server_store, "rewritten", gone)
    assert not gallery.forget(somebody.name).wiped
    monkeypatch.setattr(gallery.parts.store, "wipe", gone)
    assert not gallery.unknown.discard().wiped
    assert "this is done, but old pages stay until facesearch gallery compact: the server went away" in caplog.text
    assert somebody.name not in [person.name for person in gallery.identities()]


def test_a_receipt_waits_a_moment_for_who_still_sees_what_was_deleted(gallery: Gallery, somebody: Somebody) -> None:
    with connected(gallery) as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        reader.execute("SELECT 1 FROM pg_class LIMIT 1")
        leaving = threading.Timer(0.3, lambda: reader.execute("ROLLBACK"))
        leaving.start()
        assert gallery.forget(somebody.name).wiped
        leaving.join()
    assert beyond_the_log(places(gallery, somebody)) == {}
