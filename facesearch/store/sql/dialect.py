"""What differs between databases beyond single expressions (`facesearch.store.sql.expressions`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Connection, Engine

from facesearch.store.records import IndexState
from facesearch.store.sql.plans import Row, TablePlan

_OPTION = "facesearch_dialect"
T = TypeVar("T")


class Dialect(Protocol):
    """How a database does what the roles need of it.

    A connection carries its dialect: `dialect_of(connection).insert_rows(…)`.
    """

    def in_plain_words(self, where: str) -> AbstractContextManager[None]:
        """Turns failures of the database into errors for the user; `where` names the gallery."""
        ...

    def insert_rows(self, connection: Connection, plan: TablePlan, rows: Sequence[Row]) -> None:
        """Insert rows with their checksums; the ids of tables that never reuse any are noted as given."""
        ...

    def note_given(self, connection: Connection, table: str, highest: int) -> None:
        """Note that ids up to the highest were given in a table that never reuses any."""
        ...

    def ids_by(self, connection: Connection, column: str, values: Sequence[T]) -> Iterable[tuple[T, int]]:
        """Those of at most 500 values that a column, given as "table.column", holds: each with the id of its row."""
        ...

    def count_templates(self, connection: Connection) -> tuple[int, int]:
        """How many templates there are, and the sum of their ids; raises `StoreError` where SQL indexes disagree."""
        ...

    def templates_by_person(self, connection: Connection) -> dict[int, tuple[int, int]]:
        """Numbers of templates and of images by identity; raises `StoreError` where SQL indexes disagree."""
        ...

    def has_unindexed(self, connection: Connection, identity_id: int) -> bool:
        """Whether the table itself has templates of an identity for whom its index gave none."""
        ...

    def index_rows(self, connection: Connection) -> AbstractContextManager[Connection]:
        """The connection to the rows that say which index files are valid: they are where the files are. What is
        written there holds once the transaction of `connection` does."""
        ...

    def note_log(self, connection: Connection, rows: Connection, state: IndexState) -> None:
        """Write beside files that were just recorded in `rows` what their log is known by, where it is elsewhere."""
        ...


def with_dialect(engine: Engine, dialect: Dialect) -> Engine:
    """The same engine and pool, whose connections carry a dialect."""
    return engine.execution_options(**{_OPTION: dialect})


def dialect_of(connection: Connection) -> Dialect:
    """The dialect that a connection carries."""
    return cast("Dialect", cast("dict[str, Any]", connection.get_execution_options())[_OPTION])
