"""The role of corrections: single templates moved to another person, set aside, put back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, true, update

from facesearch.errors import UnknownTemplateError, UsageError
from facesearch.store.records import Marked, TemplateInfo
from facesearch.store.sql.aliases import once_called
from facesearch.store.sql.audit import MOVE, add_audit
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
from facesearch.store.sql.forgotten import forgotten
from facesearch.store.sql.identities import find_id, ids_of, infos_of
from facesearch.store.sql.marks import clear_marks, mark, marked
from facesearch.store.sql.models import IdentityRow, ImageRow, KeptAsideRow, RemovalRow, SetAsideRow, TemplateRow
from facesearch.store.sql.places import box_of, faces_at
from facesearch.store.sql.rejected import rejected, remember_rejected, remember_told, told_before
from facesearch.store.sql.template_infos import BOTH, Kept, delete_unused_images, in_both, template_infos
from facesearch.store.sql.transactions import Transactions

_COLUMNS = tuple(column.name for column in SetAsideRow.__table__.columns if column.name != "checksum")
_LARGEST = 2**63 - 1  # number that SQLite takes


class SqlCorrections:
    """See `facesearch.store.roles.CorrectionsRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def all(self, identity: str | None = None) -> list[TemplateInfo]:
        with self._transactions.reading() as connection:
            if identity is not None:
                return infos_of(connection, find_id(connection, identity))
            return in_both(connection, lambda kept: None)

    def find(self, template_ids: Sequence[int]) -> list[TemplateInfo]:
        found = self.known(template_ids)
        for template_id in template_ids:
            if template_id not in found:
                raise UnknownTemplateError(f"no template {template_id} in the gallery: facesearch templates list")
        return [found[template_id] for template_id in template_ids]

    def known(self, template_ids: Sequence[int]) -> dict[int, TemplateInfo]:
        found: dict[int, TemplateInfo] = {}
        possible = [number for number in template_ids if 0 < number <= _LARGEST]
        with self._transactions.reading() as connection:
            for some in chunks(possible):
                found |= {info.id: info for info in in_both(connection, partial(_numbered, some))}
        return found

    def of_photo(self, path: Path) -> list[TemplateInfo]:
        end = f"/{path}"
        exact, at_end = (
            ImageRow.path == str(path),
            func.substr(ImageRow.path, func.length(ImageRow.path) - len(end) + 1) == end,
        )
        with self._transactions.reading() as connection:
            for where in (exact, at_end):
                if found := in_both(connection, partial(_always, where)):
                    return found
        raise UnknownTemplateError(f"no template of a photo {path} in the gallery: facesearch templates list")

    def within(self, folders: Collection[Path]) -> list[TemplateInfo]:
        inside = [_below(str(folder)) for folder in folders]
        with self._transactions.reading() as connection:
            return template_infos(connection, TemplateRow, or_(*inside)) if inside else []

    def once_called(self, names: Collection[str]) -> dict[str, str]:
        with self._transactions.reading() as connection:
            return {old: present for old, (_, present) in once_called(connection, names).items()}

    def aside(self, sha256s: Sequence[bytes]) -> dict[bytes, set[str]]:
        wanted = (
            select(ImageRow.sha256, IdentityRow.name, SetAsideRow.id, is_sound(SetAsideRow))
            .join(SetAsideRow, SetAsideRow.image_id == ImageRow.id)
            .outerjoin(IdentityRow, IdentityRow.id == SetAsideRow.identity_id)
        )
        found: dict[bytes, set[str]] = {}
        with self._transactions.reading() as connection:
            for some in chunks(sha256s):
                for sha256, name, number, sound in connection.execute(wanted.where(ImageRow.sha256.in_(some))):
                    require_sound(SetAsideRow, sound, number)
                    found.setdefault(sha256, set()).add(name)
        return found

    def forgotten(self, sha256s: Sequence[bytes]) -> dict[bytes, int]:
        with self._transactions.reading() as connection:
            return forgotten(connection, sha256s)

    def rejected(self, sha256s: Sequence[bytes], pipeline: str) -> dict[bytes, str]:
        with self._transactions.reading() as connection:
            return rejected(connection, sha256s, pipeline)

    def remember_rejected(self, reasons: Mapping[bytes, str], pipeline: str) -> None:
        with self._transactions.writing() as connection:
            remember_rejected(connection, reasons, pipeline)

    def told_before(self, told: Collection[tuple[bytes, str]], *, remember: bool) -> set[tuple[bytes, str]]:
        with self._transactions.reading() as connection:
            before = told_before(connection, told)
        if remember and (new := set(told) - before):
            with self._transactions.writing() as connection:
                remember_told(connection, new)
        return before

    def move(self, template_ids: Sequence[int], identity: str) -> int:
        with self._transactions.writing() as connection:
            target = ids_of(connection, {identity})[identity]
            for kept in BOTH:
                _require_sound(connection, kept, template_ids)
            moved = 0
            for some in chunks(template_ids):
                for kept in BOTH:
                    change = update(kept).where(kept.id.in_(some), kept.identity_id != target)
                    checksum = computed(kept, identity_id=target)
                    moved += connection.execute(change.values(identity_id=target, checksum=checksum)).rowcount
            if moved:
                add_audit(connection, MOVE, target, {"templates": moved})
            return moved

    def relocate(self, template_id: int, path: str) -> None:
        with self._transactions.writing() as connection:
            image = select(TemplateRow.image_id).where(TemplateRow.id == template_id).scalar_subquery()
            connection.execute(update(ImageRow).where(ImageRow.id == image).values(path=path))
            refresh(connection, ImageRow, ImageRow.id == image)

    def set_aside(self, template_ids: Sequence[int], *, keep: bool = False, stays_out: bool = False) -> int:
        with self._transactions.writing() as connection:
            _keep(connection, template_ids, keep=keep)
            if stays_out:
                for kept in BOTH:
                    for owner, photos in _photos(connection, kept, template_ids).items():
                        mark(connection, "taken", owner, photos)
            _require_sound(connection, TemplateRow, template_ids)
            rows = _rows(connection, TemplateRow, template_ids)
            if not rows:
                return 0
            insert_rows(connection, SetAsideRow, rows)
            if keep:
                insert_rows(connection, KeptAsideRow, [row[:1] for row in rows])
            ids = [row[0] for row in rows]
            first = next_id(connection, RemovalRow)
            insert_rows(connection, RemovalRow, [(entry, number) for entry, number in enumerate(ids, start=first)])
            for some in chunks(ids):
                connection.execute(delete(TemplateRow).where(TemplateRow.id.in_(some)))
            add_audit(connection, "set aside", None, {"templates": len(ids)})
            return len(ids)

    def put_back(self, template_ids: Sequence[int]) -> dict[int, int]:
        with self._transactions.writing() as connection:
            _require_sound(connection, SetAsideRow, template_ids)
            rows = _rows(connection, SetAsideRow, template_ids)
            for row in rows:
                if other := faces_at(connection, TemplateRow, row[2], box_of(row[7:11])):
                    raise UsageError(f"the same photo is enrolled again, as template {other[0]}: nothing was put back")
            first = next_id(connection, TemplateRow)
            insert_rows(connection, TemplateRow, [(number, *row[1:]) for number, row in enumerate(rows, start=first)])
            ids = [row[0] for row in rows]
            owners = _photos(connection, SetAsideRow, ids)
            clear_marks(connection, [(sha256, owner) for owner, photos in owners.items() for sha256 in photos])
            for some in chunks(ids):
                connection.execute(delete(SetAsideRow).where(SetAsideRow.id.in_(some)))
            if rows:
                add_audit(connection, "put back", None, {"templates": len(rows)})
            return dict(zip(ids, range(first, first + len(rows)), strict=True))

    def discard(self) -> int:
        with self._transactions.writing() as connection:
            _require_kept(connection)
            goes = SetAsideRow.id.not_in(select(KeptAsideRow.id))
            images = list(connection.scalars(select(SetAsideRow.image_id).where(goes)))
            gone = connection.execute(delete(SetAsideRow).where(goes)).rowcount
            delete_unused_images(connection, images)
            return gone

    def marked(self, sha256s: Sequence[bytes]) -> Marked:
        with self._transactions.reading() as connection:
            return marked(connection, sha256s)


def _photos(connection: Connection, kept: Kept, template_ids: Sequence[int]) -> dict[int, list[bytes]]:
    """The hashes of the photos of these templates, by whose they are."""
    wanted = select(kept.identity_id, ImageRow.sha256).join(ImageRow, ImageRow.id == kept.image_id)
    found: dict[int, list[bytes]] = {}
    for some in chunks(template_ids):
        for owner, sha256 in connection.execute(wanted.where(kept.id.in_(some)).order_by(kept.id)):
            found.setdefault(owner, []).append(sha256)
    return found


def _keep(connection: Connection, template_ids: Sequence[int], *, keep: bool) -> None:
    """Of these templates, those that are set aside already stay when the others are deleted, or do not."""
    for some in chunks(template_ids):
        connection.execute(delete(KeptAsideRow).where(KeptAsideRow.id.in_(some)))
        if keep:
            aside = select(SetAsideRow.id).where(SetAsideRow.id.in_(some)).order_by(SetAsideRow.id)
            insert_rows(connection, KeptAsideRow, [(number,) for number in connection.scalars(aside)])


def _require_kept(connection: Connection) -> None:
    """Before what is not kept is deleted: raise `StoreError` where damage hides which templates are."""
    require_all_sound(connection, KeptAsideRow, true())
    alone = KeptAsideRow.id.not_in(select(SetAsideRow.id))
    if connection.scalar(select(KeptAsideRow.id).where(alone).limit(1)) is not None:
        require_all_sound(connection, SetAsideRow, true())


def _numbered(template_ids: Sequence[int], kept: Kept) -> ColumnElement[bool]:
    return kept.id.in_(template_ids)


def _always(where: ColumnElement[bool], kept: Kept) -> ColumnElement[bool]:  # whatever the table, as it is of photos
    return where


def _below(folder: str) -> ColumnElement[bool]:
    """Whether an image's path lies in a folder: by its first characters, which is exact where LIKE is not."""
    prefix = folder.rstrip("/") + "/"
    return func.substr(ImageRow.path, 1, len(prefix)) == prefix


def _require_sound(connection: Connection, kept: Kept, template_ids: Sequence[int]) -> None:
    """A new checksum would hide a damage."""
    for some in chunks(template_ids):
        require_all_sound(connection, kept, kept.id.in_(some))


def _rows(connection: Connection, kept: Kept, template_ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """The rows of these templates, as both tables have their columns, by id."""
    columns = [getattr(kept, name) for name in _COLUMNS]
    rows: list[tuple[Any, ...]] = []
    for some in chunks(sorted(template_ids)):
        rows += [tuple(row) for row in connection.execute(select(*columns).where(kept.id.in_(some)).order_by(kept.id))]
    return rows
