"""The role of negatives: faces that are not a person's."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Literal

from sqlalchemy import Connection, and_, delete, select

from facesearch.store.records import EncoderKey, NegativeInfo, NewTemplate
from facesearch.store.sql.audit import add_audit
from facesearch.store.sql.checksums import insert_rows, next_id
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.identities import find_id
from facesearch.store.sql.models import NegativeRow, TemplateRow
from facesearch.store.sql.negative_rows import is_face, is_own
from facesearch.store.sql.settings import encoder_id, require_codec
from facesearch.store.sql.template_infos import delete_unused_images, template_infos, traces_of_images
from facesearch.store.sql.templates import add_images, image_ids
from facesearch.store.sql.traces import traces_of
from facesearch.store.sql.transactions import Transactions

_NOWHERE = (None, None, None, None)


class SqlNegatives:
    """See `facesearch.store.roles.NegativesRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def all(self, identity: str | None = None) -> list[NegativeInfo]:
        with self._transactions.reading() as connection:
            where = ~is_own()
            if identity is not None:
                where = and_(where, NegativeRow.identity_id == find_id(connection, identity))
            found = template_infos(connection, NegativeRow, where)
        return [
            NegativeInfo(info.id, info.identity, info.path, info.quality, info.box, info.created_at) for info in found
        ]

    def add(
        self, identity: str, batch: Sequence[NewTemplate], encoder: EncoderKey, codec: str
    ) -> list[int | Literal["known", "own"]]:
        with self._transactions.writing() as connection:
            require_codec(connection, codec)
            identity_id, now = find_id(connection, identity), int(time.time())
            images = image_ids(connection, [new.sha256 for new in batch])
            by_encoder = encoder_id(connection, encoder)
            outcomes: list[int | Literal["known", "own"]] = []
            for new in batch:
                box = tuple(map(float, new.box)) if new.box else _NOWHERE
                image = images.get(new.sha256)
                if image is not None and _is_there(connection, TemplateRow, identity_id, image, box):
                    outcomes.append("own")
                elif image is not None and _is_there(connection, NegativeRow, identity_id, image, box):
                    outcomes.append("known")
                else:
                    add_images(connection, [new], images, now)
                    number = next_id(connection, NegativeRow)
                    row = (number, identity_id, images[new.sha256], by_encoder, codec, new.code, float(new.quality))
                    insert_rows(connection, NegativeRow, [(*row, *box, now)])
                    outcomes.append(number)
            if added := sum(isinstance(each, int) for each in outcomes):
                add_audit(connection, "add negatives", identity_id, {"negatives": added})
            return outcomes

    def remove(self, ids: Collection[int]) -> frozenset[bytes]:
        traces: set[bytes] = set()
        with self._transactions.writing() as connection:
            images: list[int] = []
            for some in chunks(sorted(ids)):
                wanted = delete(NegativeRow).where(NegativeRow.id.in_(some))
                for image, code in connection.execute(wanted.returning(NegativeRow.image_id, NegativeRow.code)):
                    images.append(image)
                    traces |= traces_of(code)
            traces |= traces_of_images(delete_unused_images(connection, images))
            if images:
                add_audit(connection, "remove negatives", None, {"negatives": len(images)})
        return frozenset(traces)


def _is_there(
    connection: Connection,
    kept: type[TemplateRow] | type[NegativeRow],
    identity_id: int,
    image_id: int,
    box: tuple[float | None, ...],
) -> bool:
    """Whether this face of an image is kept of the identity."""
    wanted = select(kept.id).where(is_face(kept, identity_id, image_id, box))
    return connection.scalar(wanted.limit(1)) is not None
