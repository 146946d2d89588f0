"""Index files that one machine published in the database; see `facesearch.store.published_roles`.

Files are put beside those that are published, a few pieces in each transaction, so that nobody who writes has to wait;
then one transaction makes the new ones valid in place of the old. From the moment that a file is announced, triggers
take it away with the first of its templates (`facesearch.store.postgresql.published_tables`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO

import psycopg
from sqlalchemy import Connection, select

from facesearch.errors import StoreError
from facesearch.store.postgresql import published_tables
from facesearch.store.postgresql.alone import alone
from facesearch.store.postgresql.connection import driver_of
from facesearch.store.postgresql.published_tables import FILES, PIECES, PUBLICATION, TABLES
from facesearch.store.published_roles import Publication, PublishedFile, PublishedInfo
from facesearch.store.records import IndexState, LogPosition, Progress, Segment
from facesearch.store.sql.index_state import may_hold
from facesearch.store.sql.settings import read_settings
from facesearch.store.sql.templates import HIGHEST_IDS, position_of
from facesearch.store.sql.transactions import Transactions

PIECE = 1 << 20  # bytes
_AT_ONCE = 8  # pieces in a transaction
_COMMAND = "facesearch index publish"
_PRIVILEGE = "coalesce(has_table_privilege(to_regclass('{}'), '{}'), false)"
_MAY_LOOK = "SELECT " + " AND ".join(_PRIVILEGE.format(table, "SELECT") for table in TABLES)
_MAY_PUBLISH = "SELECT " + " AND ".join(
    _PRIVILEGE.format(table, right) for table in TABLES for right in ("SELECT", "INSERT", "UPDATE", "DELETE")
)
_OWN = f"SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class WHERE oid = ANY(ARRAY{list(TABLES)}::regclass[])"  # noqa: S608
_BYTES = "SELECT sum(pg_total_relation_size(one::regclass))::bigint FROM unnest(%s::text[]) AS one"
_SEGMENT = "sha256, rows, first_template_id, last_template_id, size_bytes"
_OF_WHAT = f"SELECT kind, codec, last_template_id, published_at, digest FROM {PUBLICATION}"  # noqa: S608
_VALID = f"SELECT number, {_SEGMENT}, digest FROM {FILES} WHERE valid ORDER BY first_template_id"  # noqa: S608
_HOLDING = f"""
    SELECT count(*) FROM {FILES} WHERE EXISTS (
        SELECT FROM unnest(%s::bigint[]) AS id WHERE id BETWEEN first_template_id AND last_template_id)
"""  # noqa: S608
_DAMAGED = f"""
    SELECT number FROM {FILES} LEFT JOIN {PIECES} ON file = number WHERE valid GROUP BY number
    HAVING sum(length(content)) IS DISTINCT FROM size_bytes OR max(place) IS DISTINCT FROM count(file) - 1
        OR bool_or({PIECES}.sha256 <> sha256({PIECES}.content))
