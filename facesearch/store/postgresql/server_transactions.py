"""Transactions on a server, with what this machine notes beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Connection, Engine

from facesearch.errors import StoreError
from facesearch.store.postgresql.projection import BESIDE, Beside
from facesearch.store.postgresql.schema import OPENED, Found
from facesearch.store.sql.dialect import Dialect
from facesearch.store.sql.transactions import Transactions


class ServerTransactions(Transactions):
    """Transactions on a server, with what is written here beside them: it holds once they have committed.

    found: the gallery that was opened. Every transaction makes sure that it still is that one: another one that was put
    in its place may have come as far in its log, and what is known of the first would be taken for the second.
    """

    def __init__(
        self, reader: Engine, writer: Engine, dialect: Dialect, where: str, *, read_only: bool, found: Found
    ) -> None:
        super().__init__(reader, writer, dialect, where, read_only=read_only or not found.may_write)
        self._may_write, self._opened = found.may_write, found.opened

    def require_write(self) -> None:
        if not self._may_write:
            raise StoreError(f"no permission to write to {self.where}")
        super().require_write()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with super().reading() as connection:
            self._make_sure(connection)
            yield connection

    def _make_sure(self, connection: Connection) -> None:
        if tuple(connection.exec_driver_sql(OPENED).one()) != self._opened:
            raise StoreError(f"another gallery was put in the place of {self.where}: open it anew")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with ExitStack() as after, super().writing() as connection:
            self._make_sure(connection)
            about = connection.info  # which is out of reach once the connection is cut
            about[BESIDE] = Beside(after)
            try:
                yield connection
            finally:
                del about[BESIDE]
