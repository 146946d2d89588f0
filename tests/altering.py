"""Rows changed past the store, as a failing disk would, in either database."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from facesearch.store import SqliteStore, SqlStore
from facesearch.store.postgresql.store import PostgresqlStore


def alter(store: SqlStore, statement: str) -> None:
    """Change rows as a failing disk would, past the store."""
    if isinstance(store, PostgresqlStore) and not re.search(r"\bindex_(state|segments)\b", statement):
        statement = re.sub("x'([0-9a-f]+)'", r"'\\x\1'::bytea", statement)
        statement = statement.replace("zeroblob(length(content))", "decode(repeat('00', length(content)), 'hex')")
        with psycopg.connect(store.address.conninfo) as server:
            server.execute(f"SET search_path TO {store.address.gallery}".encode())
            server.execute(b"SET session_replication_role TO replica")  # a disk knows nothing of foreign keys
            assert server.execute(statement.encode()).rowcount >= 1
        return
    with closing(sqlite3.connect(_file(store))) as connection, connection:
        assert connection.execute(statement).rowcount >= 1


def _file(store: SqlStore) -> Path:
    if isinstance(store, PostgresqlStore):
        return store.folder / "projection.db"
    assert isinstance(store, SqliteStore) and store.path is not None
    return store.path
