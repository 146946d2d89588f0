"""What PostgreSQL does its own way; see `facesearch.store.sql.dialect.Dialect`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from facesearch.store.postgresql.projection import Projection, note_milestones
from facesearch.store.postgresql.rows import insert_rows, note_given
from facesearch.store.postgresql.vectors import PostgresqlVectors
from facesearch.store.postgresql.words import in_plain_words
from facesearch.store.records import IndexState
from facesearch.store.sql.dialect import T
from facesearch.store.sql.plans import Row, TablePlan


class PostgresqlDialect:
    """A `Dialect`. projection: where it is recorded which index files of this machine are valid. vectors: those of the
    templates, once the store has them."""

    vectors: PostgresqlVectors | None = None

    def __init__(self, projection: Projection) -> None:
        self._projection = projection

    def in_plain_words(self, where: str) -> AbstractContextManager[None]:
        return in_plain_words(where)

    def insert_rows(self, connection: Connection, plan: TablePlan, rows: Sequence[Row]) -> None:
        insert_rows(connection, plan, rows)
        if self.vectors is not None and plan.table.name == "templates":
            self.vectors.follow(connection)

    def ids_by(self, connection: Connection, column: str, values: Sequence[T]) -> Iterable[tuple[T, int]]:
        wanted = f"SELECT {column}, id FROM {column.partition('.')[0]} WHERE {column} = ANY(%s)"  # noqa: S608
        return [(value, number) for value, number in connection.exec_driver_sql(wanted, (list(values),))]

    def note_given(self, connection: Connection, table: str, highest: int) -> None:
        note_given(connection, table, highest)

    def count_templates(self, connection: Connection) -> tuple[int, int]:
        row = connection.exec_driver_sql("SELECT count(*), coalesce(sum(id), 0)::bigint FROM templates").one()
        return row[0], row[1]

    def templates_by_person(self, connection: Connection) -> dict[int, tuple[int, int]]:
        counted = "SELECT identity_id, count(*), count(DISTINCT image_id) FROM templates GROUP BY identity_id"
        return {number: (templates, images) for number, templates, images in connection.exec_driver_sql(counted)}

    def has_unindexed(self, connection: Connection, identity_id: int) -> bool:
        return False  # whether indexes are whole is asked of the server's own tools (amcheck)

    def note_log(self, connection: Connection, rows: Connection, state: IndexState) -> None:
        note_milestones(connection, rows, state)

    def index_rows(self, connection: Connection) -> AbstractContextManager[Connection]:
        return self._projection.rows_beside(connection)
