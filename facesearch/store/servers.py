"""Opening the store of a gallery on a server, for which an extra has to be installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facesearch.errors import UsageError
from facesearch.store.postgresql.address import is_address as is_address
from facesearch.store.postgresql.address import shown_address as shown_address

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
    away: dict[str, Any] | None = None,
) -> PostgresqlStore:
    """See `facesearch.store.postgresql.store.open_server`; raises `UsageError` where psycopg is not installed.

    away: `PostgresqlStore.known`, as it was when the gallery was last opened.
    """
    try:
        import psycopg as _  # noqa: F401
    except ImportError:
        raise UsageError(
            "galleries on PostgreSQL need psycopg, which is not installed: pip install 'facesearch[postgresql]'"
        ) from None
    from facesearch.store.postgresql.connection import BUSY_SECONDS
    from facesearch.store.postgresql.schema import Found
    from facesearch.store.postgresql.store import open_server

    seconds = BUSY_SECONDS if busy_seconds is None else busy_seconds
    found = None if away is None else Found.of(away)
    return open_server(url, read_only=read_only, create=create, busy_seconds=seconds, copying=copying, away=found)
