"""Transactions on one SQLite database, each around the statements of one method of a role."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sqlalchemy import Connection, Engine

from facesearch.errors import DiskFullError, StoreError
from facesearch.store.sqlite.connection import in_plain_words, writing


class Transactions:
    """Begins transactions for the roles of a store. Safe to share between threads.

    where: names the gallery in errors. disk_full: why it is opened for reading only. in_memory: all threads share one
    connection, and so one transaction at a time.
    """

    def __init__(self, engine: Engine, where: str, *, read_only: bool, disk_full: bool, in_memory: bool) -> None:
        self.where = where
        self.disk_full = disk_full
        self.read_only = read_only
        self._engine = engine
        self._writer = writing(engine)
        self._alone = threading.RLock() if in_memory else nullcontext()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the database."""
        with self._alone, in_plain_words(self.where), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its beginning; raises `StoreBusyError`, `StoreError`."""
        self.require_write()
        with self._alone, in_plain_words(self.where), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def outside(self) -> Iterator[sqlite3.Connection]:
        """A bare connection, for what SQLite does not do inside a transaction."""
        with in_plain_words(self.where):
            pooled = self._engine.raw_connection()
            try:
                driver = pooled.driver_connection
                assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the type checker
                yield driver
            finally:
                pooled.close()

    def require_write(self) -> None:
        """Raise `StoreError` where the store was opened for reading only."""
        if self.disk_full:
            raise DiskFullError(f"the disk is full; nothing was changed in {self.where}: make some room and try again")
        if self.read_only:
            raise StoreError(f"{self.where} was opened for reading only")

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._engine.dispose()
