"""The role of the index's state: which files are valid, and the last change that they cover."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from facesearch.store.records import GallerySettings, IndexState, LogPosition, Segment
from facesearch.store.sql.checksums import insert_row, insert_rows, is_sound, refresh
from facesearch.store.sql.dialect import dialect_of
from facesearch.store.sql.models import IndexStateRow, RemovalRow, SegmentRow
from facesearch.store.sql.settings import read_settings
from facesearch.store.sql.transactions import Transactions


class SqlIndexState:
    """See `facesearch.store.roles.IndexStateRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def read(self) -> IndexState | None:
        with self._transactions.reading() as connection:
            return read_index_state(connection)

    def agrees(self, state: IndexState) -> bool:
        return True  # the files are recorded in the database that holds the log

    def is_recorded(self) -> bool:
        with self._transactions.reading() as connection:
            return is_recorded(connection)

    def replace(self, old: IndexState | None, new: IndexState) -> bool:
        with self._transactions.writing() as connection:
            return replace_index_state(connection, old, new)

    def discard_files(self, file_names: Collection[str]) -> None:
        with self._transactions.writing() as connection:
            discard_named(connection, file_names)


def is_recorded(rows: Connection) -> bool:
    """Whether there is a record, also a damaged one."""
    return rows.scalar(select(func.count()).select_from(IndexStateRow)) != 0


def read_index_state(rows: Connection) -> IndexState | None:
    """None also where a row is damaged: what it says of the index files is not to be relied on."""
    row = rows.execute(
        select(
            IndexStateRow.kind,
            IndexStateRow.codec,
            IndexStateRow.last_template_id,
            IndexStateRow.last_removal_id,
            IndexStateRow.built_at,
            IndexStateRow.version,
        ).where(is_sound(IndexStateRow))
    ).one_or_none()
    if row is None:
        return None
    segments = rows.execute(
        select(
            is_sound(SegmentRow),
            SegmentRow.file_name,
            SegmentRow.sha256,
            SegmentRow.rows,
            SegmentRow.first_template_id,
            SegmentRow.last_template_id,
            SegmentRow.size_bytes,
        ).order_by(SegmentRow.id)
    ).all()
    parts = tuple(Segment(*each[1:]) for each in segments)
    position = LogPosition(row[2], row[3])
    # Segments leave no template out: each begins where the one before it ended.
    edges = [0, *(part.last_template_id for part in parts)]
    whole = edges[-1] == position.last_template_id and all(
        part.first_template_id == before + 1 for part, before in zip(parts, edges, strict=False)
    )
    if not whole or not all(each[0] for each in segments):
        return None
    return IndexState(row[0], row[1], position, parts, row[4], row[5])


def replace_index_state(connection: Connection, old: IndexState | None, new: IndexState) -> bool:
    """See `IndexStateRole.replace`."""
    if not may_hold(connection, new):
        return False
    with dialect_of(connection).index_rows(connection) as rows:
        if read_index_state(rows) != old:
            return False
        write_index_state(rows, new)
        dialect_of(connection).note_log(connection, rows, new)
        return True


def may_hold(connection: Connection, new: IndexState) -> bool:
    """Whether index files are of the gallery's kind and codec, and hold nobody who was taken out."""
    settings = read_settings(connection)
    return settings is not None and _fits(new, settings) and not holds_removed(connection, new)


def holds_removed(connection: Connection, state: IndexState) -> bool:
    """Whether index files made for a state may hold a template that was taken out since."""
    since, last = state.position.last_removal_id, state.position.last_template_id
    later = select(RemovalRow.id).where(RemovalRow.id > since, RemovalRow.template_id <= last)
    return connection.scalar(later.limit(1)) is not None


def discard_files_with(connection: Connection, template_ids: Sequence[int]) -> None:
    """Declare the files invalid that may hold one of these templates, with the transaction that removes them."""
    written = select(SegmentRow.id, SegmentRow.first_template_id, SegmentRow.last_template_id)
    with dialect_of(connection).index_rows(connection) as rows:
        segments = rows.execute(written.where(SegmentRow.file_name != "")).all()
        holding = [number for number, first, last in segments if any(first <= each <= last for each in template_ids)]
        _discard(rows, SegmentRow.id.in_(holding))


def discard_named(rows: Connection, file_names: Collection[str]) -> None:
    """Declare these files invalid; rows: a transaction where these are recorded."""
    _discard(rows, SegmentRow.file_name.in_(list(file_names)))


def _discard(rows: Connection, which: ColumnElement[bool]) -> None:
    ids = list(rows.scalars(select(SegmentRow.id).where(which)))
    if ids:
        emptied = {"file_name": "", "sha256": "", "size_bytes": 0}
        rows.execute(update(SegmentRow).where(SegmentRow.id.in_(ids)).values(**emptied))
        refresh(rows, SegmentRow, SegmentRow.id.in_(ids))


def write_index_state(rows: Connection, state: IndexState) -> None:
    """Record which files are valid in place of what was recorded before."""
    clear_index_state(rows)
    values = {
        "id": 1,
        "kind": state.kind,
        "codec": state.codec,
        "last_template_id": state.position.last_template_id,
        "last_removal_id": state.position.last_removal_id,
        "built_at": state.built_at,
        "version": state.version,
    }
    insert_row(rows, IndexStateRow, values)
    segments = [
        (number, part.file_name, part.sha256, part.rows, part.first_template_id, part.last_template_id, part.size_bytes)
        for number, part in enumerate(state.segments, start=1)
    ]
    insert_rows(rows, SegmentRow, segments)


def clear_index_state(rows: Connection) -> None:
    """Declare all index files invalid."""
    rows.execute(delete(IndexStateRow))
    rows.execute(delete(SegmentRow))


def _fits(state: IndexState, settings: GallerySettings) -> bool:
    return (state.kind, state.codec) == (settings.index_kind, settings.codec)
