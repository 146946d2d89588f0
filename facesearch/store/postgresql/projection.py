"""What a machine keeps of a gallery on a server: index files, and which of them are valid.

SQL on the server is the truth. Index files are a machine's own, so it is recorded beside them which are valid, in a
small SQLite database in the same folder; if that is lost, they are built anew.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from facesearch.errors import DiskFullError, StoreBusyError, StoreError
from facesearch.files.durable import write_atomically
from facesearch.files.permissions import make_private_folder, open_private
from facesearch.store.records import IndexState, Milestone
from facesearch.store.sql import index_state
from facesearch.store.sql.checksums import is_sound
from facesearch.store.sql.milestones import holds, milestones
from facesearch.store.sql.models import IndexStateRow, SegmentRow
from facesearch.store.sql.plans import table_of
from facesearch.store.sql.transactions import Transactions
from facesearch.store.sqlite.connection import file_engine, in_plain_words, writing
from facesearch.store.sqlite.dialect import SqliteDialect

DATABASE = "projection.db"
PLACE = "gallery.txt"  # the URL of the gallery, without a password
OF_FILES = (IndexStateRow, SegmentRow)
BESIDE = "facesearch_beside"  # under which a connection has it
_TABLE = "CREATE TABLE IF NOT EXISTS milestones (version INTEGER, template_id INTEGER, digest INTEGER)"
_MILESTONES = "SELECT template_id, digest FROM milestones WHERE version = ?"
_VERSION = select(IndexStateRow.version).where(is_sound(IndexStateRow))


class Projection:
    """The folder in which this machine keeps index files of a gallery on a server."""

    def __init__(self, folder: Path, place: str | None = None) -> None:
        """place: the URL of the gallery, without a password. Raises `StoreError` where the folder cannot be used."""
        self.folder = folder
        engine = _opened(folder)
        if place is not None:
            _note(folder / PLACE, place)
        self.local = Transactions(engine, writing(engine), SqliteDialect(), str(folder / DATABASE), read_only=False)

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


class LocalIndexState:
    """See `facesearch.store.roles.IndexStateRole`."""

    def __init__(self, transactions: Transactions, projection: Projection) -> None:
        self._server = transactions
        self._local = projection.local

    def read(self) -> IndexState | None:
        with self._local.reading() as rows:
            return index_state.read_index_state(rows)

    def agrees(self, state: IndexState) -> bool:
        with self._local.reading() as rows:
            found = rows.exec_driver_sql(_MILESTONES, (state.version or 0,))
            known = [Milestone(*row) for row in found]
        with self._server.reading() as connection:
            return holds(connection, known)

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
            note_milestones(connection, rows, new)
            return True

    def discard_files(self, file_names: Collection[str]) -> None:
        with self._local.writing() as rows:
            index_state.discard_named(rows, file_names)


def note_milestones(server: Connection, rows: Connection, state: IndexState) -> None:
    """Write down what the log is known by that files are of."""
    rows.exec_driver_sql("DELETE FROM milestones")
    for each in milestones(server, state.position.last_template_id):
        rows.exec_driver_sql("INSERT INTO milestones VALUES (?, ?, ?)", (state.version or 0, *each))


def _note(path: Path, place: str) -> None:
    """Write down of which gallery it is, and that it was opened now, for whoever looks through what is kept here."""
    with suppress(OSError, UnicodeError):  # as on a full disk: nothing that answers needs it
        if path.exists() and path.read_text("utf-8") == f"{place}\n":
            os.utime(path)
        else:
            write_atomically(path, lambda file: file.write(f"{place}\n".encode()))


def _opened(folder: Path) -> Engine:
    path = folder / DATABASE
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
        try:
            for name in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
                name.unlink(missing_ok=True)
            open_private(path).close()
        except OSError as error:
            raise StoreError(f"{folder} cannot be used ({(error.strerror or 'error').lower()})") from None
        return _prepared(path)


def _prepared(path: Path) -> Engine:
    engine = file_engine(path, read_only=False)
    try:
        with in_plain_words(str(path)), writing(engine).begin() as connection:
            for model in OF_FILES:
                table_of(model).create(connection, checkfirst=True)
            connection.exec_driver_sql(_TABLE)
            connection.execute(_VERSION).all()
    except BaseException:
        engine.dispose()
        raise
    return engine
