"""SQLite connections as the identity store needs them, and their failures in plain words.

Every connection: write-ahead log and `synchronous=FULL` (what was answered survives a power cut), foreign keys,
`secure_delete` (deleted templates are overwritten with zeros), and waiting instead of failing while another process
writes. Python's own transaction handling is switched off (`isolation_level=None`) and BEGIN is sent by SQLAlchemy's
`begin` event, as SQLAlchemy's SQLite documentation advises: only so are reads one consistent snapshot, and writes hold
the write lock from their first statement (BEGIN IMMEDIATE), where waiting for the lock can still succeed.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, QueuePool, StaticPool, create_engine, event
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound

from facesearch.errors import DiskFullError, StoreBusyError, StoreError, UsageError
from facesearch.store.sqlite.rows import register

BUSY_SECONDS = 30.0
_CACHE_KIB = 65_536  # pages of a large transaction, which would otherwise be written to the log more than once

_WRITE = "facesearch_write"
# How Python's sqlite3 complains of text in the file that is not UTF-8, as a result and as what `row_checksum` is given.
_NOT_TEXT = ("Could not decode to UTF-8", "user-defined function raised exception")


def file_engine(path: Path, *, read_only: bool, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine on the database file `path`; a missing file is created unless `read_only`."""

    def connect() -> sqlite3.Connection:
        return _open_read_only(path, busy_seconds) if read_only else _open(path, busy_seconds)

    return _with_begin(create_engine("sqlite+pysqlite://", creator=connect, poolclass=QueuePool, max_overflow=-1))


def memory_engine() -> Engine:
    """An engine on one connection to a database in memory."""
    return _with_begin(create_engine("sqlite+pysqlite://", creator=_open_in_memory, poolclass=StaticPool))


def writing(engine: Engine) -> Engine:
    """The same engine and pool, whose transactions take the write lock at once."""
    return engine.execution_options(**{_WRITE: True})


def _with_begin(engine: Engine) -> Engine:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _open(path: Path, busy_seconds: float) -> sqlite3.Connection:
    connection = _connect(path.absolute().as_uri(), busy_seconds)
    try:
        _set_pragmas(connection)
        _use_write_ahead_log(connection, busy_seconds)
        connection.execute("PRAGMA synchronous=FULL").close()
    except BaseException:
        connection.close()
        raise
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Switch to the write-ahead log, as often as it takes.

    While another process makes the same switch, SQLite fails at once instead of waiting for its busy time-out.
    """
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as error:
            if _code(error) not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _open_read_only(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Open without writing anything into the folder, where SQLite can.

    A database with a write-ahead log is normally read through a shared-memory file beside it. In a folder where that
    cannot be created, or that has no room for it, and only if the log is empty, the database is read as a file that
    nobody changes meanwhile.
    """
    uri = path.absolute().as_uri()
    connection = _connect(f"{uri}?mode=ro", busy_seconds)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").close()
    except sqlite3.OperationalError as error:
        connection.close()
        no_room = error.sqlite_errorcode == sqlite3.SQLITE_IOERR_SHMSIZE
        if not no_room and _code(error) not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            raise
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            way = "make some room on the disk" if no_room else "open it once with write permission"
            raise StoreError(f"{path} has changes that are not in the database file yet; {way}") from None
        connection = _connect(f"{uri}?mode=ro&immutable=1", busy_seconds)
    except BaseException:
        connection.close()
        raise
    return connection


def _open_in_memory() -> sqlite3.Connection:
    connection = _connect("file::memory:", BUSY_SECONDS)
    _set_pragmas(connection)
    return connection


def _connect(uri: str, busy_seconds: float) -> sqlite3.Connection:
    # The pool hands a connection from thread to thread, never to two at once.
    connection = sqlite3.connect(uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    register(connection)
    return connection


def _set_pragmas(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys=ON").close()
    connection.execute("PRAGMA secure_delete=ON").close()
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}").close()


@contextmanager
def in_plain_words(where: str) -> Iterator[None]:
    """Turn failures of the database into errors for the user; `where` names the gallery."""
    try:
        yield
    except DBAPIError as error:
        raise _plain(error.orig, where) from error
    except sqlite3.Error as error:
        raise _plain(error, where) from error
    except (MultipleResultsFound, NoResultFound) as error:  # as an index that repeats a row, or leaves one out, gives
        raise StoreError(f"{where} is damaged; restore it from a backup") from error
    except UnicodeEncodeError as error:  # bytes of a file name or an argument that are not UTF-8
        raise UsageError(f"{error.object!a} is not valid text") from None
    except UnicodeDecodeError as error:  # text from the file, in a message of SQLite
        raise StoreError(f"{where} is damaged; restore it from a backup") from error


def _code(error: BaseException | None) -> int:
    """SQLite's primary result code, 0 where the failure has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _plain(error: BaseException | None, where: str) -> StoreError:
    code = _code(error)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusyError(f"another process is writing to {where}; try again when it has finished")
    if code == sqlite3.SQLITE_NOTADB:
        return StoreError(f"{where} is not a facesearch gallery (the file is not an SQLite database)")
    if code == sqlite3.SQLITE_CORRUPT or any(sign in str(error) for sign in _NOT_TEXT):
        return StoreError(f"{where} is damaged; restore it from a backup")
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return StoreError(f"no permission to write to {where}")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreError(f"{where} cannot be opened; check that the folder exists and may be read and written")
    # Without a free block there is not even room for the file of shared memory beside the log.
    if code == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE:
        return DiskFullError(f"the disk is full; nothing was changed in {where}")
    return StoreError(f"{where} cannot be used ({error})")
