"""A checksum in every row that an answer depends on.

SQLite has none: a bit that flips on the disk is noticed only where it breaks the structure of the file, and a template,
a name or the owner of a template would change unseen. So each of these rows carries the CRC-32 of all its other
columns, computed when it is written and compared whenever it is read for an answer. `row_checksum` is also an SQL
function of every connection, so that a query can compare whole tables.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import REAL, ColumnElement, Connection, Integer, LargeBinary, Table, func, select, update

from facesearch.errors import StoreError
from facesearch.store.models import (
    Base,
    Codebook,
    Encoder,
    Gallery,
    Identity,
    Image,
    RemovalLog,
    StoredIndex,
    Template,
)

Values = Mapping[str, Any]

COVERED: tuple[type[Base], ...] = (Gallery, Encoder, Identity, Image, Template, Codebook, RemovalLog, StoredIndex)
_NAMED = 5  # damaged rows that are named
_ADVICE = "restore a backup"
_REBUILT = {StoredIndex.__tablename__: "facesearch index build repairs it"}


def row_checksum(blob: bytes | None, *values: object) -> int:
    """CRC-32 of a row: its column of bytes, if it has one, then its other columns in the order of the table."""
    return zlib.crc32(ascii(values).encode("ascii"), zlib.crc32(blob or b""))


def register(connection: sqlite3.Connection) -> None:
    """Make `row_checksum` known to a connection."""
    connection.create_function("row_checksum", -1, row_checksum, deterministic=True)


def is_sound(model: type[Base]) -> ColumnElement[bool]:
    """An SQL expression: whether the row is as it was written."""
    return _stored(model) == _computed(model)


def is_sound_if_there(model: type[Base]) -> ColumnElement[bool]:
    """The same for the optional side of an outer join."""
    return _table(model).c.id.is_(None) | is_sound(model)


def insert_rows(connection: Connection, model: type[Base], rows: Sequence[Values]) -> None:
    """Insert rows, given by all their columns but the checksum."""
    if rows:
        plan = _plan(model)
        connection.exec_driver_sql(plan.insert, [plan.parameters(row) for row in rows])


def next_id(connection: Connection, model: type[Base]) -> int:
    """The id of the next row; the write lock is held. Where ids are never reused, one above all ever given."""
    table = _table(model)
    highest = connection.scalar(select(func.max(table.c.id))) or 0
    if table.dialect_options["sqlite"]["autoincrement"]:
        given = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).scalar()
        highest = max(highest, given or 0)
    return highest + 1


def refresh(connection: Connection, model: type[Base], where: ColumnElement[bool]) -> None:
    """Write the checksums of rows anew after other columns were changed."""
    table = _table(model)
    connection.execute(update(table).where(where).values(checksum=_computed(model)))


def require_sound(model: type[Base], sound: bool, row_id: int) -> None:
    """Raise `StoreError` for a row that is not as it was written."""
    if not sound:
        name = _table(model).name
        raise StoreError(f"row {row_id} of {name} is damaged: its checksum is wrong; {_REBUILT.get(name, _ADVICE)}")


def damaged_rows(connection: Connection) -> list[str]:
    """Rows whose checksum is wrong, in words, a line per table; empty if there are none."""
    problems = []
    for model in COVERED:
        table = _table(model)
        ids = list(connection.scalars(select(table.c.id).where(~is_sound(model)).order_by(table.c.id)))
        if ids:
            named = ", ".join(map(str, ids[:_NAMED])) + (", …" if len(ids) > _NAMED else "")
            noun = "row" if len(ids) == 1 else "rows"
            advice = _REBUILT.get(table.name, _ADVICE)
            problems.append(f"{len(ids)} {noun} of {table.name} damaged (id {named}): wrong checksum; {advice}")
    return problems


class _Plan:
    """How rows of one table are inserted."""

    def __init__(self, table: Table) -> None:
        columns = [column for column in table.columns if column.name != "checksum"]
        self.names = [column.name for column in columns]
        self.blob = next((column.name for column in columns if isinstance(column.type, LargeBinary)), None)
        self.others = [name for name in self.names if name != self.blob]
        self.reals = [column.name for column in columns if isinstance(column.type, REAL)]
        marks = ", ".join("?" * (len(columns) + 1))
        self.insert = f"INSERT INTO {table.name} ({', '.join(self.names)}, checksum) VALUES ({marks})"  # noqa: S608

    def parameters(self, row: Values) -> tuple[object, ...]:
        values = dict(row)
        for name in self.reals:  # SQLite gives whole numbers back as floats from these columns
            if values[name] is not None:
                values[name] = float(values[name])
        checksum = row_checksum(values[self.blob] if self.blob else None, *[values[name] for name in self.others])
        return (*[values[name] for name in self.names], checksum)


@cache
def _plan(model: type[Base]) -> _Plan:
    return _Plan(_table(model))


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101 - for the type checker
    return table


def _stored(model: type[Base]) -> ColumnElement[int]:
    return _table(model).c.checksum


@cache
def _computed(model: type[Base]) -> ColumnElement[int]:
    table, plan = _table(model), _plan(model)
    blob = table.c[plan.blob] if plan.blob else None
    return func.row_checksum(blob, *[table.c[name] for name in plan.others], type_=Integer)
