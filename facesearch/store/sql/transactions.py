"""Transactions on one database, each around the statements of one method of a role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from facesearch.errors import DiskFullError, StoreError
from facesearch.store.sql.dialect import Dialect, with_dialect

D = TypeVar("D")  # a driver's connection


class Transactions:
    """Begins transactions for the roles of a store. Safe to share between threads.

    reader, writer: of one pool; transactions of the first see one moment of the database, those of the second hold its
    write lock from their beginning. where: names the gallery in errors. disk_full: why it is opened for reading only.
    alone: held around each transaction, where all threads share one connection.
    """

    def __init__(
        self,
        reader: Engine,
        writer: Engine,
        dialect: Dialect,
        where: str,
        *,
        read_only: bool,
        disk_full: bool = False,
        alone: AbstractContextManager[Any] | None = None,
    ) -> None:
        self.where = where
        self.disk_full = disk_full
        self.read_only = read_only
        self._reader = with_dialect(reader, dialect)
        self._writer = with_dialect(writer, dialect)
        self._dialect = dialect
        self._alone = nullcontext() if alone is None else alone

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the database."""
        with self._alone, self._dialect.in_plain_words(self.where), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its beginning; raises `StoreBusyError`, `StoreError`."""
        self.require_write()
        with self._alone, self._dialect.in_plain_words(self.where), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def outside(self, kind: type[D]) -> Iterator[D]:
        """A bare connection of the driver, of this kind, for what the database does not do inside a transaction."""
        with self._dialect.in_plain_words(self.where):
            pooled = self._reader.raw_connection()
            try:
                driver = pooled.driver_connection
                assert isinstance(driver, kind)  # noqa: S101 - for the type checker
                yield driver
            finally:
                if getattr(driver, "closed", False):  # cut: the pool would try in vain to make it as it was
                    pooled.invalidate()
                pooled.close()

    def require_write(self) -> None:
        """Raise `StoreError` where the store was opened for reading only."""
        if self.disk_full:
            raise DiskFullError(f"the disk is full; nothing was changed in {self.where}: make some room and try again")
        if self.read_only:
            raise StoreError(f"{self.where} was opened for reading only")

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._reader.dispose()
