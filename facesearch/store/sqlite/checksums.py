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
from itertools import chain
from typing import Any

from sqlalchemy import REAL, ColumnElement, Connection, Integer, LargeBinary, Table, func, select, update

from facesearch.errors import StoreError
from facesearch.store.sqlite.models import (
    AliasRow,
    Base,
    CodebookRow,
    CohortRow,
    CollectedPhotoRow,
    EncoderRow,
    ForgottenPhotoRow,
    GalleryRow,
    IdentityRow,
    IgnoredRow,
    ImageRow,
    IndexStateRow,
    KeptAsideRow,
    KeptSuspectRow,
    NegativeRow,
    NoteRow,
    RejectedPhotoRow,
    RemovalRow,
    SecretRow,
    SegmentRow,
    SetAsideRow,
    TagRow,
    TemplateRow,
    UnknownClusterRow,
    UnknownFaceRow,
    UnknownPairRow,
)

Row = tuple[Any, ...]

COVERED: tuple[type[Base], ...] = (
    GalleryRow,
    EncoderRow,
    IdentityRow,
    ImageRow,
    TemplateRow,
    SetAsideRow,
    KeptAsideRow,
    KeptSuspectRow,
    NegativeRow,
    AliasRow,
    TagRow,
    NoteRow,
    IgnoredRow,
    ForgottenPhotoRow,
    RejectedPhotoRow,
    CollectedPhotoRow,
    UnknownClusterRow,
    UnknownFaceRow,
    UnknownPairRow,
    SecretRow,
    CodebookRow,
    CohortRow,
    RemovalRow,
    IndexStateRow,
    SegmentRow,
)
_TOGETHER = 64  # rows in a statement: more than one take less time each; old builds of SQLite allow 999 values
_NAMED = 5  # damaged rows that are named
_ADVICE = "restore a backup"
_REBUILT = {row.__tablename__: "facesearch index build repairs it" for row in (IndexStateRow, SegmentRow)} | {
    CohortRow.__tablename__: "facesearch calibrate --cohort none removes it",
    KeptSuspectRow.__tablename__: "facesearch gallery suspects --reconsider removes it",
    UnknownFaceRow.__tablename__: "facesearch unknown discard deletes it, as f and the number, or restore a backup",
}


def row_checksum(blob: bytes | None, *values: object) -> int:
    """CRC-32 of a row: its column of bytes, if it has one, then its other columns in the order of the table."""
    return zlib.crc32(ascii(values).encode("ascii"), zlib.crc32(blob or b""))


def register(connection: sqlite3.Connection) -> None:
    """Make `row_checksum` known to a connection."""
    connection.create_function("row_checksum", -1, row_checksum, deterministic=True)


@cache
def is_sound(model: type[Base]) -> ColumnElement[bool]:
    """An SQL expression: whether the row is as it was written."""
    return _stored(model) == computed(model)


def insert_rows(connection: Connection, model: type[Base], rows: Sequence[Row]) -> None:
    """Insert rows, each given by the values of all columns but the checksum, in the order of the table.

    Numbers for REAL columns have to be floats, as which SQLite gives them back. This goes past SQLAlchemy's
    expressions, which for a row take longer than SQLite does.
    """
    plan = _plan(model)
    whole = len(rows) - len(rows) % _TOGETHER
    values = plan.parameters(rows)
    for count, some in ((_TOGETHER, values[:whole]), (1, values[whole:])):
        if some:
            groups = [tuple(chain.from_iterable(some[at : at + count])) for at in range(0, len(some), count)]
            connection.exec_driver_sql(plan.insert(count), groups)


def insert_row(connection: Connection, model: type[Base], values: Mapping[str, Any]) -> None:
    """Insert one row, given by the names of all columns but the checksum."""
    plan = _plan(model)
    values = {name: str(value) if isinstance(value, str) else value for name, value in values.items()}  # not NumPy's
    real = {name: float(values[name]) for name in plan.reals if values[name] is not None}
    insert_rows(connection, model, [tuple(real.get(name, values[name]) for name in plan.names)])


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
    connection.execute(update(table).where(where).values(checksum=computed(model)))


def computed(model: type[Base], **changed: int | None) -> ColumnElement[int]:
    """An SQL expression: the checksum of a row, with other values in the columns that are about to be changed."""
    table, plan = _table(model), _plan(model)
    blob = table.c[plan.blob] if plan.blob else None
    values = [changed.get(name, table.c[name]) for name in plan.others]
    return func.row_checksum(blob, *values, type_=Integer)


def require_sound(model: type[Base], sound: bool, row_id: int) -> None:
    """Raise `StoreError` for a row that is not as it was written."""
    if not sound:
        name = _table(model).name
        raise StoreError(f"row {row_id} of {name} is damaged: its checksum is wrong; {_REBUILT.get(name, _ADVICE)}")


def require_all_sound(connection: Connection, model: type[Base], where: ColumnElement[bool]) -> None:
    """The same for all rows that a condition holds for. New checksums would hide a damage: it is called before."""
    number = _table(model).c.id
    damaged = connection.scalar(select(number).where(where, ~is_sound(model)).limit(1))
    if damaged is not None:
        require_sound(model, False, damaged)


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
        self._blob_at = self.names.index(self.blob) if self.blob else None
        self.reals = {column.name for column in columns if isinstance(column.type, REAL)}
        self._table = table.name

    def insert(self, count: int) -> str:
        """The statement for so many rows at once."""
        marks = ", ".join("?" * (len(self.names) + 1))
        rows = ", ".join([f"({marks})"] * count)
        return f"INSERT INTO {self._table} ({', '.join(self.names)}, checksum) VALUES {rows}"  # noqa: S608 - our names

    def parameters(self, rows: Sequence[Row]) -> list[Row]:
        """The rows with their checksums: `row_checksum`, without a call for each of a million."""
        at, crc32 = self._blob_at, zlib.crc32
        if at is None:
            return [(*row, crc32(ascii(row).encode("ascii"), 0)) for row in rows]
        return [(*row, crc32(ascii(row[:at] + row[at + 1 :]).encode("ascii"), crc32(row[at]))) for row in rows]


@cache
def _plan(model: type[Base]) -> _Plan:
    return _Plan(_table(model))


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101 - for the type checker
    return table


def _stored(model: type[Base]) -> ColumnElement[int]:
    return _table(model).c.checksum
