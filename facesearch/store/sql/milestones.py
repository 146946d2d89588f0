"""Whether a log is the one that is known: by the codes of the newest templates that were known of it.

An older copy of a server's data goes on with other templates under the same numbers. Whoever knows templates of the log
by number keeps a digest of the code of the newest ones: as what is lost is always the end of a log, one of them is then
another one, or was never given.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from facesearch.store.records import Milestone
from facesearch.store.sql.chunks import padded
from facesearch.store.sql.expressions import RowChecksum
from facesearch.store.sql.models import RemovalRow, TemplateRow

_MOST = 64


def milestones(connection: Connection, last_id: int) -> tuple[Milestone, ...]:
    """Of the newest templates with ids up to `last_id`."""
    digest = RowChecksum(TemplateRow.code, TemplateRow.id)
    newest = select(TemplateRow.id, digest).where(TemplateRow.id <= last_id).order_by(TemplateRow.id.desc())
    return tuple(Milestone(*row) for row in connection.execute(newest.limit(_MOST)))


def holds(connection: Connection, known: Sequence[Milestone]) -> bool:
    """Whether each of them is there as it was, or was taken out."""
    if not known:
        return True
    ids = padded([each.template_id for each in known])
    digest = RowChecksum(TemplateRow.code, TemplateRow.id)
    rows = connection.execute(select(TemplateRow.id, digest).where(TemplateRow.id.in_(ids)))
    there = {row[0]: row[1] for row in rows}
    missing = {each.template_id for each in known} - there.keys()
    if any(there.get(each.template_id, each.digest) != each.digest for each in known):
        return False
    if not missing:
        return True
    taken_out = select(func.count(RemovalRow.template_id.distinct())).where(RemovalRow.template_id.in_([*missing]))
    return connection.scalar(taken_out) == len(missing)
