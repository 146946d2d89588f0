"""The store of a gallery on PostgreSQL: its roles, opened together, and what concerns the whole of it.

What the methods do, return and raise is told in `facesearch.store.roles.GalleryStore`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from facesearch.errors import StoreError, StoreUnreachableError
from facesearch.files.locations import projections_folder
from facesearch.store.postgresql import published_tables, schema
from facesearch.store.postgresql.address import Address
from facesearch.store.postgresql.connection import BUSY_SECONDS, connect_to, server_engine, writing
from facesearch.store.postgresql.dialect import PostgresqlDialect
from facesearch.store.postgresql.listening import ServerListener
from facesearch.store.postgresql.nearby import ServerMoment
from facesearch.store.postgresql.projection import OF_FILES, LocalIndexState, Projection
from facesearch.store.postgresql.published import PostgresqlPublished
from facesearch.store.postgresql.rewriting import rewritten
from facesearch.store.postgresql.schema import Found
from facesearch.store.postgresql.server_transactions import ServerTransactions
from facesearch.store.postgresql.succession import succeed
from facesearch.store.postgresql.tables import server_tables
from facesearch.store.postgresql.vectors import ASIDE, TABLE, PostgresqlVectors
from facesearch.store.postgresql.words import in_plain_words
from facesearch.store.records import Progress
from facesearch.store.sql.checksums import damaged_rows
from facesearch.store.sql.copying import copy_rows, finish_copy
from facesearch.store.sql.store import SqlStore
from facesearch.store.sql.unfinished import Copying
from facesearch.store.sqlite.store import open_store

_SIZE = """
    SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relnamespace = %s::regnamespace AND relkind = 'r'
