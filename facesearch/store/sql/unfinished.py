"""Copies that are being made: until one is whole, its database says so, and is no gallery.

It has the tables of a gallery, but no revision, so that earlier versions refuse it, too; and two tables that go when it
is finished: `unfinished_copy` says of what it is a copy, `copied_rows` how far each table has come. Rows and what is
said of them are written in one transaction: a process that is killed leaves a copy that another one can go on with.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from facesearch.errors import StoreBusyError, StoreError, UsageError
from facesearch.store.sql.models import REVISIONS, version_table

_TABLES = MetaData()
_MARKER = Table(
    "unfinished_copy",
    _TABLES,
    Column("source", Text, nullable=False),
    Column("shown", Text, nullable=False),
    Column("worker", Text, nullable=False),
)
_COPIED = Table(
    "copied_rows",
    _TABLES,
    Column("name", Text, primary_key=True),
    Column("last_id", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
)
MARKER = _MARKER.name


@dataclass(frozen=True, slots=True)
class Copying:
    """A copy that is being made by this process. source: of what, in words that nothing else has; shown: to people,
    without a password. worker: told from others that go on with it."""

    source: str
    shown: str
    worker: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class Copied:
    """How far a table has come: the rows with the lowest ids up to last_id, and the SHA-256 of them all."""

    last_id: int
    rows: int
    sha256: bytes


def begin(connection: Connection, copying: Copying) -> None:
    """Say of an empty gallery that it is a copy in the making."""
    _TABLES.create_all(connection, checkfirst=False)
    connection.execute(delete(version_table))
    values = {"source": copying.source, "shown": copying.shown, "worker": copying.worker}
    connection.execute(insert(_MARKER).values(**values))


def take_over(connection: Connection, copying: Copying, where: str) -> None:
    """Go on with a copy; whoever was at work on it finds out. Raises `UsageError` for one of something else."""
    source, shown = connection.execute(select(_MARKER.c.source, _MARKER.c.shown)).one()
    if source != copying.source:
        raise UsageError(f"{where} is an unfinished copy of {shown}, not of {copying.shown}: choose another place")
    connection.execute(update(_MARKER).values(worker=copying.worker))


def require_mine(connection: Connection, copying: Copying) -> None:
    """Raise `StoreBusyError` where another process has taken the copy over."""
    if connection.scalar(select(_MARKER.c.worker)) != copying.worker:
        raise StoreBusyError(f"another process goes on with this copy of {copying.shown}")


def unfinished(connection: Connection, where: str) -> StoreError:
    """The error for whoever would use a copy that is not finished."""
    shown = connection.scalar(select(_MARKER.c.shown))
    return StoreError(f"{where} is an unfinished copy of {shown}; the command that began it goes on with it")


def copied(connection: Connection) -> dict[str, Copied]:
    """How far each table has come, by its name; none for those that were not begun."""
    rows = connection.execute(select(_COPIED.c.name, _COPIED.c.last_id, _COPIED.c.rows, _COPIED.c.sha256))
    return {name: Copied(last_id, count, sha256) for name, last_id, count, sha256 in rows}


def note_copied(connection: Connection, name: str, done: Copied) -> None:
    """Note how far a table has come, with the transaction that brought it there."""
    values = {"last_id": done.last_id, "rows": done.rows, "sha256": done.sha256}
    if not connection.execute(update(_COPIED).where(_COPIED.c.name == name).values(**values)).rowcount:
        connection.execute(insert(_COPIED).values(name=name, **values))


def forget_copied(connection: Connection, names: list[str]) -> None:
    """The same of tables whose rows are deleted."""
    connection.execute(delete(_COPIED).where(_COPIED.c.name.in_(names)))


def finish(connection: Connection, copying: Copying) -> None:
    """Make a gallery of the copy."""
    require_mine(connection, copying)
    _TABLES.drop_all(connection, checkfirst=False)
    connection.execute(insert(version_table).values(version_num=REVISIONS[-1]))
