"""The role of identities: the people enrolled, by name."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, select, update

from facesearch.errors import IdentityExistsError, UsageError
from facesearch.store.identity_names import check_name, unknown_identity
from facesearch.store.records import IdentitySummary, Removed, TemplateInfo
from facesearch.store.sqlite.aliases import hand_names_over, remember_name
from facesearch.store.sqlite.audit import add_audit
from facesearch.store.sqlite.checksums import computed, insert_rows, is_sound, next_id, refresh, require_sound
from facesearch.store.sqlite.chunks import chunks
from facesearch.store.sqlite.forgotten import remember_photos
from facesearch.store.sqlite.index_state import discard_files_with
from facesearch.store.sqlite.models import IdentityRow, ImageRow, RemovalRow, SetAsideRow, TemplateRow
from facesearch.store.sqlite.template_infos import template_infos
from facesearch.store.sqlite.transactions import Transactions


class SqliteIdentities:
    """See `facesearch.store.roles.IdentitiesRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def all(self) -> list[IdentitySummary]:
        with self._transactions.reading() as connection:
            return [_summary(row) for row in connection.execute(_summaries().order_by(IdentityRow.name))]

    def find(self, name: str) -> IdentitySummary:
        with self._transactions.reading() as connection:
            row = connection.execute(_summaries().where(IdentityRow.name == name)).one_or_none()
            if row is None:
                raise unknown_identity(name, connection.scalars(select(IdentityRow.name)))
            return _summary(row)

    def templates(self, name: str) -> list[TemplateInfo]:
        with self._transactions.reading() as connection:
            return infos_of(connection, find_id(connection, name))

    def rename(self, old: str, new: str) -> None:
        with self._transactions.writing() as connection:
            identity_id = find_id(connection, old)
            if new == old:
                return
            check_name(new)
            if connection.scalar(select(IdentityRow.id).where(IdentityRow.name == new)) is not None:
                raise IdentityExistsError(
                    f"there already is an identity {new!r}; to join the two, merge {old!r} into it"
                )
            remember_name(connection, old, identity_id)
            connection.execute(update(IdentityRow).where(IdentityRow.id == identity_id).values(name=new))
            refresh(connection, IdentityRow, IdentityRow.id == identity_id)
            add_audit(connection, "rename", identity_id, {})

    def merge(self, sources: Sequence[str], target: str) -> int:
        with self._transactions.writing() as connection:
            target_id = find_id(connection, target)
            moved = 0
            for source in dict.fromkeys(sources):
                source_id = find_id(connection, source)
                if source_id == target_id:
                    raise UsageError(f"{source!r} cannot be merged into itself")
                remember_name(connection, source, source_id)
                hand_names_over(connection, source_id, target_id)
                moved += _merge(connection, source_id, target_id)
            return moved

    def forget(self, names: Sequence[str], *, remember: bool = True) -> list[Removed]:
        with self._transactions.writing() as connection:
            ids = [find_id(connection, name) for name in dict.fromkeys(names)]  # raises before anybody is forgotten
            return [_forget(connection, identity_id, remember=remember) for identity_id in ids]


def ids_of(connection: Connection, names: set[str]) -> dict[str, int]:
    """The ids of the identities called `names`, which are created where there are none yet."""
    ids: dict[str, int] = {}
    named = select(IdentityRow.name, IdentityRow.id).where(IdentityRow.name.in_(bindparam("names", expanding=True)))
    for some in chunks(sorted(names)):
        ids.update({name: found for name, found in connection.execute(named, {"names": some})})  # noqa: C416 - rows
    new = [check_name(name) for name in sorted(names) if name not in ids]
    ids.update({name: new_id for new_id, name in enumerate(new, start=next_id(connection, IdentityRow))})
    now = int(time.time())
    insert_rows(connection, IdentityRow, [(ids[name], name, now) for name in new])
    return ids


def _merge(connection: Connection, source_id: int, target_id: int) -> int:
    moved = 0
    for kept in (TemplateRow, SetAsideRow):
        theirs = kept.identity_id == source_id
        damaged = connection.scalar(select(kept.id).where(theirs, ~is_sound(kept)).limit(1))
        if damaged is not None:  # a new checksum would hide the damage
            require_sound(kept, False, damaged)
        checksum = computed(kept, identity_id=target_id)
        changed = connection.execute(update(kept).where(theirs).values(identity_id=target_id, checksum=checksum))
        moved += changed.rowcount if kept is TemplateRow else 0
    connection.execute(delete(IdentityRow).where(IdentityRow.id == source_id))
    add_audit(connection, "merge", target_id, {"source_id": source_id, "templates": moved})
    return moved


def _forget(connection: Connection, identity_id: int, *, remember: bool) -> Removed:
    ids = list(connection.scalars(select(TemplateRow.id).where(TemplateRow.identity_id == identity_id)))
    ids.sort()
    if ids:
        first = next_id(connection, RemovalRow)
        insert_rows(connection, RemovalRow, [(entry, number) for entry, number in enumerate(ids, start=first)])
        discard_files_with(connection, ids)
    used = sorted(
        image
        for kept in (TemplateRow, SetAsideRow)
        for image in connection.scalars(select(kept.image_id).where(kept.identity_id == identity_id))
    )
    connection.execute(delete(IdentityRow).where(IdentityRow.id == identity_id))  # its templates go with it
    images = 0
    alone = [~select(kept.id).where(kept.image_id == ImageRow.id).exists() for kept in (TemplateRow, SetAsideRow)]
    for some in chunks(used):
        free = (ImageRow.id.in_(some), *alone)
        if remember:
            remember_photos(connection, list(connection.scalars(select(ImageRow.sha256).where(*free))))
        images += connection.execute(delete(ImageRow).where(*free)).rowcount
    add_audit(connection, "forget", identity_id, {"templates": len(ids), "images": images})
    return Removed(identity_id, tuple(ids), images)


def infos_of(connection: Connection, identity_id: int) -> list[TemplateInfo]:
    """The templates of an identity, those set aside last."""
    return [
        info
        for kept in (TemplateRow, SetAsideRow)
        for info in template_infos(connection, kept, kept.identity_id == identity_id)
    ]


def find_id(connection: Connection, name: str) -> int:
    found = connection.scalar(select(IdentityRow.id).where(IdentityRow.name == name))
    if found is None:
        raise unknown_identity(name, connection.scalars(select(IdentityRow.name)))
    return found


def _summaries() -> Select[int, bool, str, int, int, int]:
    return (
        select(
            IdentityRow.id,
            is_sound(IdentityRow).label("sound"),
            IdentityRow.name,
            func.count(TemplateRow.id).label("templates"),
            func.count(TemplateRow.image_id.distinct()).label("images"),
            IdentityRow.created_at,
        )
        .outerjoin(TemplateRow, TemplateRow.identity_id == IdentityRow.id)
        .group_by(IdentityRow.id)
    )


def _summary(row: Row[int, bool, str, int, int, int]) -> IdentitySummary:
    require_sound(IdentityRow, row.sound, row.id)
    return IdentitySummary(row.id, row.name, row.templates, row.images, row.created_at)
