"""The vectors of a gallery's templates, for searches inside the database with pgvector.

They stand in a table of their own, which is no part of the gallery's schema as the models describe it: it can be made
anew at any time, and dropped. It holds the vectors of all templates up to some id: each transaction that adds templates
adds what is missing. Who does not know of it leaves templates without vectors at the end, which a search then looks at
by itself (`Nearby.later`) until the next one fills the gap.

Vectors have half the precision of numbers: they tell which templates are near. How near is computed from the codes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
from sqlalchemy import Connection

from facesearch.errors import StoreError
from facesearch.store.postgresql import pgvector
from facesearch.store.postgresql.alone import alone
from facesearch.store.postgresql.pgvector import Pgvector
from facesearch.store.records import Progress, Templates
from facesearch.store.sql.templates import read_templates
from facesearch.store.sql.transactions import Transactions
from facesearch.store.vector_roles import Decode, VectorsInfo

TABLE = "vectors"
RERANKED = 400  # templates that the graph leads to
INDEXED_FROM = 10_000  # rows; fewer are compared faster than an index is kept
ASIDE = "vectors_new"  # where they are made
_BATCH = 4096
_INDEX_MEMORY = "256MB"
_COMMAND = "facesearch index build --search database"
_MAY_ADD = f"SELECT coalesce(has_table_privilege(to_regclass('{TABLE}'), 'INSERT'), false)"
_MAY_LOOK = f"SELECT coalesce(has_table_privilege(to_regclass('{TABLE}'), 'SELECT'), false)"
_THERE = f"SELECT to_regclass('{TABLE}') IS NOT NULL"
_DIMENSION = f"SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass('{TABLE}') AND attname = 'v'"  # noqa: S608
_INDEXED = f"""
    EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
            WHERE i.indrelid = to_regclass('{TABLE}') AND i.indisvalid AND a.amname = 'hnsw')
"""
_GRAPHS = """
    SELECT c.oid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
    WHERE i.indrelid = to_regclass(%s) AND a.amname = 'hnsw'
