"""Statements about identities, on a connection inside a transaction of the caller."""

from __future__ import annotations

import time

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, select, update

from facesearch.errors import IdentityExistsError, UsageError
from facesearch.store.identity_names import check_name, unknown_identity
from facesearch.store.records import IdentitySummary, Removed, TemplateInfo
from facesearch.store.sqlite.checksums import insert_rows, is_sound, next_id, refresh, require_sound
from facesearch.store.sqlite.chunks import chunks
from facesearch.store.sqlite.models import Encoder, Identity, Image, RemovalLog, Template
from facesearch.store.sqlite.state import add_audit


def identities(connection: Connection) -> list[IdentitySummary]:
    return [_summary(row) for row in connection.execute(_summaries().order_by(Identity.name))]


def identity(connection: Connection, name: str) -> IdentitySummary:
    row = connection.execute(_summaries().where(Identity.name == name)).one_or_none()
    if row is None:
        raise unknown_identity(name, connection.scalars(select(Identity.name)))
    return _summary(row)


def template_infos(connection: Connection, name: str) -> list[TemplateInfo]:
    rows = connection.execute(
        select(
            Template.id,
            is_sound(Template).label("sound"),
            is_sound(Image).label("image_sound"),
            Image.id.label("image_id"),
            Image.path,
            Template.quality,
            Template.box_x,
            Template.box_y,
            Template.box_w,
            Template.box_h,
            Encoder.precision,
            Template.codec,
            Template.created_at,
        )
        .join(Image, Image.id == Template.image_id)
        .join(Encoder, Encoder.id == Template.encoder_id)
        .where(Template.identity_id == _id(connection, name))
        .order_by(Template.id)
    )
    infos = []
    for row in rows:
        require_sound(Template, row.sound, row.id)
        require_sound(Image, row.image_sound, row.image_id)
        box = None if row.box_x is None else (row.box_x, row.box_y, row.box_w, row.box_h)
        infos.append(TemplateInfo(row.id, row.path, row.quality, box, row.precision, row.codec, row.created_at))
    return infos


def rename(connection: Connection, old: str, new: str) -> None:
    identity_id = _id(connection, old)
    if new == old:
        return
    check_name(new)
    if connection.scalar(select(Identity.id).where(Identity.name == new)) is not None:
        raise IdentityExistsError(f"there already is an identity {new!r}; to join the two, merge {old!r} into it")
    connection.execute(update(Identity).where(Identity.id == identity_id).values(name=new))
    refresh(connection, Identity, Identity.id == identity_id)
    add_audit(connection, "rename", identity_id, {})


def merge(connection: Connection, source: str, target: str) -> int:
    source_id, target_id = _id(connection, source), _id(connection, target)
    if source_id == target_id:
        raise UsageError(f"{source!r} cannot be merged into itself")
    moving = select(Template.id, is_sound(Template)).where(Template.identity_id == source_id).order_by(Template.id)
    moved = connection.execute(moving).all()
    for template_id, sound in moved:  # a new checksum would hide the damage
        require_sound(Template, sound, template_id)
        connection.execute(update(Template).where(Template.id == template_id).values(identity_id=target_id))
        refresh(connection, Template, Template.id == template_id)
    connection.execute(delete(Identity).where(Identity.id == source_id))
    add_audit(connection, "merge", target_id, {"source_id": source_id, "templates": len(moved)})
    return len(moved)


def forget(connection: Connection, name: str) -> Removed:
    identity_id = _id(connection, name)
    rows = connection.execute(
        select(Template.id, Template.image_id).where(Template.identity_id == identity_id).order_by(Template.id)
    ).all()
    if rows:
        first = next_id(connection, RemovalLog)
        entries = [(entry, row.id) for entry, row in enumerate(rows, start=first)]
        insert_rows(connection, RemovalLog, entries)
    connection.execute(delete(Identity).where(Identity.id == identity_id))  # its templates go with it
    images = 0
    still_used = select(Template.id).where(Template.image_id == Image.id).exists()
    for image_id in {row.image_id for row in rows}:
        images += connection.execute(delete(Image).where(Image.id == image_id, ~still_used)).rowcount
    add_audit(connection, "forget", identity_id, {"templates": len(rows), "images": images})
    return Removed(identity_id, tuple(row.id for row in rows), images)


def ids_of(connection: Connection, names: set[str]) -> dict[str, int]:
    """The ids of the identities called `names`, which are created where there are none yet."""
    ids: dict[str, int] = {}
    named = select(Identity.name, Identity.id).where(Identity.name.in_(bindparam("names", expanding=True)))
    for some in chunks(sorted(names)):
        ids.update({name: found for name, found in connection.execute(named, {"names": some})})  # noqa: C416 - rows
    new = [check_name(name) for name in sorted(names) if name not in ids]
    ids.update({name: new_id for new_id, name in enumerate(new, start=next_id(connection, Identity))})
    now = int(time.time())
    insert_rows(connection, Identity, [(ids[name], name, now) for name in new])
    return ids


def _id(connection: Connection, name: str) -> int:
    found = connection.scalar(select(Identity.id).where(Identity.name == name))
    if found is None:
        raise unknown_identity(name, connection.scalars(select(Identity.name)))
    return found


def _summaries() -> Select[int, bool, str, int, int, int]:
    return (
        select(
            Identity.id,
            is_sound(Identity).label("sound"),
            Identity.name,
            func.count(Template.id).label("templates"),
            func.count(Template.image_id.distinct()).label("images"),
            Identity.created_at,
        )
        .outerjoin(Template, Template.identity_id == Identity.id)
        .group_by(Identity.id)
    )


def _summary(row: Row[int, bool, str, int, int, int]) -> IdentitySummary:
    require_sound(Identity, row.sound, row.id)
    return IdentitySummary(row.id, row.name, row.templates, row.images, row.created_at)
