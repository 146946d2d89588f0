"""Transactions on a server, with what this machine notes beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine

from facesearch.errors import StoreError, StoreUnreachableError
from facesearch.store.postgresql.attempt import ATTEMPT, Attempt, Connect
from facesearch.store.postgresql.projection import BESIDE, Beside
from facesearch.store.postgresql.schema import OPENED, Found
from facesearch.store.sql.dialect import Dialect
from facesearch.store.sql.transactions import Transactions


class ServerTransactions(Transactions):
    """Transactions on a server, with what is written here beside them: it holds once they have committed.

    found: the gallery that was opened. Every transaction makes sure that it still is that one: another one that was put
    in its place may have come as far in its log, and what is known of the first would be taken for the second.
    connect: makes a connection of its own, on which a server is asked what became of a transaction.
    """

    def __init__(
        self,
        reader: Engine,
        writer: Engine,
        dialect: Dialect,
        where: str,
        *,
        read_only: bool,
        found: Found,
        connect: Connect,
    ) -> None:
        super().__init__(
            reader, writer, dialect, where, read_only=read_only or not (found.may_write and found.takes_changes)
        )
        self._found, self._opened, self._connect = found, found.opened, connect

    def require_write(self) -> None:
        if not self._found.takes_changes:
            raise StoreError(f"{self.where} cannot be written: the server takes no changes")
        if not self._found.may_write:
            raise StoreError(f"no permission to write to {self.where}")
        super().require_write()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with super().reading() as connection:
            self._make_sure(connection)
            yield connection

    def _make_sure(self, connection: Connection, *more: str) -> tuple[Any, ...]:
        origin, oid, *asked = connection.exec_driver_sql(", ".join([OPENED, *more])).one()
        if (origin, oid) != self._opened:
            raise StoreError(f"another gallery was put in the place of {self.where}: open it anew")
        return tuple(asked)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with ExitStack() as after, self._found_out() as attempt, super().writing() as connection:
            (attempt.number,) = self._make_sure(connection, ATTEMPT)
            about = connection.info  # which is out of reach once the connection is cut
            about[BESIDE] = Beside(after)
            try:
                yield connection
            finally:
                del about[BESIDE]
            attempt.committing = True

    @contextmanager
    def _found_out(self) -> Iterator[Attempt]:
        """Where a connection is lost while a transaction is committed, the server is asked what became of it."""
        attempt = Attempt(self._found.started)
        try:
            yield attempt
        except StoreUnreachableError:
            if not attempt.committing:
                raise
            committed = attempt.outcome(self._connect)
            if committed is None:
                raise StoreUnreachableError(
                    f"the server of {self.where} went away before it said whether this was done: it may have been; "
                    "see, or do it again"
                ) from None
            if not committed:
                raise
