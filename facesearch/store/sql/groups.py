"""The role of groups: tags and notes of people, and who is to be ignored."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, delete, select

from facesearch.store.identity_names import check_note, check_tag, unknown_identity, unknown_tag
from facesearch.store.records import Attributes, People
from facesearch.store.sql.attributes import attributes_of, write_ignored, write_note, write_tags
from facesearch.store.sql.audit import add_audit
from facesearch.store.sql.checksums import is_sound, require_all_sound, require_sound
from facesearch.store.sql.expressions import AllAsJson
from facesearch.store.sql.identities import find_id, known_ids
from facesearch.store.sql.models import IdentityRow, IgnoredRow, TagRow
from facesearch.store.sql.transactions import Transactions

Ids = npt.NDArray[np.int64]


class SqlGroups:
    """See `facesearch.store.roles.GroupsRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def change(
        self,
        name: str,
        *,
        tags: Sequence[str] = (),
        untag: Sequence[str] = (),
        note: str | None = None,
        ignored: bool | None = None,
    ) -> Attributes:
        with self._transactions.writing() as connection:
            identity_id = find_id(connection, name)
            old = attributes_of(connection, [identity_id])[identity_id]
            new = [tag for tag in dict.fromkeys(map(check_tag, tags)) if tag not in old.tags]
            gone = list(dict.fromkeys(untag))
            for tag in gone:
                if tag not in old.tags:
                    raise unknown_tag(tag, old.tags, name)
            write_tags(connection, identity_id, new)
            connection.execute(delete(TagRow).where(TagRow.identity_id == identity_id, TagRow.tag.in_(gone)))
            noted = note is not None and note != old.note
            if noted:
                write_note(connection, identity_id, check_note(note or ""))
            if new or gone or noted:
                add_audit(connection, "set", identity_id, {"tags": len(new), "untagged": len(gone), "note": int(noted)})
            if ignored is not None and ignored != old.ignored:
                write_ignored(connection, identity_id, ignored)
                add_audit(connection, "ignore" if ignored else "ignore no longer", identity_id, {})
            return attributes_of(connection, [identity_id])[identity_id]


def group(connection: Connection, names: Sequence[str], tags: Sequence[str]) -> Ids:
    """Ids (n,) of the identities with one of these names or tags, ascending."""
    ids = known_ids(connection, list(dict.fromkeys(names)))
    missing = next((name for name in names if name not in ids), None)
    if missing is not None:
        raise unknown_identity(missing, connection.scalars(select(IdentityRow.name)))
    found = set(ids.values())
    for tag in dict.fromkeys(tags):
        tagged = _tagged(connection, tag)
        if not tagged:
            raise unknown_tag(tag, connection.scalars(select(TagRow.tag).distinct()))
        found.update(tagged)
    return _sorted(found)


def ignored(connection: Connection) -> Ids:
    """Ids (n,) of the identities that are never to be named, ascending."""
    rows = connection.execute(select(IgnoredRow.id, is_sound(IgnoredRow))).all()
    for number, sound in rows:
        require_sound(IgnoredRow, sound, number)
    return _sorted([row[0] for row in rows])


def people(connection: Connection, after_id: int) -> People:
    """The identities with ids above `after_id`, and their tags; raises `StoreError` for a damaged row."""
    found = select(IdentityRow.id, IdentityRow.name, is_sound(IdentityRow)).where(IdentityRow.id > after_id)
    rows = connection.execute(found.order_by(IdentityRow.id)).all()
    for row in rows:
        require_sound(IdentityRow, row[2], row[0])
    tagged = select(TagRow.identity_id, TagRow.tag, is_sound(TagRow), TagRow.id).where(TagRow.identity_id > after_id)
    tags: dict[int, tuple[str, ...]] = {}
    for number, tag, sound, row_id in connection.execute(tagged.order_by(TagRow.id)):
        require_sound(TagRow, sound, row_id)
        tags[number] = (*tags.get(number, ()), tag)
    return People(np.fromiter((row[0] for row in rows), np.int64, len(rows)), [row[1] for row in rows], tags)


def _tagged(connection: Connection, tag: str) -> list[int]:
    mine = TagRow.tag == tag
    require_all_sound(connection, TagRow, mine)
    ids = connection.scalar(select(AllAsJson(TagRow.identity_id)).where(mine))
    found: list[int] = json.loads(ids or "[]")
    return found


def _sorted(ids: Collection[int]) -> Ids:
    return np.sort(np.fromiter(ids, np.int64, len(ids)))
