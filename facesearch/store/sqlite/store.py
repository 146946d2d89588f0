"""The store of a gallery on SQLite: its roles, opened together, and what concerns the whole database.

What the methods do, return and raise is told in `facesearch.store.roles.GalleryStore`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine

from facesearch.errors import GalleryNotFoundError, StoreError, UsageError
from facesearch.files.permissions import make_private_folder, open_private
from facesearch.store.records import Progress
from facesearch.store.sql.checksums import damaged_rows
from facesearch.store.sql.store import SqlStore
from facesearch.store.sql.transactions import Transactions
from facesearch.store.sql.unfinished import Copying
from facesearch.store.sqlite import schema
from facesearch.store.sqlite.connection import BUSY_SECONDS, file_engine, in_plain_words, memory_engine, writing
from facesearch.store.sqlite.dialect import SqliteDialect
from facesearch.store.sqlite.gaps import any_left
from facesearch.store.sqlite.snapshot import copy_snapshot

DATABASE_NAME = "gallery.db"
_WIPE_SECONDS = 3.0  # that a checkpoint waits for readers; what it could not wipe, the next one does


def open_store(
    folder_or_url: str | os.PathLike[str],
    *,
    read_only: bool = False,
    disk_full: bool = False,
    create: bool = True,
    busy_seconds: float = BUSY_SECONDS,
    copying: Copying | None = None,
) -> SqliteStore:
    """Open the identity store of a gallery, creating it or bringing its schema up to date.

    Args:
        folder_or_url: the gallery's folder, `sqlite:///FILE`, or `sqlite://` for a store in memory.
        read_only: write nothing, not even a lock file where SQLite can do without; works in a folder that may not be
            written to.
        disk_full: read only because there is no room to write; attempts to write say so.
        create: whether a gallery that is not there yet is made.
        busy_seconds: how long to wait for another process that is writing.
        copying: the store is to be a copy, or is one that is not finished; see `facesearch.store.sql.copying`.

    Raises:
        GalleryNotFoundError: there is no gallery and none was to be created.
        UsageError: there is a gallery in the place of the copy.
        NewerSchemaError, StoreBusyError, DiskFullError, StoreError
    """
    given = os.fspath(folder_or_url)
    if given in {"sqlite://", "sqlite:///:memory:"}:
        return _prepared(SqliteStore(memory_engine(), None, "the gallery in memory", read_only=False))
    if "://" in given and not given.startswith("sqlite:///"):
        raise UsageError(f"galleries are kept in SQLite: give a folder or sqlite:///FILE instead of {given}")
    path = Path(given.removeprefix("sqlite:///")) if given.startswith("sqlite:///") else Path(given) / DATABASE_NAME
    read_only = read_only or disk_full
    try:
        if not path.exists():
            if read_only or not create:
                raise GalleryNotFoundError(f"there is no gallery in {path.parent}; enrol somebody first")
            if not path.parent.exists():
                make_private_folder(path.parent)
            with suppress(
                FileExistsError
            ):  # SQLite would ask the umask; its other files get the permissions of this one
                open_private(path).close()
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be used ({(error.strerror or 'error').lower()})") from None
    engine = file_engine(path, read_only=read_only, busy_seconds=busy_seconds)
    return _prepared(SqliteStore(engine, path, str(path), read_only=read_only, disk_full=disk_full), copying)


def _prepared(store: SqliteStore, copying: Copying | None = None) -> SqliteStore:
    try:
        store.prepare_schema(copying)
    except BaseException:
        store.close()
        raise
    return store


class SqliteStore(SqlStore):
    """A `GalleryStore` on one SQLite database; made by `open_store`."""

    kind = "sqlite"
    on_server = False

    def __init__(
        self, engine: Engine, path: Path | None, where: str, *, read_only: bool, disk_full: bool = False
    ) -> None:
        super().__init__(
            Transactions(
                engine,
                writing(engine),
                SqliteDialect(),
                where,
                read_only=read_only,
                disk_full=disk_full,
                alone=threading.RLock() if path is None else None,
            )
        )
        self.path = path
        self._engine = engine

    def prepare_schema(self, copying: Copying | None = None) -> None:
        """Create or migrate the tables; a database that may not be written has to be at this version's schema."""
        where = self.transactions.where
        with in_plain_words(where):
            if copying is not None:
                schema.prepare_copy(self._engine, where, copying)
                return
            (schema.check if self.read_only else schema.prepare)(self._engine, where)

    def known_as(self) -> str:
        return self.transactions.where if self.path is None else str(self.path.resolve())

    def checkpoint(self) -> bool:
        if self.path is None:
            return True
        self.transactions.require_write()
        with self.transactions.outside(sqlite3.Connection) as driver:
            (usual,) = driver.execute("PRAGMA busy_timeout").fetchone()
            driver.execute(f"PRAGMA busy_timeout={min(usual, round(1000 * _WIPE_SECONDS))}").close()
            try:
                blocked, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                driver.execute(f"PRAGMA busy_timeout={usual}").close()
        return not blocked

    def wipe(self, traces: Collection[bytes]) -> bool:
        if not self.checkpoint():
            return False
        if self.path is None:
            return True
        try:
            found = any_left(self.path, traces)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read ({(error.strerror or 'error').lower()})") from error
        return self.vacuum() if found else True

    def vacuum(self) -> bool:
        self.transactions.require_write()
        with self.transactions.outside(sqlite3.Connection) as driver:
            driver.execute("VACUUM").close()
        return self.checkpoint()

    def snapshot(self, target: Path, progress: Progress) -> None:
        with self.transactions.outside(sqlite3.Connection) as driver:
            copy_snapshot(driver, target, progress)

    def integrity_check(self) -> list[str]:
        try:
            with self.transactions.reading() as connection:
                said = [
                    line for row in connection.exec_driver_sql("PRAGMA integrity_check") for line in row[0].split("\n")
                ]
                found = [line for line in said if line != "ok" and not line.startswith("*** in database")]
                for row in connection.exec_driver_sql("PRAGMA foreign_key_check"):
                    found.append(f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is missing")
                return found or damaged_rows(connection)
        except StoreError as error:
            return [str(error)]

    def database_bytes(self) -> int:
        if self.path is None:
            with self.transactions.reading() as connection:
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
                return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def bytes_when_empty(self) -> int:
        with open_store("sqlite://") as empty:
            return empty.database_bytes()