"""
_INDEXES = "SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'i'"
_PAGE = 8192  # bytes: an empty index has one page, an empty table none
_OF_PEOPLE = (
    *("templates", "images", "identities", "set_aside", "negatives", "unknown_faces", "tags", "notes", "aliases"),
    "cohorts",
    TABLE,
    ASIDE,
    *published_tables.TABLES,
)
_MOST_REWRITTEN = 64 << 20  # bytes of a gallery whose tables are written anew at once


def open_server(
    url: str,
    *,
    read_only: bool = False,
    create: bool = True,
    busy_seconds: float = BUSY_SECONDS,
    copying: Copying | None = None,
    away: Found | None = None,
) -> PostgresqlStore:
    """Open the store of a gallery on a server, creating its tables or bringing them up to date.

    Args:
        url: `postgresql://user@host/database?gallery=NAME`; see `facesearch.store.postgresql.address`.
        read_only: write nothing; so it is, too, for a user who may not write, and on a server that takes no changes.
        create: whether a gallery that is not there yet is made.
        busy_seconds: how long to wait for another process that is writing.
        copying: the store is to be a copy, or is one that is not finished; see `facesearch.store.sql.copying`.
        away: what was found when it was last opened; the server is not asked now, as it is away.

    Raises `UsageError`, `GalleryNotFoundError`, `NewerSchemaError`, `StoreBusyError`, `DiskFullError`, `StoreError`.
    """
    address = Address.of(url)
    engine = server_engine(address, busy_seconds)
    try:
        with in_plain_words(address.shown):
            if away is not None:
                found = away
            elif copying is None:
                found = schema.prepare(engine, address, create=create and not read_only)
            else:
                found = schema.prepare_copy(engine, address, copying)
        projection = Projection(projection_folder(address, found.which), address.shown)
        succeed(projection.folder, found)
        return PostgresqlStore(engine, address, projection, found, read_only=read_only)
    except BaseException:
        engine.dispose()
        raise


def projection_folder(address: Address, which: Sequence[str]) -> Path:
    """Where this machine keeps what belongs to a gallery, known by words that no other one has."""
    return projections_folder() / hashlib.sha256("\n".join([address.gallery, *which]).encode()).hexdigest()[:32]


class PostgresqlStore(SqlStore):
    """A `GalleryStore` in one schema of a PostgreSQL database; made by `open_server`."""

    kind = "postgresql"
    on_server = True
    index_state: LocalIndexState  # type: ignore[assignment]
    vectors: PostgresqlVectors
    published: PostgresqlPublished

    def __init__(
        self, engine: Engine, address: Address, projection: Projection, found: Found, *, read_only: bool
    ) -> None:
        dialect = PostgresqlDialect(projection)
        transactions = ServerTransactions(
            engine,
            writing(engine),
            dialect,
            address.shown,
            read_only=read_only,
            found=found,
            connect=partial(connect_to, address),
        )
        super().__init__(transactions)
        self.index_state = LocalIndexState(self.transactions, projection)
        self.address = address
        self._found = found
        event.listen(engine, "connect", self._compare)
        self.projection = projection
        self.vectors = dialect.vectors = PostgresqlVectors(self.transactions, address.gallery)
        self.published = PostgresqlPublished(self.transactions, address.gallery)

    @property
    def folder(self) -> Path:
        """Where this machine keeps what belongs to the gallery: its index files."""
        return self.projection.folder

    def listener(self) -> ServerListener:
        return ServerListener(self.address)

    @contextmanager
    def moment(self) -> Iterator[ServerMoment]:
        version = self.projection.version()  # before the moment, so that it has all that the files cover
        with self.transactions.reading() as connection:
            yield ServerMoment(connection, (version,), self.vectors, self.address.shown)

    @property
    def known(self) -> dict[str, Any]:
        """What `open_server` needs to open the gallery while its server is away, for JSON."""
        return asdict(self._found)

    def known_as(self) -> str:
        with self.transactions.reading() as connection:
            return str(connection.exec_driver_sql("SELECT id FROM origin").scalar_one())

    def incarnation(self) -> str:
        words = self._found.history or self._found.which
        return hashlib.sha256(repr((self.known_as(), words)).encode()).hexdigest()

    def checkpoint(self) -> bool:
        return True  # a server does that by itself

    def wipe(self, traces: Collection[bytes]) -> bool:
        """Write the tables that held what was deleted anew, as the server would leave its bytes in their pages; where
        they are large, `vacuum` is to do that. The server's own log is its administrator's."""
        if not traces:
            return True
        with self.transactions.reading() as connection:
            held = int(connection.exec_driver_sql(_SIZE, (self.address.gallery,)).scalar_one())
        return held <= _MOST_REWRITTEN and self._rewritten(_OF_PEOPLE)

    def vacuum(self) -> bool:
        self.transactions.require_write()
        return self._rewritten([*sorted(server_tables().tables), TABLE, ASIDE, *published_tables.TABLES])

    def snapshot(self, target: Path, progress: Progress) -> None:
        files, copying = self.index_state.read(), Copying(self.known_as(), self.address.shown)
        with self.moment() as moment, open_store(f"sqlite:///{target}", copying=copying) as copy:
            copy_rows(moment.connection, copy.transactions, copying, progress)
            finish_copy(copy.transactions, copying)
            if files is not None:
                copy.index_state.replace(None, files)

    def integrity_check(self) -> list[str]:
        try:
            with self.transactions.reading() as connection:
                found = damaged_rows(connection)
            with self.projection.local.reading() as rows:
                return found + damaged_rows(rows, OF_FILES)
        except StoreError as error:
            return [str(error)]

    def database_bytes(self) -> int:
        with self.transactions.reading() as connection:
            return int(connection.exec_driver_sql(_SIZE, (self.address.gallery,)).scalar_one())

    def bytes_when_empty(self) -> int:
        with self.transactions.reading() as connection:
            indexes = connection.exec_driver_sql(_INDEXES, (self.address.gallery,)).scalar_one()
        return int(indexes) * _PAGE

    def close(self) -> None:
        super().close()
        self.projection.close()

    def _compare(self, driver: psycopg.Connection[Any], record: object) -> None:
        """What is known of a gallery holds no longer where another server took over: it may lack what was seen last,
        and give its numbers to others."""
        if (schema.server_of(driver), schema.started_of(driver)) != (self._found.server, self._found.started):
            self.outlived = True
            driver.close()
            raise StoreUnreachableError(
                f"the server of {self.address.shown} was started anew, or another server took over: try again"
            )

    def _rewritten(self, tables: Sequence[str]) -> bool:
        with self.transactions.outside(psycopg.Connection) as driver:
            return rewritten(driver, self.address.gallery, tables)
