"""Rows with their checksums on PostgreSQL: the server computes them, so that they cost no time here.

Few rows go as the values of one statement; many by COPY into a temporary table, and from there to their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain

from sqlalchemy import REAL, Connection, LargeBinary, Text, null
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect

from facesearch.store.postgresql.connection import driver_of
from facesearch.store.sql.expressions import RowChecksum
from facesearch.store.sql.plans import Row, TablePlan

_FEW = 48  # rows up to which one statement takes less time
_TYPES = ((LargeBinary, "bytea"), (Text, "text"), (REAL, "float8"))


def insert_rows(connection: Connection, plan: TablePlan, rows: Sequence[Row]) -> None:
    """Insert rows; their first column is the id."""
    if len(rows) <= _FEW:
        connection.exec_driver_sql(_insert_values(plan, len(rows)), tuple(chain.from_iterable(rows)))
    else:
        _copy(connection, plan, rows)
    if plan.never_reused:
        note_given(connection, plan.table.name, max(row[0] for row in rows))


def note_given(connection: Connection, table: str, highest: int) -> None:
    """See `facesearch.store.sql.dialect.Dialect`."""
    connection.exec_driver_sql(
        "INSERT INTO numbers (name, last) VALUES (%s, %s) "
        "ON CONFLICT (name) DO UPDATE SET last = greatest(numbers.last, excluded.last)",
        (table, highest),
    )


def _copy(connection: Connection, plan: TablePlan, rows: Sequence[Row]) -> None:
    driver = driver_of(connection)
    name, staged = plan.table.name, f"staged_{plan.table.name}"
    columns = ", ".join(plan.names)
    with driver.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {staged} ON COMMIT DROP AS SELECT {columns} FROM {name} LIMIT 0")  # noqa: S608
        with cursor.copy(f"COPY {staged} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(_types(plan))
            for row in rows:
                copy.write_row(row)
        cursor.execute(_insert_from(plan, f"{staged} AS {name}"))
        cursor.execute(f"DROP TABLE {staged}")


@cache
def _insert_values(plan: TablePlan, count: int) -> str:
    marks = "(" + ", ".join(f"%s::{kind}" for kind in _types(plan)) + ")"
    values = f"(VALUES {', '.join([marks] * count)}) AS {plan.table.name} ({', '.join(plan.names)})"
    return _insert_from(plan, values)


def _insert_from(plan: TablePlan, source: str) -> str:
    """Insert what a source has, which bears the name of the table; with the checksums of its rows."""
    columns = ", ".join(plan.names)
    return f"INSERT INTO {plan.table.name} ({columns}, checksum) SELECT {columns}, {_checksum(plan)} FROM {source}"  # noqa: S608


@cache
def _checksum(plan: TablePlan) -> str:
    columns = plan.table.c
    expression = RowChecksum(columns[plan.blob] if plan.blob else null(), *(columns[name] for name in plan.others))
    return str(expression.compile(dialect=psycopg_dialect.dialect()))  # type: ignore[no-untyped-call]


@cache
def _types(plan: TablePlan) -> list[str]:
    """What the columns but the checksum are on the server."""
    kinds = (plan.table.c[name].type for name in plan.names)
    return [next((kind for of, kind in _TYPES if isinstance(each, of)), "int8") for each in kinds]
