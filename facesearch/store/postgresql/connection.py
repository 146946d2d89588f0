"""PostgreSQL connections as the store needs them.

Statements are sent as they are (`autocommit`), and BEGIN by SQLAlchemy's `begin` event: a transaction that reads sees
one moment (REPEATABLE READ, READ ONLY); one that writes takes the gallery's lock with its first statement, so that
whatever the store numbers is numbered in the order of commits. Its isolation is READ COMMITTED, because what it sees
has to be what the holder of the lock before it committed.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DisconnectionError

from facesearch.errors import StoreError, UsageError
from facesearch.store.postgresql.address import Address

BUSY_SECONDS = 30.0
_OLDEST = 160_000
_WRITE = "facesearch_write"
_IDLE_SECONDS = 1.0  # from which on it is made sure that a connection still is one
_CONNECT_SECONDS = 10
# From when on a connection whose other end is silent counts as cut: asked for a sign of life after 5 seconds, and then
# every 5; milliseconds that what was sent may wait for its receipt. Both ends keep to it, so that the lock of a writer
# whose machine is gone is free again before others give up waiting.
_SILENCE = {"keepalives_idle": "5", "keepalives_interval": "5", "keepalives_count": "3", "tcp_user_timeout": "20000"}
_CHECK_CLIENT = "5s"  # how often a server that works for long looks whether it is still asked for that


# Windows cannot do that.
_CHECKING = sql.SQL(
    "CASE WHEN version() ~* 'linux|darwin|bsd' THEN set_config('client_connection_check_interval', {}, false) END"
).format(_CHECK_CLIENT)


class _Connection(psycopg.Connection[Any]):
    """A connection of a pool, which may be let go of with it: libpq then closes it."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


def server_engine(address: Address, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine on the server; its connections find the tables of the gallery."""

    def connect() -> psycopg.Connection[Any]:
        return connect_to(address)

    engine = create_engine(
        "postgresql+psycopg://", creator=connect, poolclass=QueuePool, max_overflow=-1, hide_parameters=True
    )
    begin_writing = _begin_writing(address.gallery, busy_seconds)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql(begin_writing if write else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    event.listen(engine, "checkin", _used)
    event.listen(engine, "checkout", _make_sure)
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine and pool, whose transactions take the gallery's lock at once."""
    return engine.execution_options(**{_WRITE: True})


def driver_of(connection: Connection) -> psycopg.Connection[Any]:
    """The connection of psycopg that is behind one of SQLAlchemy."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - for the type checker
    return driver


def lock_key(gallery: str) -> int:
    """The number of the advisory lock that whoever writes to a gallery of a database holds."""
    return int.from_bytes(hashlib.sha256(b"facesearch gallery " + gallery.encode()).digest()[:8], "big", signed=True)


def channel(gallery: str) -> str:
    """What is notified when a transaction that wrote to a gallery of a database is committed."""
    return f"facesearch_{lock_key(gallery) % 2**64:016x}"


def _begin_writing(gallery: str, busy_seconds: float) -> str:
    # One message, and so one journey to the server.
    return (
        f"BEGIN; SET LOCAL lock_timeout = {max(1, round(1000 * busy_seconds))}; "
        f"SELECT pg_advisory_xact_lock({lock_key(gallery)}); NOTIFY {channel(gallery)}"
    )


def connect_to(address: Address) -> psycopg.Connection[Any]:
    """A connection in autocommit mode, which finds the tables of the gallery.

    Raises `UsageError`, `StoreError` for a server that is too old, `psycopg.Error`.
    """
    try:
        given = psycopg.conninfo.conninfo_to_dict(address.conninfo)
    except psycopg.ProgrammingError:  # its message may repeat a part of the password
        raise UsageError(f"the URL of the gallery {address.shown} holds something that libpq does not know") from None
    usual = {"application_name": "facesearch", "connect_timeout": str(_CONNECT_SECONDS), "client_encoding": "utf8"}
    usual |= _SILENCE
    parameters: dict[str, Any] = {name: value for name, value in usual.items() if name not in given}
    connection = _Connection.connect(psycopg.conninfo.make_conninfo(address.conninfo, **parameters), autocommit=True)
    try:
        if connection.info.server_version < _OLDEST:
            version = connection.info.server_version // 10_000
            raise StoreError(f"{address.shown} is on PostgreSQL {version}: galleries need PostgreSQL 16 or newer")
        # Numbers have to read the same in every session: checksums are computed over them.
        settings = {"search_path": f'"{address.gallery}", pg_temp', "extra_float_digits": "1", "jit": "off"}
        silence = {name: str(given.get(name, usual[name])) for name in _SILENCE}
        settings |= {name if name.startswith("tcp_") else f"tcp_{name}": value for name, value in silence.items()}
        calls = [sql.SQL("set_config({}, {}, false)").format(*pair) for pair in settings.items()]
        connection.execute(sql.SQL("SELECT ") + sql.SQL(", ").join([*calls, _CHECKING]))
    except BaseException:
        connection.close()
        raise
    return connection


def _used(connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _make_sure(connection: psycopg.Connection[Any], record: Any, proxy: Any) -> None:
    """A connection that was idle for long may have been cut meanwhile: then the pool makes another one."""
    if connection.closed:
        raise DisconnectionError
    if time.monotonic() - record.info.get("used", time.monotonic()) > _IDLE_SECONDS:
        try:
            connection.execute("")
        except psycopg.OperationalError:
            raise DisconnectionError from None
