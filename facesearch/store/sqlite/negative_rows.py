"""Rows of negatives: read for searches, handed over when people are merged, deleted with people."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update
from sqlalchemy.orm import aliased

from facesearch.store.records import Negative
from facesearch.store.sqlite.checksums import computed, is_sound, require_sound
from facesearch.store.sqlite.chunks import chunks
from facesearch.store.sqlite.models import IdentityRow, NegativeRow, TemplateRow

_BOX = ("box_x", "box_y", "box_w", "box_h")


def is_own() -> ColumnElement[bool]:
    """Whether the face of a negative is enrolled as the identity's own: what was said of it holds no longer."""
    same = [TemplateRow.identity_id == NegativeRow.identity_id, TemplateRow.image_id == NegativeRow.image_id]
    same += [getattr(TemplateRow, name).is_not_distinct_from(getattr(NegativeRow, name)) for name in _BOX]
    return select(TemplateRow.id).where(and_(*same)).exists()


def negatives(connection: Connection) -> list[Negative]:
    """All of them, but those that are the person's own by now; in the order of people."""
    wanted = (
        select(
            NegativeRow.id,
            is_sound(NegativeRow),
            NegativeRow.identity_id,
            is_sound(IdentityRow),
            IdentityRow.name,
            NegativeRow.codec,
            NegativeRow.code,
        )
        .join(IdentityRow, IdentityRow.id == NegativeRow.identity_id)
        .where(~is_own())
        .order_by(NegativeRow.identity_id, NegativeRow.id)
    )
    found = []
    for number, sound, identity_id, identity_sound, name, codec, code in connection.execute(wanted):
        require_sound(NegativeRow, sound, number)
        require_sound(IdentityRow, identity_sound, identity_id)
        found.append(Negative(identity_id, name, codec, code))
    return found


def hand_negatives_over(connection: Connection, source_id: int, target_id: int) -> None:
    """Before the first is merged into the second: what is not the first is not the second."""
    theirs = NegativeRow.identity_id == source_id
    damaged = connection.scalar(select(NegativeRow.id).where(theirs, ~is_sound(NegativeRow)).limit(1))
    if damaged is not None:  # a new checksum would hide the damage
        require_sound(NegativeRow, False, damaged)
    other = aliased(NegativeRow)
    same = [other.identity_id == target_id, other.image_id == NegativeRow.image_id]
    same += [getattr(other, name).is_not_distinct_from(getattr(NegativeRow, name)) for name in _BOX]
    connection.execute(delete(NegativeRow).where(theirs, select(other.id).where(and_(*same)).exists()))
    checksum = computed(NegativeRow, identity_id=target_id)
    connection.execute(update(NegativeRow).where(theirs).values(identity_id=target_id, checksum=checksum))


def delete_negatives_of(connection: Connection, identity_id: int, image_ids: Sequence[int]) -> list[tuple[int, bytes]]:
    """Delete the negatives of a person who is being forgotten, and those that may show the person: of these images.

    Returns image id and code of each.
    """
    gone: list[tuple[int, bytes]] = []
    for some in chunks(sorted(set(image_ids))) if image_ids else [[]]:
        either = or_(NegativeRow.identity_id == identity_id, NegativeRow.image_id.in_(some))
        wanted = delete(NegativeRow).where(either).returning(NegativeRow.image_id, NegativeRow.code)
        gone += [(image_id, code) for image_id, code in connection.execute(wanted)]
    return gone
