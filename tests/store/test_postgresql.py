"""What only a store on a server has: addresses, users, other machines, a server that goes away."""

from __future__ import annotations

import builtins
import itertools
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_server import WITH_PASSWORD

from facesearch.errors import (
    FacesearchError,
    GalleryNotFoundError,
    NewerSchemaError,
    StoreBusyError,
    StoreError,
    UsageError,
)
from facesearch.store import IndexState, LogPosition, Segment, open_on_server
from facesearch.store.postgresql import connection as connections
from facesearch.store.postgresql import schema as server_schema
from facesearch.store.postgresql.address import Address
from facesearch.store.sql import migrating
from facesearch.store.sql.models import REVISIONS, Base

from .samples import ENCODER, SETTINGS, add, owners_of, template

SECRET = "a-secret-word"
_roles = itertools.count(1)


@pytest.fixture
def admin(postgresql_server: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgresql_server, autocommit=True) as opened:
        yield opened


def new_role(admin: psycopg.Connection[Any], *grants: str, options: str = "") -> str:
    """A role with these rights ({} is its name)."""
    name = f"role_{os.getpid()}_{next(_roles)}"
    admin.execute(f"CREATE ROLE {name} LOGIN {options}".encode())
    for grant in grants:
        admin.execute(grant.format(name).encode())
    return name


def schema_of(url: str) -> str:
    return Address.of(url).gallery


# addresses


