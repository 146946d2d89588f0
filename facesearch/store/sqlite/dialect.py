"""What SQLite does its own way; see `facesearch.store.sql.dialect.Dialect`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

from sqlalchemy import Connection

from facesearch.store.records import IndexState
from facesearch.store.sql.dialect import T
from facesearch.store.sql.plans import Row, TablePlan
from facesearch.store.sqlite import counting
from facesearch.store.sqlite.connection import in_plain_words
from facesearch.store.sqlite.rows import insert_rows, note_given


class SqliteDialect:
    """A `Dialect`."""

    def in_plain_words(self, where: str) -> AbstractContextManager[None]:
        return in_plain_words(where)

    def insert_rows(self, connection: Connection, plan: TablePlan, rows: Sequence[Row]) -> None:
        insert_rows(connection, plan, rows)

    def ids_by(self, connection: Connection, column: str, values: Sequence[T]) -> Iterable[tuple[T, int]]:
        marks = ", ".join("?" * len(values))  # past SQLAlchemy, whose lists of values cost more than the look-up
        wanted = f"SELECT {column}, id FROM {column.partition('.')[0]} WHERE {column} IN ({marks})"  # noqa: S608
        return [(value, number) for value, number in connection.exec_driver_sql(wanted, tuple(values))]

    def note_given(self, connection: Connection, table: str, highest: int) -> None:
        note_given(connection, table, highest)

    def count_templates(self, connection: Connection) -> tuple[int, int]:
        return counting.count_templates(connection)

    def templates_by_person(self, connection: Connection) -> dict[int, tuple[int, int]]:
        return counting.templates_by_person(connection)

    def has_unindexed(self, connection: Connection, identity_id: int) -> bool:
        return counting.has_unindexed(connection, identity_id)

    def note_log(self, connection: Connection, rows: Connection, state: IndexState) -> None:
        pass  # it is in the same database

    def index_rows(self, connection: Connection) -> AbstractContextManager[Connection]:
        return nullcontext(connection)  # in the same database
