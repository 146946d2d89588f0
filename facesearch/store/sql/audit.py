"""The role of the audit log: what was done to the gallery, without names and vectors."""

from __future__ import annotations

import json
import time

from sqlalchemy import Connection, func, insert, select

from facesearch.store.records import AuditEvent, Detail
from facesearch.store.sql.checksums import next_id
from facesearch.store.sql.models import AuditRow, TemplateRow
from facesearch.store.sql.transactions import Transactions

MOVE, MERGE = "move", "merge"
GIVING = (MOVE, MERGE)
"""Actions that give templates of one identity to another one, who is the event's."""


class SqlAudit:
    """See `facesearch.store.roles.AuditRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def add(
        self, action: str, identity_id: int | None = None, detail: Detail | None = None, *, at: int | None = None
    ) -> None:
        with self._transactions.writing() as connection:
            add_audit(connection, action, identity_id, detail or {}, at)

    def events(self) -> list[AuditEvent]:
        with self._transactions.reading() as connection:
            rows = connection.execute(
                select(AuditRow.id, AuditRow.at, AuditRow.action, AuditRow.identity_id, AuditRow.detail).order_by(
                    AuditRow.id
                )
            )
            return [AuditEvent(*row) for row in rows]

    def copies_with(self, identity_id: int, action: str) -> list[int]:
        oldest = select(func.min(TemplateRow.created_at)).where(TemplateRow.identity_id == identity_id)
        with self._transactions.reading() as connection:
            at = connection.scalar(oldest)
        return self.copies_since(at, action)

    def copies_since(self, at: int | None, action: str) -> list[int]:
        if at is None:
            return []
        made = select(AuditRow.at).where(AuditRow.action == action, AuditRow.at >= at)
        with self._transactions.reading() as connection:
            return list(connection.scalars(made.order_by(AuditRow.at)))


def add_audit(
    connection: Connection, action: str, identity_id: int | None, detail: Detail, at: int | None = None
) -> None:
    """Log what was done, inside the transaction that did it."""
    connection.execute(
        insert(AuditRow).values(
            id=next_id(connection, AuditRow),
            at=int(time.time()) if at is None else at,
            action=action,
            identity_id=identity_id,
            detail=json.dumps(detail, sort_keys=True, separators=(",", ":")),
        )
    )
