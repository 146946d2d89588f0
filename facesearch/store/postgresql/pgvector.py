"""The extension pgvector: which one a database has, and what to do where it has none that is fit to be used."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from facesearch.errors import StoreError

OLDEST = (0, 8, 4)
_OLDEST = ".".join(map(str, OLDEST))
SCHEMA = """
    (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'vector')
"""
VERSION = "(SELECT extversion FROM pg_extension WHERE extname = 'vector')"
_AVAILABLE = "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
_CREATE = "CREATE EXTENSION vector SCHEMA public"


@dataclass(frozen=True, slots=True)
class Pgvector:
    """The extension as it is in a database. schema: quoted, which its types and operators have to be named with, as a
    connection looks for names in the gallery's schema alone."""

    schema: str
    version: str


def checked(schema: str | None, version: str | None, where: str) -> Pgvector:
    """What the expressions `SCHEMA` and `VERSION` gave; where: names the gallery. Raises `StoreError` where there is
    none, or one that is too old."""
    if schema is None or version is None:
        raise StoreError(
            f"{where} has no pgvector, which searching in the database needs: whoever administers the server types "
            f"{_CREATE} in that database"
        )
    _require_new(where, version, "ALTER EXTENSION vector UPDATE")
    return Pgvector(schema, version)


def install(connection: Connection, where: str) -> Pgvector:
    """The extension, created where it is not there yet and this user may; in a transaction that writes."""
    if connection.exec_driver_sql(f"SELECT {VERSION}").scalar_one() is None:
        offered = connection.exec_driver_sql(_AVAILABLE).scalar_one_or_none()
        if offered is None:
            raise StoreError(
                f"the server of {where} has no pgvector, which searching in the database needs: whoever administers "
                f"it installs pgvector {_OLDEST} or newer and types {_CREATE} in that database"
            )
        _require_new(where, offered, _CREATE)
        try:
            connection.exec_driver_sql(_CREATE)
        except DBAPIError:
            raise StoreError(
                f"{where} has no pgvector and this user may not create it: whoever administers the server types "
                f"{_CREATE} in that database"
            ) from None
    schema, version = connection.exec_driver_sql(f"SELECT {SCHEMA}, {VERSION}").one()
    return checked(schema, version, where)


def _require_new(where: str, version: str, then: str) -> None:
    numbers = tuple(map(int, re.findall(r"\d+", version)[:3]))
    if numbers < OLDEST:
        raise StoreError(
            f"{where} has pgvector {version}: searching in the database needs {_OLDEST} or newer, because indexes of "
            "older ones can leak memory of the server (CVE-2026-3172) and fail in VACUUM; whoever administers the "
            f"server updates it and types {then} in that database"
        )
