"""One moment of a database as a file of its own, and being alone with a database."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from facesearch.errors import StoreBusyError
from facesearch.files.permissions import open_private
from facesearch.store.records import Progress
from facesearch.store.sqlite.connection import in_plain_words

_STEPS = 100_000  # of SQLite's virtual machine, between two reports of progress
_WRITING = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE}


def copy_snapshot(source: sqlite3.Connection, target: Path, progress: Progress) -> None:
    """Write the database as it is at one moment into a new file; writers are not kept waiting.

    Only rows are written, and nothing of what was deleted: SQLite's own backup copies pages with the old bytes between
    their rows. Raises OSError where the target cannot be written, and what `progress` raises.
    """
    (page,), (pages,) = (source.execute(f"PRAGMA {name}").fetchone() for name in ("page_size", "page_count"))
    stopped: list[BaseException] = []

    def tell() -> int:
        try:
            progress(min(target.stat().st_size, page * pages), page * pages)
        except BaseException as error:
            stopped.append(error)  # SQLite would keep it to itself
            return 1
        return 0

    open_private(target).close()
    source.set_progress_handler(tell, _STEPS)
    try:
        source.execute("VACUUM INTO ?", (str(target),)).close()
    except sqlite3.OperationalError as error:
        if stopped:
            raise stopped[0] from None
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target)) from error
        if error.sqlite_errorcode in _WRITING:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(target)) from error
        raise
    finally:
        source.set_progress_handler(None, 0)
    progress(page * pages, page * pages)


def is_plain(path: Path) -> bool:
    """Whether a database holds tables and indexes and nothing that would act when it is read or written."""
    with in_plain_words(path.name), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
        opened.execute("PRAGMA trusted_schema=OFF").close()
        kinds = {row[0] for row in opened.execute("SELECT type FROM sqlite_master")}
    return bool(kinds) and kinds <= {"table", "index"}


@contextmanager
def sole_user(path: Path) -> Iterator[None]:
    """Keep everybody else out of a database; raises `StoreBusyError` where somebody is in it.

    A database too damaged to be locked is in nobody's use.
    """
    with closing(sqlite3.connect(path, timeout=1.0, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE").close()
            connection.execute("PRAGMA journal_mode=DELETE").close()  # only possible for the last one in it
            connection.execute("BEGIN EXCLUSIVE").close()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise StoreBusyError(f"{path.parent} is in use: try again when no other process has it open") from error
        yield
