"""Rows of tags, notes and people to be ignored: read together, united, and recognised where they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from facesearch.store.records import Attributes
from facesearch.store.sql.checksums import insert_row, insert_rows, is_sound, next_id, require_sound
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.models import IdentityRow, IgnoredRow, NoteRow, TagRow
from facesearch.store.sql.traces import stored_integer, traces_of

_SEPARATOR = "; "


def attributes_of(connection: Connection, identity_ids: Sequence[int] | None = None) -> dict[int, Attributes]:
    """What is known of these identities, or of all."""
    tags: dict[int, list[str]] = {}
    notes: dict[int, str] = {}
    ignored: set[int] = set()
    for some in [None] if identity_ids is None else chunks(identity_ids):
        for row in _sound(connection, TagRow, some):
            tags.setdefault(row.identity_id, []).append(row.tag)
        notes |= {row.id: row.note for row in _sound(connection, NoteRow, some)}
        ignored |= {row.id for row in _sound(connection, IgnoredRow, some)}
    known = connection.scalars(select(IdentityRow.id)) if identity_ids is None else identity_ids
    return {each: Attributes(tuple(sorted(tags.get(each, ()))), notes.get(each, ""), each in ignored) for each in known}


def write_tags(connection: Connection, identity_id: int, tags: Sequence[str]) -> None:
    """Give an identity tags that it does not have."""
    first = next_id(connection, TagRow)
    insert_rows(connection, TagRow, [(number, identity_id, tag) for number, tag in enumerate(tags, start=first)])


def write_note(connection: Connection, identity_id: int, note: str) -> None:
    """Replace the note of an identity; none where it is empty."""
    connection.execute(delete(NoteRow).where(NoteRow.id == identity_id))
    if note:
        insert_row(connection, NoteRow, {"id": identity_id, "note": note})


def write_ignored(connection: Connection, identity_id: int, ignored: bool) -> None:
    """Ignore an identity from now on, or no longer."""
    connection.execute(delete(IgnoredRow).where(IgnoredRow.id == identity_id))
    if ignored:
        insert_row(connection, IgnoredRow, {"id": identity_id})


def unite(connection: Connection, source_id: int, target_id: int) -> None:
    """Before the first is merged into the second: both's tags and notes are the second's; who was to be ignored is."""
    known = attributes_of(connection, [source_id, target_id])
    source, target = known[source_id], known[target_id]
    write_tags(connection, target_id, [tag for tag in source.tags if tag not in target.tags])
    if source.note and source.note != target.note:
        write_note(connection, target_id, _SEPARATOR.join(filter(None, (target.note, source.note))))
    if source.ignored and not target.ignored:
        write_ignored(connection, target_id, True)


def traces_of_attributes(connection: Connection, identity_id: int) -> set[bytes]:
    """Bytes by which copies of the rows of an identity's tags and note are recognised.

    Others may have the same tag: with the identity's number, before or after it in a record, it is this one's.
    """
    traces: set[bytes] = set()
    _, owner = stored_integer(identity_id)
    for row in _sound(connection, TagRow, [identity_id]):
        text = row.tag.encode()
        kind, number = stored_integer(row.id)
        traces |= {owner + text + stored_integer(row.checksum)[1]}  # in the table
        kinds = bytes([stored_integer(identity_id)[0], *_varint(13 + 2 * len(text)), kind])
        traces |= {kinds + owner + text + number}  # in the index of both
    for row in _sound(connection, NoteRow, [identity_id]):
        note = row.note.encode()
        traces |= traces_of(note + stored_integer(row.checksum)[1])
    return traces


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([128 | value >> 7, value & 127])


def _sound(
    connection: Connection, model: type[TagRow] | type[NoteRow] | type[IgnoredRow], identity_ids: Sequence[int] | None
) -> Iterator[Any]:
    owner = model.identity_id if model is TagRow else model.id
    wanted = select(*model.__table__.columns, is_sound(model).label("sound"))
    if identity_ids is not None:
        wanted = wanted.where(owner.in_(identity_ids))
    for row in connection.execute(wanted):
        require_sound(model, row.sound, row.id)
        yield row
