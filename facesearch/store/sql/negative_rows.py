"""Rows of negatives: read for searches, handed over when people are merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update
from sqlalchemy.orm import aliased

from facesearch.store.records import Negative
from facesearch.store.sql.checksums import computed, is_sound, require_all_sound, require_sound
from facesearch.store.sql.models import IdentityRow, NegativeRow, TemplateRow

_BOX = (NegativeRow.box_x, NegativeRow.box_y, NegativeRow.box_w, NegativeRow.box_h)


def is_face(
    kept: type[TemplateRow] | type[NegativeRow], identity_id: Any, image_id: Any, box: Sequence[Any]
) -> ColumnElement[bool]:
    """Whether a row is kept of an identity for the face in this box of an image; each is a value or a column."""
    columns = (kept.box_x, kept.box_y, kept.box_w, kept.box_h)
    same = [column.is_not_distinct_from(value) for column, value in zip(columns, box, strict=True)]
    return and_(kept.identity_id == identity_id, kept.image_id == image_id, *same)


def is_own() -> ColumnElement[bool]:
    """Whether the face of a negative is enrolled as the identity's own: what was said of it holds no longer."""
    same = is_face(TemplateRow, NegativeRow.identity_id, NegativeRow.image_id, _BOX)
    return select(TemplateRow.id).where(same).exists()


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
    require_all_sound(connection, NegativeRow, theirs)
    other = aliased(NegativeRow)
    same = is_face(other, target_id, NegativeRow.image_id, _BOX)
    connection.execute(delete(NegativeRow).where(theirs, select(other.id).where(same).exists()))
    checksum = computed(NegativeRow, identity_id=target_id)
    connection.execute(update(NegativeRow).where(theirs).values(identity_id=target_id, checksum=checksum))
