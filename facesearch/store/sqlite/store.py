"""The identity store on SQLite: one transaction per method, around the statements of the neighbouring modules.

What the methods do, return and raise is told in `facesearch.store.roles.IdentityStore`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine

from facesearch.errors import GalleryNotFoundError, StoreError, UsageError
from facesearch.store.records import (
    AuditEvent,
    Calibration,
    Counts,
    EncoderKey,
    EvaluationRun,
    GallerySettings,
    IdentitySummary,
    IndexState,
    NewTemplate,
    Owner,
    Removal,
    Removed,
    TemplateInfo,
    TemplateOwners,
    Templates,
    Watermark,
)
from facesearch.store.sqlite import checksums as _checksums
from facesearch.store.sqlite import codebooks as _codebooks
from facesearch.store.sqlite import identities as _identities
from facesearch.store.sqlite import schema as _schema
from facesearch.store.sqlite import snapshot as _snapshot
from facesearch.store.sqlite import state as _state
from facesearch.store.sqlite import templates as _templates
from facesearch.store.sqlite.connection import BUSY_SECONDS, file_engine, in_plain_words, memory_engine, writing

DATABASE_NAME = "gallery.db"


def open_store(
    folder_or_url: str | os.PathLike[str],
    *,
    read_only: bool = False,
    create: bool = True,
    busy_seconds: float = BUSY_SECONDS,
) -> SqlStore:
    """Open the identity store of a gallery, creating it or bringing its schema up to date.

    Args:
        folder_or_url: the gallery's folder, `sqlite:///FILE`, or `sqlite://` for a store in memory.
        read_only: write nothing, not even a lock file where SQLite can do without; works in a folder that may not be
            written to.
        create: whether a gallery that is not there yet is made.
        busy_seconds: how long to wait for another process that is writing.

    Raises:
        GalleryNotFoundError: there is no gallery and none was to be created.
        NewerSchemaError, StoreBusyError, StoreError
    """
    given = os.fspath(folder_or_url)
    if given in {"sqlite://", "sqlite:///:memory:"}:
        return SqlStore._prepared(SqlStore(memory_engine(), None, "the gallery in memory", read_only=False))
    if "://" in given and not given.startswith("sqlite:///"):
        raise UsageError(f"galleries are kept in SQLite: give a folder or sqlite:///FILE instead of {given}")
    path = Path(given.removeprefix("sqlite:///")) if given.startswith("sqlite:///") else Path(given) / DATABASE_NAME
    try:
        if not path.exists():
            if read_only or not create:
                raise GalleryNotFoundError(f"there is no gallery in {path.parent}; enrol somebody first")
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be used ({(error.strerror or 'error').lower()})") from None
    engine = file_engine(path, read_only=read_only, busy_seconds=busy_seconds)
    return SqlStore._prepared(SqlStore(engine, path, str(path), read_only=read_only))


class SqlStore:
    """An `IdentityStore` on one SQLite database; made by `open_store`."""

    def __init__(self, engine: Engine, path: Path | None, where: str, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self._engine = engine
        self._writer = writing(engine)
        self._where = where
        # In memory all threads share one connection, and so one transaction at a time.
        self._alone = threading.RLock() if path is None else None

    @classmethod
    def _prepared(cls, store: SqlStore) -> SqlStore:
        try:
            with in_plain_words(store._where):
                (_schema.check if store.read_only else _schema.prepare)(store._engine, store._where)
        except BaseException:
            store.close()
            raise
        return store

    # transactions

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._transaction(self._engine) as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self.read_only:
            raise StoreError(f"{self._where} was opened for reading only")
        with self._transaction(self._writer) as connection:
            yield connection

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        if self._alone is not None:
            self._alone.acquire()
        try:
            with in_plain_words(self._where), engine.begin() as connection:
                yield connection
        finally:
            if self._alone is not None:
                self._alone.release()

    @contextmanager
    def _outside_transactions(self) -> Iterator[sqlite3.Connection]:
        """A bare connection, for what SQLite does not do inside a transaction."""
        with in_plain_words(self._where):
            pooled = self._engine.raw_connection()
            try:
                driver = pooled.driver_connection
                assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the type checker
                yield driver
            finally:
                pooled.close()

    # settings

    def settings(self) -> GallerySettings | None:
        with self._reading() as connection:
            return _state.settings(connection)

    def gallery_encoder(self) -> EncoderKey | None:
        with self._reading() as connection:
            return _state.gallery_encoder(connection)

    def started_at(self) -> int | None:
        with self._reading() as connection:
            return _state.started_at(connection)

    def configure(self, settings: GallerySettings, encoder: EncoderKey) -> GallerySettings:
        with self._writing() as connection:
            return _state.configure(connection, settings, encoder)

    def set_index_kind(self, kind: str, codec: str) -> None:
        with self._writing() as connection:
            _state.set_index_kind(connection, kind, codec)

    def set_threshold(self, threshold: float | None) -> None:
        with self._writing() as connection:
            _state.set_threshold(connection, threshold)

    def calibration(self) -> Calibration | None:
        with self._reading() as connection:
            return _state.calibration(connection)

    def set_calibration(self, calibration: Calibration) -> None:
        with self._writing() as connection:
            _state.set_calibration(connection, calibration)

    def encoder_id(self, encoder: EncoderKey) -> int:
        with self._writing() as connection:
            return _state.encoder_id(connection, encoder)

    # identities

    def identities(self) -> list[IdentitySummary]:
        with self._reading() as connection:
            return _identities.identities(connection)

    def identity(self, name: str) -> IdentitySummary:
        with self._reading() as connection:
            return _identities.identity(connection, name)

    def template_infos(self, name: str) -> list[TemplateInfo]:
        with self._reading() as connection:
            return _identities.template_infos(connection, name)

    def rename(self, old: str, new: str) -> None:
        with self._writing() as connection:
            _identities.rename(connection, old, new)

    def merge(self, source: str, target: str) -> int:
        with self._writing() as connection:
            return _identities.merge(connection, source, target)

    def forget(self, name: str) -> Removed:
        with self._writing() as connection:
            return _identities.forget(connection, name)

    # templates

    def enrolled(self, sha256s: Sequence[bytes]) -> dict[bytes, str]:
        with self._reading() as connection:
            return _templates.enrolled(connection, sha256s)

    def add_templates(
        self, batch: Sequence[NewTemplate], encoder: EncoderKey, codec: str, *, logged: bool = False
    ) -> list[int | None]:
        with self._writing() as connection:
            added = _templates.add_templates(connection, batch, encoder, codec)
            if logged and (count := len(added) - added.count(None)):
                _state.add_audit(connection, "enroll", None, {"templates": count})
            return added

    def owners(self, template_ids: Sequence[int]) -> dict[int, Owner]:
        with self._reading() as connection:
            return _templates.owners(connection, template_ids)

    def templates(self, after_id: int = 0, batch: int = 4096) -> Iterator[Templates]:
        while True:
            with self._reading() as connection:
                found = _templates.next_templates(connection, after_id, batch)
            if not len(found):
                return
            yield found
            after_id = int(found.ids[-1])

    def codes(self, template_ids: Sequence[int]) -> Templates:
        with self._reading() as connection:
            return _templates.codes(connection, template_ids)

    def removals(self, after_id: int = 0) -> list[Removal]:
        with self._reading() as connection:
            return _templates.removals(connection, after_id)

    def template_owners(self) -> TemplateOwners:
        with self._reading() as connection:
            return _templates.template_owners(connection)

    def counts(self) -> Counts:
        with self._reading() as connection:
            return _templates.counts(connection)

    def watermark(self) -> Watermark:
        with self._reading() as connection:
            return _templates.watermark(connection)

    def codecs(self) -> set[str]:
        with self._reading() as connection:
            return _templates.codecs(connection)

    def recode(self, fn: _templates.Recode, codec: str, progress: _templates.Progress | None = None) -> int:
        with self._writing() as connection:
            return _templates.recode(connection, fn, codec, progress)

    # codebooks

    def add_codebook(self, kind: str, content: bytes, origin: str) -> str:
        with self._writing() as connection:
            return _codebooks.add_codebook(connection, kind, content, origin)

    def codebook(self, codec: str) -> tuple[bytes, str]:
        with self._reading() as connection:
            return _codebooks.codebook(connection, codec)

    def remove_unused_codebooks(self) -> int:
        with self._writing() as connection:
            return _codebooks.remove_unused_codebooks(connection)

    # index

    def index_state(self) -> IndexState | None:
        with self._reading() as connection:
            return _state.index_state(connection)

    def set_index_state(self, state: IndexState) -> bool:
        with self._writing() as connection:
            return _state.set_index_state(connection, state)

    def clear_index_state(self) -> None:
        with self._writing() as connection:
            _state.clear_index_state(connection)

    # log and evaluations

    def audit(self, action: str, identity_id: int | None = None, detail: _state.Detail | None = None) -> None:
        with self._writing() as connection:
            _state.add_audit(connection, action, identity_id, detail or {})

    def audit_events(self) -> list[AuditEvent]:
        with self._reading() as connection:
            return _state.audit_events(connection)

    def backups_with(self, identity_id: int) -> list[int]:
        with self._reading() as connection:
            return _state.backups_with(connection, identity_id)

    def record_run(self, command: str, dataset: str, dataset_sha256: str, versions: str, rows: str) -> EvaluationRun:
        with self._writing() as connection:
            return _state.add_run(connection, command, dataset, dataset_sha256, versions, rows)

    def runs(self) -> list[EvaluationRun]:
        with self._reading() as connection:
            return _state.runs(connection)

    # upkeep

    def checkpoint(self) -> bool:
        if self.path is None:
            return True
        if self.read_only:
            raise StoreError(f"{self._where} was opened for reading only")
        with self._outside_transactions() as driver:
            blocked, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not blocked

    def vacuum(self) -> bool:
        if self.read_only:
            raise StoreError(f"{self._where} was opened for reading only")
        with self._outside_transactions() as driver:
            driver.execute("VACUUM").close()
        return self.checkpoint()

    def snapshot(self, target: Path, progress: _snapshot.Progress) -> None:
        with self._outside_transactions() as driver:
            _snapshot.copy_snapshot(driver, target, progress)

    def integrity_check(self) -> list[str]:
        try:
            with self._reading() as connection:
                said = [
                    line for row in connection.exec_driver_sql("PRAGMA integrity_check") for line in row[0].split("\n")
                ]
                found = [line for line in said if line != "ok" and not line.startswith("*** in database")]
                for row in connection.exec_driver_sql("PRAGMA foreign_key_check"):
                    found.append(f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is missing")
                return found or _checksums.damaged_rows(connection)
        except StoreError as error:
            return [str(error)]

    def database_bytes(self) -> int:
        if self.path is None:
            with self._reading() as connection:
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
                return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
