"""The role of the index's state: which files are valid, and the last change that they cover."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from facesearch.store.records import GallerySettings, IndexState, LogPosition, Segment
from facesearch.store.sqlite.checksums import insert_row, insert_rows, is_sound, refresh
from facesearch.store.sqlite.models import IndexStateRow, RemovalRow, SegmentRow
from facesearch.store.sqlite.settings import read_settings
from facesearch.store.sqlite.transactions import Transactions


class SqliteIndexState:
    """See `facesearch.store.roles.IndexStateRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def read(self) -> IndexState | None:
        with self._transactions.reading() as connection:
            return read_index_state(connection)

    def is_recorded(self) -> bool:
        with self._transactions.reading() as connection:
            return connection.scalar(select(func.count()).select_from(IndexStateRow)) != 0

    def replace(self, old: IndexState | None, new: IndexState) -> bool:
        with self._transactions.writing() as connection:
            settings = read_settings(connection)
            if settings is None or not _fits(new, settings) or read_index_state(connection) != old:
                return False
            if holds_removed(connection, new):
                return False
            write_index_state(connection, new)
            return True

    def discard_files(self, file_names: Collection[str]) -> None:
        with self._transactions.writing() as connection:
            _discard(connection, SegmentRow.file_name.in_(list(file_names)))


def read_index_state(connection: Connection) -> IndexState | None:
    """None also where a row is damaged: what it says of the index files is not to be relied on."""
    row = connection.execute(
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
    segments = connection.execute(
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


def holds_removed(connection: Connection, state: IndexState) -> bool:
    """Whether index files made for a state may hold a template that was taken out since."""
    since, last = state.position.last_removal_id, state.position.last_template_id
    later = select(RemovalRow.id).where(RemovalRow.id > since, RemovalRow.template_id <= last)
    return connection.scalar(later.limit(1)) is not None


def discard_files_with(connection: Connection, template_ids: Sequence[int]) -> None:
    """Declare the files invalid that may hold one of these templates."""
    written = select(SegmentRow.id, SegmentRow.first_template_id, SegmentRow.last_template_id)
    segments = connection.execute(written.where(SegmentRow.file_name != "")).all()
    holding = [number for number, first, last in segments if any(first <= each <= last for each in template_ids)]
    _discard(connection, SegmentRow.id.in_(holding))


def _discard(connection: Connection, which: ColumnElement[bool]) -> None:
    ids = list(connection.scalars(select(SegmentRow.id).where(which)))
    if ids:
        emptied = {"file_name": "", "sha256": "", "size_bytes": 0}
        connection.execute(update(SegmentRow).where(SegmentRow.id.in_(ids)).values(**emptied))
        refresh(connection, SegmentRow, SegmentRow.id.in_(ids))


def write_index_state(connection: Connection, state: IndexState) -> None:
    """Record which files are valid in place of what was recorded before."""
    clear_index_state(connection)
    values = {
        "id": 1,
        "kind": state.kind,
        "codec": state.codec,
        "last_template_id": state.position.last_template_id,
        "last_removal_id": state.position.last_removal_id,
        "built_at": state.built_at,
        "version": state.version,
    }
    insert_row(connection, IndexStateRow, values)
    rows = [
        (number, part.file_name, part.sha256, part.rows, part.first_template_id, part.last_template_id, part.size_bytes)
        for number, part in enumerate(state.segments, start=1)
    ]
    insert_rows(connection, SegmentRow, rows)


def clear_index_state(connection: Connection) -> None:
    """Declare all index files invalid."""
    connection.execute(delete(IndexStateRow))
    connection.execute(delete(SegmentRow))


def _fits(state: IndexState, settings: GallerySettings) -> bool:
    return (state.kind, state.codec) == (settings.index_kind, settings.codec)
