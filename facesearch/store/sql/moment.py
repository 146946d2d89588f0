"""One moment of a gallery: what a search asks of the store, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Text, bindparam, func, select

from facesearch.errors import UsageError
from facesearch.store.records import (
    GallerySettings,
    GalleryState,
    Negative,
    Owner,
    People,
    Sizes,
    TemplateOwners,
    TemplateRecord,
    Templates,
)
from facesearch.store.shard import Shard
from facesearch.store.sql.checksums import is_sound, require_sound
from facesearch.store.sql.chunks import chunks, padded
from facesearch.store.sql.expressions import AllAsJson, InJson
from facesearch.store.sql.groups import group, ignored, people
from facesearch.store.sql.models import (
    AuditRow,
    CohortRow,
    GalleryRow,
    IndexStateRow,
    KeptAsideRow,
    NegativeRow,
    SetAsideRow,
    TemplateRow,
)
from facesearch.store.sql.negative_rows import negatives
from facesearch.store.sql.settings import SETTINGS
from facesearch.store.sql.sharding import receivers_since
from facesearch.store.sql.template_records import template_records
from facesearch.store.sql.templates import (
    HIGHEST_IDS,
    owners,
    position_of,
    read_codes,
    read_templates,
    removed_since,
    template_owners,
)
from facesearch.store.vector_roles import IN_A_FOLDER, Nearby

_VERSION = select(IndexStateRow.version).where(is_sound(IndexStateRow)).scalar_subquery()
_SETTINGS = (is_sound(GalleryRow), *SETTINGS)
_REST = (
    select(func.max(AuditRow.id)).scalar_subquery(),
    select(func.max(CohortRow.id)).scalar_subquery(),
    select(func.max(NegativeRow.id)).scalar_subquery(),
    *HIGHEST_IDS,
)
_ALL, _LESS = select(*_SETTINGS, _VERSION, *_REST), select(*_SETTINGS, *_REST)

_MANY = 5_000  # identities, from which on one long statement takes less time


class SqlMoment:
    """See `facesearch.store.roles.Moment`."""

    as_of = None

    def __init__(self, connection: Connection, elsewhere: Sequence[int | None] | None = None) -> None:
        """connection: of the transaction. elsewhere: the version of the index files, where another database says which
        are valid."""
        self.connection = connection
        self._elsewhere = elsewhere

    def state(self) -> GalleryState | None:
        row = self.connection.execute(_ALL if self._elsewhere is None else _LESS).one_or_none()
        if row is None:
            return None
        count = 1 + len(SETTINGS)
        require_sound(GalleryRow, row[0], 1)
        rest = [*([] if self._elsewhere is None else self._elsewhere), *row[count:]]
        version, event, cohort, negative, *position = rest
        return GalleryState(GallerySettings(*row[1:count]), position_of(position), version, event, cohort, negative)

    def owners(self, template_ids: Sequence[int]) -> dict[int, Owner]:
        return owners(self.connection, template_ids)

    def template_ids(self, identity_ids: Sequence[int]) -> npt.NDArray[np.int64]:
        if len(identity_ids) > _MANY:
            every = select(AllAsJson(TemplateRow.id)).where(
                InJson(TemplateRow.identity_id, bindparam("given", type_=Text))
            )
            given = json.dumps([int(each) for each in identity_ids])
            return np.sort(np.array(json.loads(self.connection.scalar(every, {"given": given}) or "[]"), np.int64))
        found: list[int] = []
        for some in chunks(list(identity_ids)):
            ids = select(AllAsJson(TemplateRow.id)).where(TemplateRow.identity_id.in_(padded(some)))
            found += json.loads(self.connection.scalar(ids) or "[]")
        return np.sort(np.array(found, np.int64))

    def group(self, names: Sequence[str], tags: Sequence[str]) -> npt.NDArray[np.int64]:
        return group(self.connection, names, tags)

    def ignored(self) -> npt.NDArray[np.int64]:
        return ignored(self.connection)

    def negatives(self) -> list[Negative]:
        return negatives(self.connection)

    def people(self, after_id: int = 0) -> People:
        return people(self.connection, after_id)

    def template_owners(self, after_id: int = 0) -> TemplateOwners:
        return template_owners(self.connection, after_id)

    def templates(self, after_id: int = 0, batch: int = 4096, *, shard: Shard | None = None) -> Iterator[Templates]:
        while len(found := read_templates(self.connection, after_id, limit=batch, shard=shard)):
            yield found
            after_id = int(found.ids[-1])

    def codes(self, template_ids: Sequence[int]) -> Templates:
        return read_codes(self.connection, template_ids)

    def records(self, batch: int = 4096) -> Iterator[list[TemplateRecord]]:
        return template_records(self.connection, batch)

    def sizes(self) -> Sizes:
        in_use, out, aside = (
            self.connection.scalar(select(func.count()).select_from(kept)) or 0
            for kept in (TemplateRow, SetAsideRow, KeptAsideRow)
        )
        return Sizes(in_use, out - aside, aside)

    def removed_since(self, removal_id: int) -> npt.NDArray[np.int64]:
        return removed_since(self.connection, removal_id)

    def actions_since(self, event_id: int) -> set[str]:
        return set(self.connection.scalars(select(AuditRow.action).where(AuditRow.id > event_id).distinct()))

    def receivers_since(self, event_id: int) -> npt.NDArray[np.int64]:
        return receivers_since(self.connection, event_id)

    def nearby(self) -> Nearby:
        raise UsageError(IN_A_FOLDER)
