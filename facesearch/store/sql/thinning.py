"""The role of thinning: templates deleted of people who stay."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from facesearch.store.records import Thinning
from facesearch.store.sql.audit import add_audit
from facesearch.store.sql.checksums import insert_rows, next_id
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.identities import find_id
from facesearch.store.sql.index_state import discard_files_with
from facesearch.store.sql.marks import count_thinned, mark
from facesearch.store.sql.models import RemovalRow, TemplateRow
from facesearch.store.sql.template_infos import delete_unused_images, hashes_of
from facesearch.store.sql.transactions import Transactions


class SqlThinning:
    """See `facesearch.store.roles.ThinningRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def thin(self, plans: Sequence[Thinning]) -> list[int]:
        with self._transactions.writing() as connection:
            return [plan.identity_id for plan in plans if _thin(connection, plan)]

    def count(self, identity: str) -> int:
        with self._transactions.reading() as connection:
            return count_thinned(connection, find_id(connection, identity))


def _thin(connection: Connection, plan: Thinning) -> bool:
    """Delete what goes of one person; False, and nothing is changed, where their templates are others by now."""
    theirs = TemplateRow.identity_id == plan.identity_id
    if set(connection.scalars(select(TemplateRow.id).where(theirs))) != {*plan.kept, *plan.removed}:
        return False
    images: list[int] = []
    for some in chunks(plan.removed):
        gone = delete(TemplateRow).where(TemplateRow.id.in_(some)).returning(TemplateRow.image_id)
        images += connection.scalars(gone)
    first = next_id(connection, RemovalRow)
    insert_rows(connection, RemovalRow, list(enumerate(plan.removed, start=first)))
    discard_files_with(connection, plan.removed)
    of_kept = set(connection.scalars(select(TemplateRow.image_id).where(theirs)))
    mark(
        connection, "thinned", plan.identity_id, hashes_of(connection, [each for each in images if each not in of_kept])
    )
    delete_unused_images(connection, images)
    add_audit(connection, "thin", plan.identity_id, {"templates": len(plan.removed), "kept": len(plan.kept)})
    return True
