"""What a machine keeps of a gallery on a server: index files, and which of them are valid.

SQL on the server is the truth. Index files are a machine's own, so it is recorded beside them which are valid, in a
small SQLite database in the same folder; if that is lost, they are built anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select

from facesearch.errors import DiskFullError, StoreBusyError, StoreError, StoreUnreachableError
from facesearch.files.permissions import make_private_folder, open_private
from facesearch.store.postgresql.attempt import ATTEMPT, Attempt, Connect
from facesearch.store.postgresql.schema import OPENED, Found
from facesearch.store.records import IndexState
from facesearch.store.sql import index_state
from facesearch.store.sql.checksums import is_sound
from facesearch.store.sql.dialect import Dialect
from facesearch.store.sql.models import IndexStateRow, SegmentRow
from facesearch.store.sql.plans import table_of
from facesearch.store.sql.transactions import Transactions
from facesearch.store.sqlite.connection import file_engine, in_plain_words, writing
from facesearch.store.sqlite.dialect import SqliteDialect

_DATABASE = "projection.db"
OF_FILES = (IndexStateRow, SegmentRow)
BESIDE = "facesearch_beside"  # under which a connection has it
_VERSION = select(IndexStateRow.version).where(is_sound(IndexStateRow))


class Projection:
    """The folder in which this machine keeps index files of a gallery on a server."""

    def __init__(self, folder: Path) -> None:
        """Raises `StoreError` where the folder cannot be used."""
        self.folder = folder
        engine = _opened(folder)
        self.local = Transactions(engine, writing(engine), SqliteDialect(), str(folder / _DATABASE), read_only=False)

    def version(self) -> int | None:
        """That of the valid index files; None where there are none."""
        with self.local.reading() as rows:
            return rows.scalar(_VERSION)

    @contextmanager
    def rows_beside(self, connection: Connection) -> Iterator[Connection]:
        """See `Dialect.index_rows`; connection: of `ServerTransactions.writing`."""
        beside: Beside = connection.info[BESIDE]
        if beside.rows is None:
            beside.rows = beside.after.enter_context(self.local.writing())
        yield beside.rows

    def close(self) -> None:
        self.local.close()


@dataclass(slots=True)
class Beside:
    """What is written here beside a transaction on the server. after: left when that has committed, or failed."""

    after: ExitStack
    rows: Connection | None = None


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
            attempt.known_by = self._make_sure(connection, ATTEMPT)
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
        attempt = Attempt()
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


class LocalIndexState:
    """See `facesearch.store.roles.IndexStateRole`."""

    def __init__(self, transactions: Transactions, projection: Projection) -> None:
        self._server = transactions
        self._local = projection.local

    def read(self) -> IndexState | None:
        with self._local.reading() as rows:
            return index_state.read_index_state(rows)

    def is_recorded(self) -> bool:
        with self._local.reading() as rows:
            return index_state.is_recorded(rows)

    def replace(self, old: IndexState | None, new: IndexState) -> bool:
        if not self._server.read_only:
            with self._server.writing() as connection:
                return index_state.replace_index_state(connection, old, new)
        with self._local.writing() as rows, self._server.reading() as connection:
            if not index_state.may_hold(connection, new) or index_state.read_index_state(rows) != old:
                return False
            index_state.write_index_state(rows, new)
            return True

    def discard_files(self, file_names: Collection[str]) -> None:
        with self._local.writing() as rows:
            index_state.discard_named(rows, file_names)


def _opened(folder: Path) -> Engine:
    path = folder / _DATABASE
    try:
        make_private_folder(folder)
        with suppress(FileExistsError):
            open_private(path).close()
    except OSError as error:
        raise StoreError(f"{folder} cannot be used ({(error.strerror or 'error').lower()})") from None
    try:
        return _prepared(path)
    except (DiskFullError, StoreBusyError):
        raise
    except StoreError:  # damaged: it says nothing that cannot be found out again
        for name in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            name.unlink(missing_ok=True)
        open_private(path).close()
        return _prepared(path)


def _prepared(path: Path) -> Engine:
    engine = file_engine(path, read_only=False)
    try:
        with in_plain_words(str(path)), writing(engine).begin() as connection:
            for model in OF_FILES:
                table_of(model).create(connection, checkfirst=True)
            connection.execute(_VERSION).all()
    except BaseException:
        engine.dispose()
        raise
    return engine
