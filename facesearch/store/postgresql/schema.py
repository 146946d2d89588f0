"""Bring the schema of a gallery on a server to what the models describe.

An up-to-date one costs one SELECT. A new one gets the tables directly, at the newest revision; an older one is migrated
by Alembic, inside the transaction that holds the gallery's lock.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, insert, select, text

from facesearch.errors import GalleryNotFoundError, StoreError, UsageError
from facesearch.store.postgresql.address import Address
from facesearch.store.postgresql.connection import driver_of, writing
from facesearch.store.postgresql.tables import server_tables
from facesearch.store.sql import unfinished
from facesearch.store.sql.migrating import known_revision, upgrade
from facesearch.store.sql.models import REVISIONS, version_table
from facesearch.store.sql.unfinished import Copying

_UNFINISHED = "unfinished"
_FOUND = text(
    """
    SELECT n.oid, has_schema_privilege(n.oid, 'USAGE'),
           EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'alembic_version'),
           EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind = 'r'),
           EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = :marker),
           current_setting('server_encoding')
    FROM (SELECT) AS nothing LEFT JOIN pg_namespace n ON n.nspname = :name
    """
)
_MAY_WRITE = text(
    "SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off', "
    "has_table_privilege('templates', 'INSERT')"
)
OPENED = "SELECT (SELECT id FROM origin), 'templates'::regclass::oid::bigint"  # which no other gallery has
_DATABASE = (
    "SELECT (SELECT oid FROM pg_database WHERE datname = current_database()), current_database(), inet_server_port()"
)
_MAY_ASK = """
    SELECT bool_and(has_function_privilege(name, 'EXECUTE')) FROM unnest(
        ARRAY['pg_control_system()', 'pg_control_checkpoint()', 'pg_current_wal_lsn()', 'pg_walfile_name(pg_lsn)']
    ) AS name
"""
# The timeline that is written to: the control file has a new one only some time after a standby took over.
_TIMELINE = """
    SELECT system_identifier,
           CASE WHEN pg_is_in_recovery()
           THEN (SELECT 'standby ' || lpad(upper(to_hex(timeline_id)), 8, '0') FROM pg_control_checkpoint())
           ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END
    FROM pg_control_system()
"""

_STARTED = "SELECT extract(epoch FROM pg_postmaster_start_time())::text"
_WHOLE = 7  # words of `Found.which`, where the server tells all


@dataclass(frozen=True, slots=True)
class Found:
    """A gallery on a server. which: words that no other one has, nor this one after another server took over. opened:
    what `OPENED` says of it. may_write: whether this user may, where the server takes changes. started: when the server
    was, as until it is started anew it loses nothing."""

    which: tuple[str, ...]
    opened: tuple[str, int]
    may_write: bool
    takes_changes: bool = True
    started: str = ""

    @property
    def history(self) -> tuple[tuple[str, ...], int] | None:
        """What stays the same when another server takes over, and the number that grows then; None where the server
        does not say."""
        if len(self.which) < _WHOLE:
            return None
        *gallery, _port, system, timeline = self.which
        return (*gallery, system), int(timeline.rpartition(" ")[2], 16)

    @property
    def server(self) -> tuple[str, ...]:
        """What `server_of` says."""
        return self.which[2:]

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Found:
        """From what `asdict` gives, or JSON made of it."""
        origin, oid = kept["opened"]
        which, takes = tuple(map(str, kept["which"])), bool(kept["takes_changes"])
        return cls(which, (str(origin), int(oid)), bool(kept["may_write"]), takes, str(kept["started"]))


def prepare(engine: Engine, address: Address, *, create: bool) -> Found:
    """Create or migrate the tables.

    Raises:
        GalleryNotFoundError: there is none, and none is to be created.
        NewerSchemaError: a newer version of facesearch has written it.
        StoreError: it is something else, or the migration failed; it is left as it was.
    """
    where = address.shown
    with engine.connect() as connection, connection.begin():
        revision = _revision(connection, address)
        if revision == REVISIONS[-1]:
            return _found(connection)
        if revision is None and not create:
            raise GalleryNotFoundError(
                f"there is no gallery {address.gallery} in {where}: start one with facesearch enroll"
            )
    with writing(engine).connect() as connection, connection.begin():
        # Another process may have done the work while this one waited for the lock.
        revision = _revision(connection, address)
        if revision is None:
            _create(connection, address)
        elif revision != REVISIONS[-1]:
            _migrate(connection, where)
    with engine.connect() as connection, connection.begin():
        return _found(connection)


def prepare_copy(engine: Engine, address: Address, copying: Copying) -> Found:
    """Begin a copy, or go on with one; raises `UsageError` where there is a gallery."""
    with writing(engine).connect() as connection, connection.begin():
        revision = _revision(connection, address, unfinished_too=True)
        if revision is None:
            _create(connection, address)
            unfinished.begin(connection, copying)
        elif revision == _UNFINISHED:
            unfinished.take_over(connection, copying, address.shown)
        else:
            raise UsageError(f"there is a gallery in {address.shown} already: choose another place")
    with engine.connect() as connection, connection.begin():
        return _found(connection)


def _revision(connection: Connection, address: Address, *, unfinished_too: bool = False) -> str | None:
    """The known revision that the gallery is at, None where there is none yet; `_UNFINISHED` of a copy in the making,
    which else is refused."""
    given = {"name": address.gallery, "marker": unfinished.MARKER}
    schema, may_use, is_gallery, holds_tables, is_unfinished, encoding = connection.execute(_FOUND, given).one()
    if encoding != "UTF8":
        raise StoreError(f"{address.shown} has the encoding {encoding}: create the database with ENCODING 'UTF8'")
    if schema is None:
        return None
    if not may_use:
        raise StoreError(f"no permission to use {address.shown}")
    if not is_gallery:
        if holds_tables:
            raise StoreError(f"{address.shown} is not a facesearch gallery (it holds tables of another program)")
        return None
    if is_unfinished and not unfinished_too:
        raise unfinished.unfinished(connection, address.shown)
    if is_unfinished:
        return _UNFINISHED
    return known_revision(connection.scalars(select(version_table.c.version_num)).all(), address.shown)


def _found(connection: Connection) -> Found:
    origin, oid = connection.exec_driver_sql(OPENED).one()
    driver = driver_of(connection)
    takes, may = connection.execute(_MAY_WRITE).one()
    which = (str(origin), str(oid), *server_of(driver))
    return Found(which, (str(origin), int(oid)), bool(may), bool(takes), started_of(driver))


def started_of(driver: psycopg.Connection[Any]) -> str:
    """When the server was started."""
    (at,) = driver.execute(_STARTED).fetchone() or ("",)
    return str(at)


def server_of(driver: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Words of the server and its database that no other one has, nor this one after another server took over."""
    which = list(driver.execute(_DATABASE).fetchone() or ())
    if driver.execute(_MAY_ASK).fetchone() == (True,):
        which += driver.execute(_TIMELINE).fetchone() or ()
    return tuple(map(str, which))


def _create(connection: Connection, address: Address) -> None:
    tables = server_tables()
    connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{address.gallery}"')
    tables.create_all(connection, checkfirst=False)
    version_table.create(connection, checkfirst=False)
    connection.execute(insert(version_table).values(version_num=REVISIONS[-1]))
    connection.execute(insert(tables.tables["origin"]).values(id=secrets.token_hex(16)))


def _migrate(connection: Connection, where: str) -> None:
    try:
        upgrade(connection, "head")
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise StoreError(f"{where} could not be updated to this version and is left as it was ({reason})") from error