"""  # noqa: S608


class PostgresqlPublished:
    """See `facesearch.store.published_roles.PublishedRole`."""

    def __init__(self, transactions: Transactions, gallery: str) -> None:
        self._transactions = transactions
        self._gallery = gallery

    def info(self) -> PublishedInfo | None:
        with self._transactions.reading() as connection:
            found = _read(connection)
            settings = read_settings(connection)
            if found is None or settings is None:
                return None
            size = connection.exec_driver_sql(_BYTES, (list(TABLES),)).scalar_one()
            stored = connection.exec_driver_sql("SELECT count(*) FROM templates").scalar_one()
        held = sum(file.segment.rows for file in found.files)
        return PublishedInfo(
            kind=found.kind,
            codec=found.codec,
            fits=(found.kind, found.codec) == (settings.index_kind, settings.codec),
            last_template_id=found.position.last_template_id,
            published_at=found.published_at,
            files=len(found.files),
            templates=held,
            lacking=stored - held,
            bytes=size,
        )

    def read(self) -> Publication | None:
        with self._transactions.reading() as connection:
            return _read(connection)

    def content(self, file: PublishedFile) -> Iterator[bytes]:
        wanted = f"SELECT place, sha256, content FROM {PIECES} WHERE file = {file.number:d} ORDER BY place"  # noqa: S608
        with self._transactions.reading() as connection:
            if not _may_look(connection):
                return
            with driver_of(connection).cursor() as cursor, cursor.copy(_copy(f"({wanted}) TO STDOUT")) as copy:
                copy.set_types(["int4", "bytea", "bytea"])
                for expected, (place, sha256, content) in enumerate(copy.rows()):
                    if place != expected or hashlib.sha256(content).digest() != sha256:
                        raise StoreError(f"an index file that is published in {self._transactions.where} is damaged")
                    yield content

    def publish(self, state: IndexState, files: Mapping[str, BinaryIO], progress: Progress | None = None) -> bool:
        with self._alone():
            self._prepare()
            self._prune()
            announced = self._announced(state)
            if announced is None:
                return False
            done, total = 0, sum(segment.size_bytes for _, segment in announced)
            for number, segment in announced:
                for sent in self._sent(number, segment, files[segment.file_name]):
                    done += sent
                    if progress:
                        progress(done, total)
            if not self._made_valid(state):
                return False
            self._prune()
            return True

    def withdraw(self) -> bool:
        with self._alone(), self._transactions.writing() as connection:
            if not published_tables.are_there(connection):
                return True
            if connection.exec_driver_sql(_OWN).scalar_one():
                connection.exec_driver_sql(f"TRUNCATE {', '.join(TABLES)}")  # the disk has the bytes back
                return True
            for table in (FILES, PUBLICATION):
                connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608
            return False

    def holding(self, template_ids: Collection[int]) -> int:
        with self._transactions.reading() as connection:
            if not _may_look(connection):
                return 0
            return int(connection.exec_driver_sql(_HOLDING, ([int(each) for each in template_ids],)).scalar_one())

    def problems(self) -> list[str]:
        try:
            with self._transactions.reading() as connection:
                if not _may_look(connection):
                    return []
                found, is_any = _read(connection), connection.exec_driver_sql(_OF_WHAT).one_or_none() is not None
                if found is None:
                    return [f"what is noted of the published index files is damaged; run: {_COMMAND}"] if is_any else []
                damaged = found.damaged + len(connection.exec_driver_sql(_DAMAGED).all())
        except StoreError as error:
            return [f"the published index files cannot be read ({error}); run: {_COMMAND} --withdraw"]
        return [f"published index files are damaged: {damaged} of them; run: {_COMMAND}"] if damaged else []

    # inside

    def _alone(self) -> AbstractContextManager[None]:
        return alone(self._transactions, self._gallery, "publication", "publishes the index files")

    def _prepare(self) -> None:
        """Make the tables where they are not there; raises `StoreError` for a user who may not."""
        with self._transactions.writing() as connection:
            if not published_tables.are_there(connection):
                if not published_tables.may_be_made(connection):
                    raise StoreError(f"the owner of {self._transactions.where} has to be the first to run {_COMMAND}")
                published_tables.make(connection)
            elif not connection.exec_driver_sql(_MAY_PUBLISH).scalar_one():
                raise StoreError(f"no permission to publish index files in {self._transactions.where}")

    def _prune(self) -> None:
        """Delete files that are not valid any more, or were left by a process that was interrupted."""
        with self._transactions.writing() as connection:
            connection.exec_driver_sql(f"DELETE FROM {FILES} WHERE NOT valid")  # noqa: S608

    def _announced(self, state: IndexState) -> list[tuple[int, Segment]] | None:
        """Enter files that are not there yet, without content, so that forgetting takes them away from here on.

        Returns their numbers; None where they are not to be published.
        """
        with self._transactions.reading() as connection:
            damaged = {number for (number,) in connection.exec_driver_sql(_DAMAGED)}
        with self._transactions.writing() as connection:
            if not may_hold(connection, state):
                return None
            sound = set()
            for number, segment, digest in _files(connection):
                if digest != _digest_of(state.kind, state.codec, segment):
                    damaged.add(number)
                if number not in damaged:
                    sound.add(digest)
            entered = (
                f"INSERT INTO {FILES} ({_SEGMENT}, valid, digest) VALUES (%s, %s, %s, %s, %s, false, %s) "  # noqa: S608
                "RETURNING number"
            )
            new = []
            for segment in state.segments:
                digest = _digest_of(state.kind, state.codec, segment)
                if digest not in sound:
                    number = connection.exec_driver_sql(entered, (*_columns(segment), digest)).scalar_one()
                    new.append((int(number), segment))
            if damaged:  # in their place, the same files are valid soon
                connection.exec_driver_sql(f"DELETE FROM {FILES} WHERE number = ANY(%s)", (sorted(damaged),))  # noqa: S608
            return new

    def _sent(self, number: int, segment: Segment, file: BinaryIO) -> Iterator[int]:
        """Send the content of a file; how many bytes, each time. It ends early where the file was taken away."""
        place = 0
        file.seek(0)
        while pieces := [piece for piece in (file.read(PIECE) for _ in range(_AT_ONCE)) if piece]:
            with self._transactions.outside(psycopg.Connection) as driver:
                try:
                    with driver.cursor() as cursor, cursor.copy(_copy(f"{PIECES} FROM STDIN")) as copy:
                        copy.set_types(["int8", "int4", "bytea", "bytea"])
                        for piece in pieces:
                            copy.write_row((number, place, hashlib.sha256(piece).digest(), piece))
                            place += 1
                except psycopg.errors.ForeignKeyViolation:  # with one of its templates
                    return
            yield sum(map(len, pieces))

    def _made_valid(self, state: IndexState) -> bool:
        """Make the files of a state valid, and no others, unless some were taken away meanwhile."""
        digests = [_digest_of(state.kind, state.codec, segment) for segment in state.segments]
        told = (state.kind, state.codec, state.position.last_template_id, int(time.time()))
        columns = "kind, codec, last_template_id, published_at, digest"
        with self._transactions.writing() as connection:
            there = f"SELECT count(DISTINCT digest) FROM {FILES} WHERE digest = ANY(%s::bytea[])"  # noqa: S608
            is_whole = connection.exec_driver_sql(there, (digests,)).scalar_one() == len(set(digests))
            if not is_whole or not may_hold(connection, state):
                return False
            connection.exec_driver_sql(
                f"UPDATE {FILES} SET valid = (digest = ANY(%s::bytea[])) WHERE valid <> (digest = ANY(%s::bytea[]))",  # noqa: S608
                (digests, digests),
            )
            connection.exec_driver_sql(f"DELETE FROM {PUBLICATION}")  # noqa: S608
            connection.exec_driver_sql(
                f"INSERT INTO {PUBLICATION} (id, {columns}) VALUES (1, %s, %s, %s, %s, %s)",  # noqa: S608
                (*told, _digest(told)),
            )
            return True


def _read(connection: Connection) -> Publication | None:
    if not _may_look(connection):
        return None
    row = connection.exec_driver_sql(_OF_WHAT).one_or_none()
    if row is None or _digest(tuple(row[:4])) != bytes(row[4]):
        return None
    kind, codec, last_id, published_at = row[:4]
    files, damaged, reached = list[PublishedFile](), 0, 0
    for number, segment, digest in _files(connection):
        if digest != _digest_of(kind, codec, segment) or not reached < segment.first_template_id:
            damaged += 1
            continue
        files.append(PublishedFile(number, segment))
        reached = segment.last_template_id
    removal = position_of(connection.execute(select(*HIGHEST_IDS)).one()).last_removal_id
    return Publication(kind, codec, LogPosition(last_id, removal), published_at, tuple(files), damaged)


def _files(connection: Connection) -> Iterator[tuple[int, Segment, bytes]]:
    for number, *columns, digest in connection.exec_driver_sql(_VALID):
        yield number, Segment("", *columns), bytes(digest)


def _may_look(connection: Connection) -> bool:
    return bool(connection.exec_driver_sql(_MAY_LOOK).scalar_one())


def _columns(segment: Segment) -> tuple[str, int, int, int, int]:
    first, last = segment.first_template_id, segment.last_template_id
    return segment.sha256, segment.rows, first, last, segment.size_bytes


def _digest_of(kind: str, codec: str, segment: Segment) -> bytes:
    """By which a file is known, and what is noted of it is verified."""
    return _digest((kind, codec, *_columns(segment)))


def _digest(values: tuple[object, ...]) -> bytes:
    return hashlib.sha256(ascii(values).encode("ascii")).digest()


def _copy(what: str) -> bytes:
    return f"COPY {what} (FORMAT BINARY)".encode()