@pytest.mark.parametrize(
    ("url", "gallery", "shown"),
    [
        ("postgresql://ann@db/faces?gallery=staff", "staff", "postgresql://ann@db/faces?gallery=staff"),
        ("postgres://db:5433/faces", "facesearch", "postgresql://db:5433/faces?gallery=facesearch"),
        (f"postgresql://ann:{SECRET}@db/faces", "facesearch", "postgresql://ann@db/faces?gallery=facesearch"),
        (
            "postgresql://ann:%40%2F@[::1]:5432/faces",
            "facesearch",
            "postgresql://ann@[::1]:5432/faces?gallery=facesearch",
        ),
        ("postgresql://a,b:1/faces?sslmode=verify-full&gallery=x1", "x1", "postgresql://a,b:1/faces?gallery=x1"),
        (
            f"postgresql://?service=faces&password={SECRET}",
            "facesearch",
            "postgresql://?service=faces&gallery=facesearch",
        ),
    ],
)
def test_an_address_names_a_gallery_and_is_shown_without_a_password(url: str, gallery: str, shown: str) -> None:
    address = Address.of(url)
    assert (address.gallery, address.shown) == (gallery, shown)
    assert "gallery=" not in address.conninfo
    assert SECRET not in repr(address)
    psycopg.conninfo.conninfo_to_dict(address.conninfo)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{SECRET}@x@db/faces",
        f"postgresql://ann:x/{SECRET}@db/faces",
        f"postgresql://ann:x#{SECRET}@db/faces",
        f"postgresql://ann:{SECRET}/x",
        "postgresql://db/faces?gallery=Staff",
        "postgresql://db/faces?gallery=pg_staff",
        "postgresql://db/faces?gallery=public",
        "postgresql://db/faces?gallery=",
        'postgresql://db/faces?gallery=a"b',
        f"postgresql://db/faces?gallery={'a' * 64}",
        "postgresql://db/faces?gallery=a&gallery=b",
        "postgresql://db/faces?gallery",
        "postgresql://db/faces?colour=red",
    ],
)
def test_an_address_that_is_none_is_refused_in_one_line_without_the_password(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        open_on_server(url)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def lacking(name: str, *rest: Any) -> Any:
        if name == "psycopg":
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(UsageError, match=r"pip install 'facesearch\[postgresql\]'"):
        open_on_server("postgresql://db/faces")


# failures


def test_a_server_that_is_not_there_is_a_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the server of postgresql://ann@/x\?.* cannot be reached \(") as raised:
        open_on_server(f"postgresql://ann:{SECRET}@/x?host={tmp_path}")
    assert SECRET not in str(raised.value) and "\n" not in str(raised.value)


def test_a_database_or_a_user_that_is_not_there_is_a_line(postgresql_server: str) -> None:
    with pytest.raises(StoreError, match='database "nowhere" does not exist; create it with createdb'):
        open_on_server(postgresql_server.replace("/postgres?", "/nowhere?"))
    with pytest.raises(StoreError, match=r'does not let this user in \(role "nobody" does not exist\)'):
        open_on_server(postgresql_server.replace("postgres@", "nobody@"))


def test_a_wrong_password_is_a_line_and_the_right_one_comes_from_anywhere(
    gallery_url: str, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    grants = ("GRANT CREATE ON DATABASE postgres TO {}", f"GRANT {WITH_PASSWORD[1:]} TO {{}}")
    role = new_role(admin, *grants, options=f"PASSWORD '{SECRET}'")
    with pytest.raises(StoreError, match="does not let this user in") as raised:
        open_on_server(gallery_url.replace("postgres@", f"{role}:wrong-{SECRET}@"))
    assert SECRET not in str(raised.value)
    with pytest.raises(StoreError, match="does not let this user in"):
        open_on_server(gallery_url.replace("postgres@", f"{role}@"))
    monkeypatch.setenv("PGPASSWORD", SECRET)
    with open_on_server(gallery_url.replace("postgres@", f"{role}@")) as store:
        assert add(store, "Ann", "1") == [1]


def test_an_older_server_is_refused(gallery_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_OLDEST", 990_000)
    with pytest.raises(StoreError, match=r"is on PostgreSQL \d+: galleries need PostgreSQL"):
        open_on_server(gallery_url)


def test_a_database_in_another_encoding_is_refused(gallery_url: str, admin: psycopg.Connection[Any]) -> None:
    name = f"latin_{schema_of(gallery_url)}"
    admin.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0".encode())
    with pytest.raises(StoreError, match="has the encoding LATIN1"):
        open_on_server(gallery_url.replace("/postgres?", f"/{name}?"))


def test_the_schema_of_another_program_is_left_alone(gallery_url: str, admin: psycopg.Connection[Any]) -> None:
    name = schema_of(gallery_url)
    admin.execute(f"CREATE SCHEMA {name} CREATE TABLE notes (id int)".encode())
    with pytest.raises(StoreError, match="is not a facesearch gallery"):
        open_on_server(gallery_url)


def test_a_gallery_that_is_not_there_is_only_made_when_asked_for(gallery_url: str) -> None:
    for create, read_only in ((False, False), (True, True)):
        with pytest.raises(GalleryNotFoundError, match="there is no gallery test_"):
            open_on_server(gallery_url, create=create, read_only=read_only)
    open_on_server(gallery_url).close()
    with open_on_server(gallery_url, read_only=True) as store:
        assert store.templates.counts() == (0, 0, 0)
        with pytest.raises(StoreError, match="was opened for reading only"):
            add(store, "Ann", "1")


def test_a_gallery_of_a_newer_version_is_refused(gallery_url: str, admin: psycopg.Connection[Any]) -> None:
    open_on_server(gallery_url).close()
    admin.execute(f"UPDATE {schema_of(gallery_url)}.alembic_version SET version_num = '9999'".encode())
    with pytest.raises(NewerSchemaError, match="upgrade facesearch"):
        open_on_server(gallery_url)


def test_text_that_cannot_be_kept_is_refused_and_leaves_the_gallery_usable(gallery_url: str) -> None:
    with open_on_server(gallery_url) as store:
        add(store, "Ann", "1")
        for name in ("a\0b", "a\ud800b"):
            with pytest.raises(FacesearchError):
                store.identities.find(name)
        with pytest.raises(UsageError, match="too long"):
            add(store, "".join(map(chr, range(0x4E00, 0x4E00 + 9000))), "2")
        assert add(store, "Zoë", "3") == [2]


# who may do what


def test_whoever_may_only_read_asks_and_keeps_index_files_and_writes_nothing(
    gallery_url: str, admin: psycopg.Connection[Any]
) -> None:
    with open_on_server(gallery_url) as store:
        store.settings.configure(SETTINGS, ENCODER)
        add(store, "Ann", "1")
    name = schema_of(gallery_url)
    role = new_role(
        admin, f"GRANT USAGE ON SCHEMA {name} TO {{}}", f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {{}}"
    )
    with open_on_server(gallery_url.replace("postgres@", f"{role}@")) as store:
        assert store.read_only
        assert owners_of(store, "1") == {"1": "Ann"}
        with pytest.raises(StoreError, match="no permission to write to postgresql://"):
            add(store, "Bob", "2")
        state = IndexState("sq8", "int8", LogPosition(1, 0), (Segment("i", "ab", 1, 1, 1, 10),), 1, version=7)
        assert store.index_state.replace(None, state)
        assert store.index_state.read() == state
        assert store.integrity_check() == []


def test_whoever_has_no_rights_is_told_so(gallery_url: str, admin: psycopg.Connection[Any]) -> None:
    role = new_role(admin)
    mine = gallery_url.replace("postgres@", f"{role}@")
    with pytest.raises(StoreError, match=r"no permission for this in .* \(permission denied for database postgres\)"):
        open_on_server(mine)
    open_on_server(gallery_url).close()
    with pytest.raises(StoreError, match="no permission to use postgresql://"):
        open_on_server(mine)
    admin.execute(f"GRANT USAGE ON SCHEMA {schema_of(gallery_url)} TO {role}".encode())
    with pytest.raises(StoreError, match=r"no permission for this in .* \(permission denied for table"):
        open_on_server(mine)


# with others


def test_galleries_of_one_database_know_nothing_of_each_other(gallery_url: str) -> None:
    with open_on_server(gallery_url) as one, open_on_server(gallery_url + "_b") as other:
        add(one, "Ann", "1")
        assert other.templates.counts() == (0, 0, 0)
        with one.transactions.writing():
            assert add(other, "Zoë", "1", "2") == [1, 2]
        assert one.folder != other.folder


def test_whoever_waits_too_long_for_a_writer_is_told_so_and_readers_do_not_wait(gallery_url: str) -> None:
    with open_on_server(gallery_url) as one, open_on_server(gallery_url, busy_seconds=0.05) as other:
        add(one, "Ann", "1")
        with one.transactions.writing():
            with pytest.raises(StoreBusyError, match="another process is writing to postgresql://"):
                add(other, "Bob", "2")
            assert other.templates.counts() == (1, 1, 1)
        assert add(other, "Bob", "2") == [2]


def test_ids_are_in_the_order_of_commits_so_that_no_reader_misses_one(gallery_url: str) -> None:
    open_on_server(gallery_url).close()
    done = threading.Event()

    def write(who: int) -> None:
        with open_on_server(gallery_url) as store:
            for number in range(10):
                add(store, f"Person {who}", f"{who} {number}")

    def follow() -> list[int]:
        seen: list[int] = []
        with open_on_server(gallery_url) as store:
            while True:
                last = done.is_set()
                with store.moment() as moment:
                    seen += [number for batch in moment.templates(seen[-1] if seen else 0) for number in batch.ids]
                if last:
                    return [int(number) for number in seen]

    with ThreadPoolExecutor(5) as pool:
        followed = pool.submit(follow)
        for each in [pool.submit(write, who) for who in range(4)]:
            each.result()
        done.set()
        assert followed.result() == list(range(1, 41))


def test_two_processes_that_start_a_gallery_at_once_start_one(gallery_url: str) -> None:
    def start(name: str) -> list[int]:
        with open_on_server(gallery_url) as store:
            return add(store, name, name)

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(start, ["Ann", "Bob", "Cyd", "Dan"]))
    assert sorted(ids) == [[1], [2], [3], [4]]


def test_what_fails_halfway_leaves_nothing_and_its_ids_are_given_again(gallery_url: str) -> None:
    with open_on_server(gallery_url) as store:
        add(store, "Ann", "1")
        with pytest.raises(ZeroDivisionError), store.transactions.writing():
            1 / 0  # noqa: B018 - what fails
        broken = [template("Bob", "2"), template("Bob", "3")._replace(width=None)]  # type: ignore[arg-type]
        with pytest.raises(StoreError):
            store.templates.add(broken, ENCODER, "int8")
        assert store.templates.counts() == (1, 1, 1)
        assert add(store, "Bob", "2") == [2]
        assert store.integrity_check() == []


def test_a_connection_that_was_cut_is_made_anew(gallery_url: str, admin: psycopg.Connection[Any]) -> None:
    name = schema_of(gallery_url)
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'".encode()
    with open_on_server(f"{gallery_url}&application_name={name}") as store:
        add(store, "Ann", "1")
        with pytest.raises(StoreError, match="went away"), store.transactions.writing() as connection:
            admin.execute(cut)
            connection.exec_driver_sql("SELECT 1")
        assert add(store, "Ann", "2") == [2]
        admin.execute(cut)
        time.sleep(connections._IDLE_SECONDS)
        assert add(store, "Ann", "3") == [3]


def test_a_bare_connection_that_was_cut_is_a_line_and_no_more(
    gallery_url: str, admin: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    name = schema_of(gallery_url)
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'".encode()
    with open_on_server(f"{gallery_url}&application_name={name}") as store:
        with pytest.raises(StoreError, match="went away"), store.transactions.outside(psycopg.Connection) as driver:
            admin.execute(cut)
            driver.execute("SELECT 1")
        assert caplog.records == []
        assert add(store, "Ann", "1") == [1]


# index files


def test_each_machine_has_index_files_of_its_own(
    gallery_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = IndexState("sq8", "int8", LogPosition(1, 0), (Segment("i", "ab", 1, 1, 1, 10),), 1, version=7)
    with open_on_server(gallery_url) as store:
        store.settings.configure(SETTINGS, ENCODER)
        add(store, "Ann", "1")
        assert store.index_state.replace(None, state)
        with store.moment() as moment:
            assert moment.state().index_version == 7  # type: ignore[union-attr]
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "another machine"))
    with open_on_server(gallery_url) as store:
        assert store.index_state.read() is None
        add(store, "Bob", "2")
        store.identities.forget(["Bob"])
        assert not store.index_state.replace(None, IndexState("flat", "fp32", LogPosition(1, 0), (), 1, version=8))


def test_what_says_which_index_files_are_valid_is_made_anew_where_it_is_damaged(gallery_url: str) -> None:
    with open_on_server(gallery_url) as store:
        record = store.folder / "projection.db"
    record.write_bytes(b"nothing of use" * 1000)
    with open_on_server(gallery_url) as store:
        assert store.index_state.read() is None
        assert add(store, "Ann", "1") == [1]


def test_a_gallery_in_the_place_of_another_one_has_other_index_files(
    gallery_url: str, admin: psycopg.Connection[Any]
) -> None:
    with open_on_server(gallery_url) as store:
        before = store.folder
    admin.execute(f"DROP SCHEMA {schema_of(gallery_url)} CASCADE".encode())
    with open_on_server(gallery_url) as store:
        assert store.folder != before


# migrations

LATER = '''"""A column of a later version."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0999", "{newest}", None, None


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("machine", sa.Text(), nullable=True))
    {more}


def downgrade() -> None:
    op.drop_column("audit_events", "machine")
'''


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A later version's migrations; returns the newest one, whose `{more}` is to be filled in."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrating.migrations_folder(), folder)
    monkeypatch.setattr(migrating, "migrations_folder", lambda: folder)
    for module in (migrating, server_schema):
        monkeypatch.setattr(module, "REVISIONS", (*REVISIONS, "0999"))
    return folder / "versions" / "0999_later.py"


def test_a_gallery_of_an_earlier_version_is_brought_up_to_date(
    gallery_url: str, admin: psycopg.Connection[Any], later: Path
) -> None:
    later.write_text(LATER.format(newest=REVISIONS[-1], more="pass"))
    with pytest.MonkeyPatch.context() as patch:
        for module in (migrating, server_schema):
            patch.setattr(module, "REVISIONS", REVISIONS)
        with open_on_server(gallery_url) as store:
            add(store, "Ann", "1")
    with open_on_server(gallery_url) as store:
        assert owners_of(store, "1") == {"1": "Ann"}
        assert store.integrity_check() == []
    name = schema_of(gallery_url)
    assert admin.execute(f"SELECT version_num FROM {name}.alembic_version".encode()).fetchall() == [("0999",)]
    assert admin.execute(f"SELECT machine FROM {name}.audit_events".encode()).fetchall() == []


def test_a_migration_that_fails_leaves_the_gallery_as_it_was(
    gallery_url: str, admin: psycopg.Connection[Any], later: Path
) -> None:
    later.write_text(LATER.format(newest=REVISIONS[-1], more='op.execute("INSERT INTO nowhere VALUES (1)")'))
    name = schema_of(gallery_url)
    open_on_server(gallery_url).close()
    admin.execute(f"UPDATE {name}.alembic_version SET version_num = '{REVISIONS[-1]}'".encode())
    with pytest.raises(StoreError, match="could not be updated to this version and is left as it was") as raised:
        open_on_server(gallery_url)
    assert "\n" not in str(raised.value)
    with pytest.raises(psycopg.errors.UndefinedColumn):
        admin.execute(f"SELECT machine FROM {name}.audit_events".encode())


def test_a_new_gallery_has_the_tables_of_the_models(gallery_url: str, admin: psycopg.Connection[Any]) -> None:
    open_on_server(gallery_url).close()
    asked = "SELECT table_name, column_name, is_nullable FROM information_schema.columns WHERE table_schema = %s"
    found = set(admin.execute(asked, (schema_of(gallery_url),)).fetchall())
    modelled = {
        (table.name, column.name, "YES" if column.nullable else "NO")
        for table in Base.metadata.sorted_tables
        for column in table.columns
    }
    assert modelled <= found
    assert {table for table, _, _ in found - modelled} == {"numbers", "origin", "alembic_version"}
