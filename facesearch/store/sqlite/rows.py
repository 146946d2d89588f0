"""Rows with their checksums on SQLite: CRC-32, computed in Python.

`row_checksum` is also an SQL function of every connection, so that a query can compare whole tables.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from itertools import chain

from sqlalchemy import Connection

from facesearch.store.sql.plans import Row, TablePlan

_TOGETHER = 64  # rows in a statement: more than one take less time each; old builds of SQLite allow 999 values


def row_checksum(blob: bytes | None, *values: object) -> int:
    """CRC-32 of a row: its column of bytes, if it has one, then its other columns in the order of the table."""
    return zlib.crc32(ascii(values).encode("ascii"), zlib.crc32(blob or b""))


def register(connection: sqlite3.Connection) -> None:
    """Make `row_checksum` known to a connection."""
    connection.create_function("row_checksum", -1, row_checksum, deterministic=True)


def insert_rows(connection: Connection, plan: TablePlan, rows: Sequence[Row]) -> None:
    """Insert rows, past SQLAlchemy's expressions, which for a row take longer than SQLite does."""
    whole = len(rows) - len(rows) % _TOGETHER
    values = _with_checksums(plan, rows)
    for count, some in ((_TOGETHER, values[:whole]), (1, values[whole:])):
        if some:
            groups = [tuple(chain.from_iterable(some[at : at + count])) for at in range(0, len(some), count)]
            connection.exec_driver_sql(_statement(plan, count), groups)


def note_given(connection: Connection, table: str, highest: int) -> None:
    """See `facesearch.store.sql.dialect.Dialect`."""
    there = connection.exec_driver_sql("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (highest, table))
    if not there.rowcount:
        connection.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, highest))


def _statement(plan: TablePlan, count: int) -> str:
    """The statement for so many rows at once."""
    marks = ", ".join("?" * (len(plan.names) + 1))
    rows = ", ".join([f"({marks})"] * count)
    return f"INSERT INTO {plan.table.name} ({', '.join(plan.names)}, checksum) VALUES {rows}"  # noqa: S608 - our names


def _with_checksums(plan: TablePlan, rows: Sequence[Row]) -> list[Row]:
    """The rows with their checksums: `row_checksum`, without a call for each of a million."""
    at, crc32 = plan.blob_at, zlib.crc32
    if at is None:
        return [(*row, crc32(ascii(row).encode("ascii"), 0)) for row in rows]
    return [(*row, crc32(ascii(row[:at] + row[at + 1 :]).encode("ascii"), crc32(row[at]))) for row in rows]