"""


def reaching(count: int) -> str:
    """What, once selected, lets a graph lead to so many templates until the transaction ends."""
    return f"set_config('hnsw.ef_search', '{count}', true), set_config('hnsw.iterative_scan', 'relaxed_order', true)"


# pgvector is told in the same statement how far a graph is to be searched.
FACTS = f"SELECT {pgvector.SCHEMA}, {pgvector.VERSION}, ({_DIMENSION}), {_INDEXED}, {reaching(RERANKED)}"
_OWN = f"SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('{TABLE}')"  # noqa: S608


class PostgresqlVectors:
    """See `facesearch.store.vector_roles.VectorsRole`."""

    def __init__(self, transactions: Transactions, gallery: str) -> None:
        self._transactions = transactions
        self._gallery = gallery
        self._decode: Decode | None = None

    def decode_with(self, decode: Decode) -> None:
        self._decode = decode

    def require(self) -> None:
        with self._transactions.reading() as connection:
            self.facts(connection)

    def facts(self, connection: Connection) -> tuple[Pgvector, int, bool]:
        """The extension, the dimension of vectors, and whether there is an index of them; raises `StoreError`."""
        where = self._transactions.where
        schema, version, dimension, indexed, *_ = connection.exec_driver_sql(FACTS).one()
        found = pgvector.checked(schema, version, where)
        if dimension is None:
            raise StoreError(f"{where} cannot be searched in the database yet: its owner runs {_COMMAND}")
        return found, dimension, indexed

    def info(self) -> VectorsInfo | None:
        with self._transactions.reading() as connection:
            if not connection.exec_driver_sql(_MAY_LOOK).scalar_one():
                return None
            sizes = f"SELECT count(*), pg_total_relation_size('{TABLE}'), {_INDEXED} FROM {TABLE}"  # noqa: S608
            return VectorsInfo(*connection.exec_driver_sql(sizes).one())

    def follow(self, connection: Connection) -> None:
        """Add the vectors of what was just added to the templates, in the transaction that did so."""
        if self._decode is not None and connection.exec_driver_sql(_MAY_ADD).scalar_one():
            dimension = connection.exec_driver_sql(_DIMENSION).scalar_one()
            for _ in self._filled(connection, TABLE, dimension):
                pass

    def build(self, dimension: int, progress: Progress | None = None) -> None:
        where = self._transactions.where
        with self._alone():
            with self._transactions.writing() as connection:
                found = pgvector.install(connection, where)
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {ASIDE}")
                connection.exec_driver_sql(
                    f"CREATE TABLE {ASIDE} (template_id bigint PRIMARY KEY REFERENCES templates (id) "
                    f"ON DELETE CASCADE, v {found.schema}.halfvec({dimension}) NOT NULL)"
                )
                # One page holds few of them as it is; elsewhere, reading one would take a second look.
                plain = f"ALTER TABLE {ASIDE} ALTER COLUMN v SET STORAGE PLAIN, ALTER COLUMN v SET STATISTICS 0"
                connection.exec_driver_sql(plain)
                total = connection.exec_driver_sql("SELECT count(*) FROM templates").scalar_one()
            done = 0
            while added := self._next_batch(dimension):
                done += added
                if progress:
                    progress(min(done, total), total)
            if done >= INDEXED_FROM:
                self._make_index(found, ASIDE, dimension)
            with self._transactions.writing() as connection:
                for _ in self._filled(connection, ASIDE, dimension):
                    pass
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {TABLE}")
                connection.exec_driver_sql(f"ALTER TABLE {ASIDE} RENAME TO {TABLE}")
            with self._transactions.outside(psycopg.Connection) as driver:
                driver.execute(f"ANALYZE {TABLE}".encode())

    def drop(self) -> bool:
        with self._transactions.writing() as connection:
            there = connection.exec_driver_sql(_THERE).scalar_one()
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {TABLE}, {ASIDE}")
            return bool(there)

    def index_if_large(self) -> bool:
        if self._transactions.read_only:
            return False
        with self._transactions.reading() as connection:
            if not connection.exec_driver_sql(_OWN).scalar_one_or_none():
                return False
            found, dimension, indexed = self.facts(connection)
            few = f"SELECT count(*) < {INDEXED_FROM} FROM (SELECT FROM {TABLE} LIMIT {INDEXED_FROM}) AS several"  # noqa: S608
            if indexed or connection.exec_driver_sql(few).scalar_one():
                return False
        with self._alone():
            self._make_index(found, TABLE, dimension)
        return True

    def problems(self) -> list[str]:
        if self._decode is None:
            return []
        with self._transactions.reading() as connection:
            if not connection.exec_driver_sql(_MAY_LOOK).scalar_one():
                return []
            try:
                found, dimension, _ = self.facts(connection)
                missing, differing, extra = self._compared(connection, found, dimension)
            except StoreError as error:
                return [str(error)]
        told = {"lacks the vectors of": missing, "has other vectors than": differing, "has vectors too many,": extra}
        return [
            f"the database {what} {number} templates, for searches in it; run: {_COMMAND}"
            for what, number in told.items()
            if number
        ]

    # inside

    def _compared(self, connection: Connection, found: Pgvector, dimension: int) -> tuple[int, int, int]:
        """Numbers of templates without a vector and with another one than theirs, and of vectors without a template."""
        rows = (
            f"SELECT template_id, {found.schema}.halfvec_send(v) FROM {TABLE} "  # noqa: S608
            "WHERE template_id BETWEEN %s AND %s"
        )
        missing = differing = matched = last = 0
        while len(batch := read_templates(connection, last, limit=_BATCH)):
            kept = dict(map(tuple, connection.exec_driver_sql(rows, (int(batch.ids[0]), int(batch.ids[-1])))))
            expected = dict(zip(batch.ids.tolist(), self._halves(batch, dimension), strict=True))
            missing += len(expected.keys() - kept.keys())
            both = expected.keys() & kept.keys()
            matched += len(both)
            differing += sum(bytes(kept[number]) != expected[number] for number in both)
            last = int(batch.ids[-1])
        return missing, differing, connection.exec_driver_sql(f"SELECT count(*) FROM {TABLE}").scalar_one() - matched  # noqa: S608

    def _next_batch(self, dimension: int) -> int:
        """Add a batch in a transaction of its own, so that others are kept waiting for no longer."""
        with self._transactions.writing() as connection:
            return next(self._filled(connection, ASIDE, dimension), 0)

    def _filled(self, connection: Connection, table: str, dimension: int) -> Iterator[int]:
        """Add the vectors of templates beyond the last one that has one; how many, batch by batch."""
        last = connection.exec_driver_sql(f"SELECT coalesce(max(template_id), 0) FROM {table}").scalar_one()  # noqa: S608
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)  # noqa: S101 - for the type checker
        while len(batch := read_templates(connection, last, limit=_BATCH)):
            halves = self._halves(batch, dimension)
            with (
                driver.cursor() as cursor,
                cursor.copy(f"COPY {table} (template_id, v) FROM STDIN (FORMAT BINARY)".encode()) as copy,
            ):
                copy.set_types(["int8", "bytea"])  # bytes go as they are, and the server reads a halfvec
                for number, half in zip(batch.ids.tolist(), halves, strict=True):
                    copy.write_row((number, half))
            last = int(batch.ids[-1])
            yield len(batch)

    def _halves(self, batch: Templates, dimension: int) -> list[bytes]:
        """The vectors of templates as PostgreSQL sends and takes them."""
        if self._decode is None:
            raise StoreError("nobody has said how templates are decoded")
        vectors = self._decode(batch.codes, batch.codecs, dimension).astype(">f2")  # (n, d)
        head = struct.pack(">hh", dimension, 0)
        return [head + row.tobytes() for row in np.ascontiguousarray(vectors)]

    def _make_index(self, found: Pgvector, table: str, dimension: int) -> None:
        made = (
            f"CREATE INDEX CONCURRENTLY ON {table} USING hnsw "
            f"(({found.schema}.binary_quantize(v)::bit({dimension})) {found.schema}.bit_hamming_ops) "
            "WITH (m = 16, ef_construction = 128)"
        )
        with self._transactions.outside(psycopg.Connection) as driver:
            self._drop_unfinished(driver, table)
            driver.execute(f"SET maintenance_work_mem = '{_INDEX_MEMORY}'".encode())
            try:
                driver.execute(made.encode())
            finally:
                driver.execute(b"RESET maintenance_work_mem")
            for (name,) in driver.execute(_GRAPHS, (table,)).fetchall():
                driver.execute(f"ALTER INDEX {name} ALTER COLUMN 1 SET STATISTICS 0".encode())

    def _drop_unfinished(self, driver: psycopg.Connection[Any], table: str) -> None:
        """Indexes whose making was cut off: they answer nothing, and take room and time."""
        for (name,) in driver.execute(f"{_GRAPHS} AND NOT i.indisvalid".encode(), (table,)).fetchall():
            driver.execute(f"DROP INDEX CONCURRENTLY {name}".encode())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else makes the vectors or their index; raises `StoreBusyError`."""
        self._transactions.require_write()
        if self._decode is None:
            raise StoreError("nobody has said how templates are decoded")
        with alone(self._transactions, self._gallery, "vectors", "makes the vectors"):
            yield
