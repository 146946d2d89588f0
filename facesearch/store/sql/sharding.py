"""Which rows a shard has, and where templates went from one to another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sqlalchemy import BigInteger, ColumnElement, Connection, literal, select

from facesearch.store.shard import HASHES, IDS, SPREAD, Shard
from facesearch.store.sql.audit import GIVING
from facesearch.store.sql.models import AuditRow, TemplateRow


def in_shard(shard: Shard) -> ColumnElement[bool]:
    """Whether a template is in it: `Shard.has`, as the database computes it."""
    spread = (TemplateRow.identity_id % _number(IDS)) * _number(SPREAD) % _number(HASHES)
    return spread * _number(shard.count) // _number(HASHES) == shard.number - 1


def receivers_since(connection: Connection, event_id: int) -> npt.NDArray[np.int64]:
    """See `Moment.receivers_since`."""
    later = select(AuditRow.identity_id).where(AuditRow.id > event_id, AuditRow.action.in_(GIVING)).distinct()
    return np.sort(np.array([each for each in connection.scalars(later) if each is not None], np.int64))


def _number(value: int) -> ColumnElement[int]:
    return literal(value, BigInteger)
