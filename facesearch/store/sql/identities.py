"""The role of identities: the people enrolled, by name."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import Connection, Row, Select, delete, func, select, update

from facesearch.errors import FacesearchError, IdentityExistsError, UsageError
from facesearch.store.identity_names import check_name, unknown_identity
from facesearch.store.records import FORGET_FACES, Attributes, IdentitySummary, Removed, TemplateInfo
from facesearch.store.sql.aliases import hand_names_over, remember_name
from facesearch.store.sql.attributes import attributes_of, traces_of_attributes, unite
from facesearch.store.sql.audit import MERGE, add_audit
from facesearch.store.sql.checksums import (
    computed,
    insert_rows,
    is_sound,
    next_id,
    refresh,
    require_all_sound,
    require_sound,
)
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.damage import damaged_indexes
from facesearch.store.sql.dialect import dialect_of
from facesearch.store.sql.elsewhere import delete_elsewhere, images_of_deleted, unknown_of
from facesearch.store.sql.forgotten import remember_photos
from facesearch.store.sql.index_state import discard_files_with
from facesearch.store.sql.keyed import KeyedContents, key_of
from facesearch.store.sql.marks import hand_marks_over, take_marks
from facesearch.store.sql.models import IdentityRow, RemovalRow, TemplateRow
from facesearch.store.sql.negative_rows import hand_negatives_over
from facesearch.store.sql.places import box_of
from facesearch.store.sql.suspicions import hand_suspicions_over
from facesearch.store.sql.template_infos import (
    BOTH,
    count_images_kept,
    delete_unused_images,
    hashes_of,
    in_both,
    traces_of_images,
)
from facesearch.store.sql.traces import stored_integer, traces_of
from facesearch.store.sql.transactions import Transactions
from facesearch.store.sql.unknown_rows import delete_faces

_TELLING = 6  # bytes of a name that nobody else's holds by chance


class SqlIdentities:
    """See `facesearch.store.roles.IdentitiesRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def all(self) -> list[IdentitySummary]:
        with self._transactions.reading() as connection:
            return _everybody(connection)

    def find(self, name: str) -> IdentitySummary:
        with self._transactions.reading() as connection:
            row = connection.execute(_summaries().where(IdentityRow.name == name)).one_or_none()
            if row is None:
                raise _unknown(connection, name)
            return _summary(row, attributes_of(connection, [row.id])[row.id])

    def without_templates(self) -> int:
        theirs = select(TemplateRow.id).where(TemplateRow.identity_id == IdentityRow.id)
        with self._transactions.reading() as connection:
            counted = select(func.count()).select_from(IdentityRow).where(~theirs.exists())
            return connection.scalar(counted) or 0

    def templates(self, name: str) -> list[TemplateInfo]:
        with self._transactions.reading() as connection:
            dialect_of(connection).count_templates(connection)  # what follows relies on an index
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
                unite(connection, source_id, target_id)
                hand_negatives_over(connection, source_id, target_id)
                hand_suspicions_over(connection, source_id, target_id)
                hand_marks_over(connection, source_id, target_id)
                moved += _merge(connection, source_id, target_id)
            return moved

    def forget(self, names: Sequence[str], *, remember: bool = True, unknown: Collection[int] = ()) -> list[Removed]:
        with self._transactions.writing() as connection:
            ids = [find_id(connection, name) for name in dict.fromkeys(names)]  # raises before anybody is forgotten
            theirs = sorted({*unknown, *unknown_of(connection, ids)})
            faces = delete_faces(connection, theirs)
            if faces.faces:
                add_audit(connection, FORGET_FACES, None, {"faces": theirs})
            removed = [_forget(connection, identity_id, remember=remember) for identity_id in ids]
            kept = [count_images_kept(connection, images) for _, images in removed]  # once all of them are gone
            return [
                replace(
                    each,
                    traces=each.traces | faces.traces,
                    unknown=faces.faces,
                    oldest_unknown=faces.oldest,
                    images_kept=there,
                    images_in_inbox=in_inbox,
                )
                for (each, _), (there, in_inbox) in zip(removed, kept, strict=True)
            ]


def known_ids(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """The ids of the identities called `names`, as far as they are there."""
    ids: dict[str, int] = {}
    for some in chunks(names):
        ids.update(dialect_of(connection).ids_by(connection, "identities.name", some))
    return ids


def ids_of(connection: Connection, names: set[str]) -> dict[str, int]:
    """The ids of the identities called `names`, which are created where there are none yet."""
    ids = known_ids(connection, sorted(names))
    new = [check_name(name) for name in sorted(names) if name not in ids]
    ids.update({name: new_id for new_id, name in enumerate(new, start=next_id(connection, IdentityRow))})
    now = int(time.time())
    insert_rows(connection, IdentityRow, [(ids[name], name, now) for name in new])
    return ids


def _merge(connection: Connection, source_id: int, target_id: int) -> int:
    moved = 0
    for kept in BOTH:
        theirs = kept.identity_id == source_id
        require_all_sound(connection, kept, theirs)
        checksum = computed(kept, identity_id=target_id)
        changed = connection.execute(update(kept).where(theirs).values(identity_id=target_id, checksum=checksum))
        moved += changed.rowcount if kept is TemplateRow else 0
    both = IdentityRow.id.in_([source_id, target_id])
    require_all_sound(connection, IdentityRow, both)
    first = connection.scalar(select(func.min(IdentityRow.created_at)).where(both))
    older = update(IdentityRow).where(IdentityRow.id == target_id)
    connection.execute(older.values(created_at=first, checksum=computed(IdentityRow, created_at=first)))
    connection.execute(delete(IdentityRow).where(IdentityRow.id == source_id))
    add_audit(connection, MERGE, target_id, {"source_id": source_id, "templates": moved})
    return moved


def _forget(connection: Connection, identity_id: int, *, remember: bool) -> tuple[Removed, list[int]]:
    """Delete an identity; returns what went, and the ids of the images of their photos, gone or not."""
    stored = [
        (kept, *row)
        for kept in BOTH
        for row in connection.execute(
            select(
                kept.id, kept.image_id, kept.code, kept.created_at, kept.box_x, kept.box_y, kept.box_w, kept.box_h
            ).where(kept.identity_id == identity_id)
        )
    ]
    traces = _traces_of_name(connection, identity_id) | traces_of_attributes(connection, identity_id)
    traces = traces.union(*(traces_of(row[3]) for row in stored))
    ids = sorted(number for kept, number, *_ in stored if kept is TemplateRow)
    if ids:
        first = next_id(connection, RemovalRow)
        insert_rows(connection, RemovalRow, [(entry, number) for entry, number in enumerate(ids, start=first)])
        discard_files_with(connection, ids)
    faces = [(image, box_of(place)) for _, _, image, _, _, *place in stored]
    born = select(IdentityRow.created_at).where(IdentityRow.id == identity_id)  # of templates deleted since, too
    came = [*connection.scalars(born), *(row[4] for row in stored)]
    marked = frozenset(take_marks(connection, identity_id))
    before = KeyedContents((key_of(connection) if marked else None) or b"", marked)
    deleted = images_of_deleted(connection, before, {image for image, _ in faces})
    elsewhere = delete_elsewhere(connection, identity_id, faces, deleted)
    others = [*elsewhere.negatives, *elsewhere.templates]
    theirs = [image for image, _ in faces] + deleted
    hashes = hashes_of(connection, theirs)
    connection.execute(delete(IdentityRow).where(IdentityRow.id == identity_id))  # its templates go with it
    gone = delete_unused_images(connection, theirs)
    of_others = delete_unused_images(connection, [image for image, _ in others])
    traces = traces.union(*(traces_of(code) for _, code in others))
    traces |= traces_of_images(gone) | traces_of_images(of_others)
    if remember:
        remember_photos(connection, hashes, sorted(before.hashes))
    add_audit(connection, "forget", identity_id, {"templates": len(ids), "images": len(gone)})
    removed = Removed(
        identity_id,
        tuple(ids),
        len(gone),
        frozenset(traces),
        tuple(gone),
        before,
        out_of_use=len(stored) - len(ids),
        negatives=len(elsewhere.negatives),
        of_others=len(elsewhere.templates),
        oldest=min((at for at in [*came, *elsewhere.times] if isinstance(at, int)), default=0),  # whatever is damaged
    )
    return removed, theirs


def infos_of(connection: Connection, identity_id: int) -> list[TemplateInfo]:
    """The templates of an identity, those set aside last."""
    infos = in_both(connection, lambda kept: kept.identity_id == identity_id)
    if not infos and dialect_of(connection).has_unindexed(connection, identity_id):
        raise damaged_indexes()
    return infos


def _traces_of_name(connection: Connection, identity_id: int) -> set[bytes]:
    """A name; a short one, which stands in others, as it is in the table and in its index, behind a record's header."""
    row = select(IdentityRow.name, IdentityRow.created_at, IdentityRow.checksum).where(IdentityRow.id == identity_id)
    name, created_at, checksum = connection.execute(row).one()
    stored = name.encode()
    if len(stored) >= _TELLING:
        return traces_of(stored)
    text = 13 + 2 * len(stored)  # the serial type of a text
    in_table = bytes([5, 0, text, stored_integer(created_at)[0], stored_integer(checksum)[0]]) + stored
    kind, number = stored_integer(identity_id)
    return {in_table, bytes([3, text, kind]) + stored + number}


def find_id(connection: Connection, name: str) -> int:
    found = connection.scalar(select(IdentityRow.id).where(IdentityRow.name == name))
    if found is None:
        raise _unknown(connection, name)
    return found


def _unknown(connection: Connection, name: str) -> FacesearchError:
    """The error for a name that the index of names does not have: nobody's, or a damaged database's."""
    rows = connection.execute(select(IdentityRow.id, is_sound(IdentityRow), IdentityRow.name)).all()
    for row in rows:
        require_sound(IdentityRow, row[1], row[0])
    names = [row[2] for row in rows]
    return damaged_indexes() if name in names else unknown_identity(name, names)


def _everybody(connection: Connection) -> list[IdentitySummary]:
    """All identities by name, with counts from the table of templates itself."""
    counts = dialect_of(connection).templates_by_person(connection)
    people = select(IdentityRow.id, is_sound(IdentityRow), IdentityRow.name, IdentityRow.created_at)
    known = attributes_of(connection)
    found = []
    for number, sound, name, created_at in connection.execute(people):
        require_sound(IdentityRow, sound, number)
        found.append(IdentitySummary(number, name, *counts.pop(number, (0, 0)), created_at, known[number]))
    if counts:
        raise damaged_indexes()
    return sorted(found, key=lambda person: person.name)


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


def _summary(row: Row[int, bool, str, int, int, int], attributes: Attributes) -> IdentitySummary:
    require_sound(IdentityRow, row.sound, row.id)
    return IdentitySummary(row.id, row.name, row.templates, row.images, row.created_at, attributes)
