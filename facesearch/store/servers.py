"""Opening the store of a gallery on a server, for which an extra has to be installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facesearch.errors import UsageError
from facesearch.store.postgresql.address import is_address as is_address

if TYPE_CHECKING:
    from facesearch.store.postgresql.store import PostgresqlStore
    from facesearch.store.sql.unfinished import Copying


def open_on_server(
    url: str,
    *,
    read_only: bool = False,
    create: bool = True,
    busy_seconds: float | None = None,
    copying: Copying | None = None,
) -> PostgresqlStore:
    """See `facesearch.store.postgresql.store.open_server`; raises `UsageError` where psycopg is not installed."""
    try:
        import psycopg as _  # noqa: F401
    except ImportError:
        raise UsageError(
            "galleries on PostgreSQL need psycopg, which is not installed: pip install 'facesearch[postgresql]'"
        ) from None
    from facesearch.store.postgresql.connection import BUSY_SECONDS
    from facesearch.store.postgresql.store import open_server

    seconds = BUSY_SECONDS if busy_seconds is None else busy_seconds
    return open_server(url, read_only=read_only, create=create, busy_seconds=seconds, copying=copying)
