"""Bring a database to the schema that `models` describes.

An up-to-date database costs one SELECT. An empty one gets the tables of `models` directly; an older one is migrated by
Alembic, which is imported only then. A test proves that both ways end at the same schema.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection, Engine, insert, select, text

from facesearch.errors import StoreError, UsageError
from facesearch.store.sql import unfinished
from facesearch.store.sql.migrating import known_revision, upgrade
from facesearch.store.sql.models import REVISIONS, Base, version_table
from facesearch.store.sql.unfinished import Copying
from facesearch.store.sqlite.connection import writing


def prepare(engine: Engine, where: str) -> None:
    """Create or migrate the tables; `where` names the gallery in errors.

    Raises:
        NewerSchemaError: a newer version of facesearch has written the database.
        StoreError: it is another program's database, or the migration failed; it is left as it was.
    """
    with engine.connect() as connection, connection.begin():
        revision = _revision(connection, where)
    if revision == REVISIONS[-1]:
        return
    with writing(engine).connect() as connection:
        # A migration that rebuilds a table drops the old one, which must not take the rows that refer to it along.
        _enforce_foreign_keys(connection, False)
        try:
            with connection.begin():
                # Another process may have done the work while this one waited for the lock.
                revision = _revision(connection, where)
                if revision is None:
                    _create(connection)
                elif revision != REVISIONS[-1]:
                    _migrate(connection, where)
        finally:
            _enforce_foreign_keys(connection, True)


def prepare_copy(engine: Engine, where: str, copying: Copying) -> None:
    """Begin a copy in an empty database, or go on with one; raises `UsageError` where there is anything else."""
    with writing(engine).connect() as connection, connection.begin():
        tables = _tables(connection)
        if not tables:
            _create(connection)
            unfinished.begin(connection, copying)
        elif unfinished.MARKER in tables:
            unfinished.take_over(connection, copying, where)
        else:
            raise UsageError(f"there is a gallery in {where} already: choose another place")


def check(engine: Engine, where: str) -> None:
    """For a database that may not be written: raise unless its schema is the one of this version."""
    with engine.connect() as connection, connection.begin():
        revision = _revision(connection, where)
    if revision is None:
        raise StoreError(f"{where} is empty; enrol somebody first")
    if revision != REVISIONS[-1]:
        raise StoreError(f"{where} was written by an older facesearch; open it once with write permission to update it")


def _revision(connection: Connection, where: str) -> str | None:
    """The known revision that the database is at, None for an empty database."""
    tables = _tables(connection)
    if not tables:
        return None
    if unfinished.MARKER in tables:
        raise unfinished.unfinished(connection, where)
    if not {version_table.name, "identities"} <= tables:
        raise StoreError(f"{where} is not a facesearch gallery (it holds the tables of another program)")
    found = connection.scalars(select(version_table.c.version_num)).all()
    return known_revision(found, where)


def _tables(connection: Connection) -> set[str]:
    return set(connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")))


def _enforce_foreign_keys(connection: Connection, on: bool) -> None:
    # Past SQLAlchemy, which would begin a transaction, inside which SQLite ignores this.
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the type checker
    driver.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}").close()


def _create(connection: Connection) -> None:
    Base.metadata.create_all(connection, checkfirst=False)
    version_table.create(connection, checkfirst=False)
    connection.execute(insert(version_table).values(version_num=REVISIONS[-1]))


def _migrate(connection: Connection, where: str) -> None:
    try:
        upgrade(connection, "head")
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise StoreError(f"{len(broken)} rows refer to rows that are missing")
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise StoreError(f"{where} could not be updated to this version and is left as it was ({reason})") from error
