"""The role of suspicions that were looked into and are none."""

from __future__ import annotations

import time
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select

from facesearch.store.records import KeptSuspect
from facesearch.store.sql.audit import add_audit
from facesearch.store.sql.checksums import insert_rows, is_sound, next_id, require_sound
from facesearch.store.sql.models import IdentityRow, KeptSuspectRow, TemplateRow
from facesearch.store.sql.transactions import Transactions


class SqlSuspicions:
    """See `facesearch.store.roles.SuspicionsRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def all(self) -> set[KeptSuspect]:
        with self._transactions.reading() as connection:
            return _all(connection)

    def add(self, kept: Collection[KeptSuspect]) -> int:
        with self._transactions.writing() as connection:
            known, now = _all(connection), int(time.time())
            new = [each for each in dict.fromkeys(kept) if each not in known and _is_there(connection, each)]
            first = next_id(connection, KeptSuspectRow)
            insert_rows(connection, KeptSuspectRow, [(number, *each, now) for number, each in enumerate(new, first)])
            if new:
                add_audit(connection, "keep suspects", None, {"suspects": len(new)})
            return len(new)

    def remove_all(self) -> tuple[int, int]:
        with self._transactions.writing() as connection:
            broken = select(func.count()).select_from(KeptSuspectRow).where(~is_sound(KeptSuspectRow))
            damaged = connection.scalar(broken) or 0
            gone: int = connection.execute(delete(KeptSuspectRow)).rowcount
            if gone:
                add_audit(connection, "reconsider suspects", None, {"suspects": gone})
            return gone, damaged


def hand_suspicions_over(connection: Connection, source_id: int, target_id: int) -> None:
    """Whoever was found not to be the source is not the target: both are one person now."""
    mine = or_(KeptSuspectRow.identity_id == source_id, KeptSuspectRow.other_id == source_id)
    found = _all(connection, mine)
    connection.execute(delete(KeptSuspectRow).where(mine))
    known, now = _all(connection), int(time.time())
    new = {_renamed(each, source_id, target_id) for each in found}
    new = {each for each in new if each.identity_id != each.other_id or each.template_id is not None} - known
    first = next_id(connection, KeptSuspectRow)
    rows = [(number, *each, now) for number, each in enumerate(sorted(new, key=repr), first)]
    insert_rows(connection, KeptSuspectRow, rows)


def _renamed(kept: KeptSuspect, source_id: int, target_id: int) -> KeptSuspect:
    people = [target_id if each == source_id else each for each in (kept.identity_id, kept.other_id)]
    if kept.template_id is None:
        people.sort(key=lambda each: each or 0)
    return KeptSuspect(kept.template_id, *people)


def _all(connection: Connection, where: ColumnElement[bool] | None = None) -> set[KeptSuspect]:
    wanted = select(
        KeptSuspectRow.id,
        is_sound(KeptSuspectRow),
        KeptSuspectRow.template_id,
        KeptSuspectRow.identity_id,
        KeptSuspectRow.other_id,
    )
    found = set()
    for number, sound, *kept in connection.execute(wanted if where is None else wanted.where(where)):
        require_sound(KeptSuspectRow, sound, number)
        found.add(KeptSuspect(*kept))
    return found


def _is_there(connection: Connection, kept: KeptSuspect) -> bool:
    people = [each for each in (kept.identity_id, kept.other_id) if each is not None]
    count = connection.scalar(select(func.count()).select_from(IdentityRow).where(IdentityRow.id.in_(people)))
    template = select(TemplateRow.id).where(TemplateRow.id == kept.template_id)
    return count == len(people) and (kept.template_id is None or connection.scalar(template) is not None)
