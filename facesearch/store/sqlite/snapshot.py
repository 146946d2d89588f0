"""One moment of a database as a file of its own, and being alone with a database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from facesearch.errors import StoreBusyError
from facesearch.store.records import Progress
from facesearch.store.sqlite.connection import in_plain_words

_STEP = 2048  # pages copied at a time


def copy_snapshot(source: sqlite3.Connection, target: Path, progress: Progress) -> None:
    """Copy the database as it is at one moment into a new file; writers are not kept waiting.

    Inside a transaction of its own, because SQLite's backup would begin anew whenever somebody writes.
    """
    page = source.execute("PRAGMA page_size").fetchone()[0]
    source.execute("BEGIN").close()
    try:
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on the moment is fixed
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous=OFF").close()  # whoever wants the file durable synchronises it as a whole
            source.backup(
                copy, pages=_STEP, progress=lambda _, left, total: progress((total - left) * page, total * page)
            )
    finally:
        source.execute("ROLLBACK").close()


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
