"""All rows of a gallery into another database, as they are: with their ids, and the ids that are never given again.

Rows are read at one moment, and each is compared with its checksum; the other database makes its own. A copy that was
interrupted goes on: what of a table has come over already is compared with what is read now, and where the gallery has
changed in it meanwhile, that table and those that may refer to it begin anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, func, insert, literal, select

from facesearch.errors import StoreError, UsageError
from facesearch.store.records import Progress
from facesearch.store.sql import unfinished
from facesearch.store.sql.checksums import COVERED, is_sound, next_id, require_sound
from facesearch.store.sql.damage import damaged_indexes
from facesearch.store.sql.dialect import dialect_of
from facesearch.store.sql.models import Base, IndexStateRow, SegmentRow
from facesearch.store.sql.plans import Row, TablePlan, plan_of, table_of
from facesearch.store.sql.transactions import Transactions
from facesearch.store.sql.unfinished import Copied, Copying

_BATCH = 4096  # rows of a transaction
_OF_FILES = (IndexStateRow, SegmentRow)  # each machine has its own


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table that was copied: its rows, and the SHA-256 of them all (lower-case hex)."""

    name: str
    rows: int
    sha256: str


@cache
def copied_models() -> tuple[type[Base], ...]:
    """The tables, those that others refer to first."""
    models = {mapper.class_.__table__.name: mapper.class_ for mapper in Base.registry.mappers}
    return tuple(models[table.name] for table in Base.metadata.sorted_tables if models[table.name] not in _OF_FILES)


def copy_rows(
    source: Connection, target: Transactions, copying: Copying, progress: Progress
) -> tuple[CopiedTable, ...]:
    """Bring the copy `target` to what `source` sees, a transaction of one moment, and compare the two.

    progress: called with (rows done, rows in all); each counts when it is written and when it is compared.

    Raises:
        StoreError: a row is damaged, which is named, or another one arrived than was sent.
        StoreBusyError: another process has taken the copy over.
    """
    models = copied_models()
    counts = {model: source.scalar(select(func.count()).select_from(table_of(model))) or 0 for model in models}
    tell = _Counter(progress, 2 * sum(counts.values()))
    with target.reading() as connection:
        before = unfinished.copied(connection)
    tables = []
    for number, model in enumerate(models):
        done, begun = _Digest(plan_of(model)), before.get(table_of(model).name)
        if begun is not None and not _is_still_so(source, model, begun, done, tell):
            _begin_anew(target, copying, models[number:])
            before, done = {}, _Digest(plan_of(model))
        for rows in _read(source, model, after_id=done.last_id):
            _add(target, copying, model, rows, done)
            tell(len(rows))
        if done.rows != counts[model]:
            raise damaged_indexes()  # they are what rows are counted by
        _note_given(source, target, copying, model)
        tables.append(done)
    with target.reading() as connection:
        return tuple(_compared(connection, model, read, tell) for model, read in zip(models, tables, strict=True))


def finish_copy(target: Transactions, copying: Copying) -> None:
    """Make a gallery of the copy; it was compared with what it is one of."""
    with target.writing() as connection:
        unfinished.finish(connection, copying)


# inside


class _Counter:
    """Adds up what was done, and tells it."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, rows: int) -> None:
        self._done += rows
        self._progress(min(self._done, self._total), self._total)


class _Digest:
    """The SHA-256 of rows that are told one after the other, and how many they are."""

    def __init__(self, plan: TablePlan) -> None:
        self._plan = plan
        self._sha256 = hashlib.sha256()
        self.last_id = 0
        self.rows = 0

    def add(self, rows: Sequence[Row]) -> None:
        at = self._plan.blob_at
        if at is None:
            told = [ascii(row).encode("ascii") for row in rows]
        else:
            told = [
                part
                for row in rows
                for part in (ascii((len(row[at]), *row[:at], *row[at + 1 :])).encode("ascii"), row[at])
            ]
        self._sha256.update(b"".join(told))
        self.rows += len(rows)
        self.last_id = rows[-1][0]

    def state(self) -> Copied:
        return Copied(self.last_id, self.rows, self._sha256.digest())


def _read(
    connection: Connection, model: type[Base], *, after_id: int = 0, until_id: int | None = None
) -> Iterator[list[Row]]:
    """The rows of a table by id, a batch at a time, without their checksums; raises `StoreError` for a damaged one."""
    table, plan = table_of(model), plan_of(model)
    sound = is_sound(model) if model in COVERED else literal(1)
    wanted = select(sound, *(table.c[name] for name in plan.names)).order_by(table.c.id).limit(_BATCH)
    if until_id is not None:
        wanted = wanted.where(table.c.id <= until_id)
    while found := connection.execute(wanted.where(table.c.id > after_id)).all():
        rows: list[Row] = []
        for is_right, *row in found:
            require_sound(model, bool(is_right), row[0])
            rows.append(tuple(row))
        yield rows
        after_id = rows[-1][0]


def _is_still_so(
    source: Connection, model: type[Base], begun: Copied, done: _Digest, tell: Callable[[int], None]
) -> bool:
    """Whether the rows that came over before are those that are read now; they are told to `done`."""
    for rows in _read(source, model, until_id=begun.last_id):
        done.add(rows)
        tell(len(rows))
    return done.state() == begun


def _begin_anew(target: Transactions, copying: Copying, models: Sequence[type[Base]]) -> None:
    """Delete what came over of these tables."""
    with target.writing() as connection:
        unfinished.require_mine(connection, copying)
        for model in reversed(models):
            connection.execute(table_of(model).delete())
        unfinished.forget_copied(connection, [table_of(model).name for model in models])


def _add(target: Transactions, copying: Copying, model: type[Base], rows: list[Row], done: _Digest) -> None:
    plan = plan_of(model)
    try:
        with target.writing() as connection:
            unfinished.require_mine(connection, copying)
            if model in COVERED:
                dialect_of(connection).insert_rows(connection, plan, rows)
            else:
                connection.execute(insert(plan.table), [dict(zip(plan.names, row, strict=True)) for row in rows])
            done.add(rows)
            unfinished.note_copied(connection, plan.table.name, done.state())
    except UsageError as error:  # of text that this database cannot keep
        strange = next((row[0] for row in rows if any(isinstance(each, str) and "\0" in each for each in row)), None)
        raise error if strange is None else StoreError(f"row {strange} of {plan.table.name}: {error}") from None


def _note_given(source: Connection, target: Transactions, copying: Copying, model: type[Base]) -> None:
    """Ids that were given in the source are not given again in the copy, also where their rows are gone."""
    if plan_of(model).never_reused and (highest := next_id(source, model) - 1):
        with target.writing() as connection:
            unfinished.require_mine(connection, copying)
            dialect_of(connection).note_given(connection, table_of(model).name, highest)


def _compared(connection: Connection, model: type[Base], read: _Digest, tell: Callable[[int], None]) -> CopiedTable:
    arrived, name = _Digest(plan_of(model)), table_of(model).name
    for rows in _read(connection, model):
        arrived.add(rows)
        tell(len(rows))
    if arrived.state() != read.state():
        raise StoreError(
            f"{name} holds {arrived.rows} rows in the copy, and they are not the {read.rows} that were read"
        )
    return CopiedTable(name, arrived.rows, arrived.state().sha256.hex())
