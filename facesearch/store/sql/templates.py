"""The role of the template log: templates and their images, and what was taken out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, bindparam, func, literal, select

from facesearch.photos.geometry import same_place
from facesearch.store.records import (
    Counts,
    EncoderKey,
    EnrolledPhoto,
    LogPosition,
    Milestone,
    NewTemplate,
    Owner,
    TemplateOwners,
    Templates,
)
from facesearch.store.shard import Shard
from facesearch.store.sql.audit import add_audit
from facesearch.store.sql.checksums import insert_rows, is_sound, next_id, require_sound
from facesearch.store.sql.chunks import chunks, padded
from facesearch.store.sql.dialect import dialect_of
from facesearch.store.sql.expressions import HighestGiven
from facesearch.store.sql.forgotten import recall
from facesearch.store.sql.identities import ids_of
from facesearch.store.sql.milestones import holds, milestones
from facesearch.store.sql.models import IdentityRow, ImageRow, RemovalRow, SetAsideRow, TemplateRow
from facesearch.store.sql.places import box_of
from facesearch.store.sql.settings import encoder_id, require_codec
from facesearch.store.sql.sharding import in_shard
from facesearch.store.sql.template_infos import Kept
from facesearch.store.sql.transactions import Transactions


class SqlTemplates:
    """See `facesearch.store.roles.TemplatesRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def enrolled(self, sha256s: Sequence[bytes]) -> dict[bytes, list[EnrolledPhoto]]:
        with self._transactions.reading() as connection:
            return enrolled(connection, sha256s)

    def add(
        self,
        batch: Sequence[NewTemplate],
        encoder: EncoderKey,
        codec: str,
        *,
        logged: str | None = None,
        by_place: bool = False,
    ) -> list[int | None]:
        with self._transactions.writing() as connection:
            require_codec(connection, codec)
            added = _add_templates(connection, batch, encoder, codec, by_place=by_place)
            if logged and (count := len(added) - added.count(None)):
                add_audit(connection, logged, None, {"templates": count})
            return added

    def batches(
        self, after_id: int = 0, until_id: int | None = None, batch: int = 4096, *, shard: Shard | None = None
    ) -> Iterator[Templates]:
        while True:
            with self._transactions.reading() as connection:
                found = read_templates(connection, after_id, until_id=until_id, limit=batch, shard=shard)
            if not len(found):
                return
            yield found
            after_id = int(found.ids[-1])

    def owners(self, template_ids: Sequence[int]) -> dict[int, Owner]:
        with self._transactions.reading() as connection:
            return owners(connection, template_ids)

    def codes(self, template_ids: Sequence[int], *, aside: bool = False) -> Templates:
        with self._transactions.reading() as connection:
            return read_codes(connection, template_ids, (TemplateRow, SetAsideRow) if aside else (TemplateRow,))

    def qualities(self, template_ids: Sequence[int]) -> dict[int, float]:
        with self._transactions.reading() as connection:
            return qualities(connection, template_ids)

    def removed_since(self, removal_id: int) -> npt.NDArray[np.int64]:
        with self._transactions.reading() as connection:
            return removed_since(connection, removal_id)

    def milestones(self, last_id: int) -> tuple[Milestone, ...]:
        with self._transactions.reading() as connection:
            return milestones(connection, last_id)

    def holds(self, milestones: Sequence[Milestone]) -> bool:
        with self._transactions.reading() as connection:
            return holds(connection, milestones)

    def counts(self) -> Counts:
        with self._transactions.reading() as connection:
            identities, images = (
                connection.scalar(select(func.count()).select_from(row)) or 0 for row in (IdentityRow, ImageRow)
            )
            return Counts(identities, dialect_of(connection).count_templates(connection)[0], images)

    def position(self) -> LogPosition:
        with self._transactions.reading() as connection:
            return position_of(connection.execute(select(*HIGHEST_IDS)).one())

    def codecs(self) -> set[str]:
        with self._transactions.reading() as connection:
            return set(connection.scalars(select(TemplateRow.codec).distinct()))


# The numbers that say which ids were given have no checksum; at least they cannot fall behind the rows that are there.
HIGHEST_IDS = tuple(
    highest
    for row in (TemplateRow, RemovalRow)
    for highest in (
        HighestGiven(literal(row.__tablename__)),
        select(func.max(row.id)).scalar_subquery(),
    )
)
"""For `position_of`: the highest ids of templates and of removals."""


def position_of(highest: Sequence[Any]) -> LogPosition:
    """The position of the log, from the values of `HIGHEST_IDS`."""
    given, stored, removals_given, removals_stored = (value or 0 for value in highest)
    return LogPosition(max(given, stored), max(removals_given, removals_stored))


def enrolled(connection: Connection, sha256s: Sequence[bytes]) -> dict[bytes, list[EnrolledPhoto]]:
    box = TemplateRow.box_x, TemplateRow.box_y, TemplateRow.box_w, TemplateRow.box_h
    statement = (
        select(ImageRow.sha256, TemplateRow.id, IdentityRow.name, ImageRow.path, *box)
        .join(TemplateRow, TemplateRow.image_id == ImageRow.id)
        .join(IdentityRow, IdentityRow.id == TemplateRow.identity_id)
        .where(ImageRow.sha256.in_(bindparam("hashes", expanding=True)))
        .order_by(TemplateRow.id)
    )
    found: dict[bytes, list[EnrolledPhoto]] = {}
    for hashes in chunks(sha256s):
        for sha256, number, name, path, *place in connection.execute(statement, {"hashes": hashes}):
            found.setdefault(sha256, []).append(EnrolledPhoto(number, name, path, box_of(place)))
    return found


def _add_templates(
    connection: Connection, batch: Sequence[NewTemplate], encoder: EncoderKey, codec: str, *, by_place: bool
) -> list[int | None]:
    known_images = image_ids(connection, [new.sha256 for new in batch])
    there = enrolled(connection, list(known_images))  # an image may be there without a template
    taken = {sha256: [each.box for each in faces] for sha256, faces in there.items()}
    accepted: list[int] = []  # positions in the batch
    for position, new in enumerate(batch):
        boxes = taken.setdefault(new.sha256, [])
        if not boxes or (by_place and not any(same_place(new.box, box) for box in boxes)):
            boxes.append(new.box)
            accepted.append(position)
    added: list[int | None] = [None] * len(batch)
    if not accepted:
        return added

    now = int(time.time())
    news = batch if len(accepted) == len(batch) else [batch[position] for position in accepted]
    owner_ids = ids_of(connection, {new.identity for new in news})
    recall(connection, [(new.sha256, owner_ids[new.identity]) for new in news])
    add_images(connection, news, known_images, now)
    by_encoder, first = encoder_id(connection, encoder), next_id(connection, TemplateRow)
    nowhere = (None, None, None, None)
    insert_rows(
        connection,
        TemplateRow,
        [
            (
                *(first + number, owner_ids[new.identity], known_images[new.sha256], by_encoder, codec, new.code),
                *(float(new.quality), *(map(float, new.box) if new.box else nowhere), now),
            )
            for number, new in enumerate(news)
        ],
    )
    for number, position in enumerate(accepted):
        added[position] = first + number
    return added


def image_ids(connection: Connection, sha256s: Sequence[bytes]) -> dict[bytes, int]:
    """The ids of the images with these hashes, as far as they are there."""
    ids: dict[bytes, int] = {}
    for hashes in chunks(sha256s):
        ids.update(dialect_of(connection).ids_by(connection, "images.sha256", hashes))
    return ids


def add_images(connection: Connection, news: Sequence[NewTemplate], ids: dict[bytes, int], now: int) -> None:
    """Add the images that have no id yet, and their ids to `ids`."""
    # In the order of their hashes, which are indexed: neighbours go into the same page.
    first_of = {new.sha256: new for new in reversed(news) if new.sha256 not in ids}
    unknown = sorted(first_of.values(), key=lambda new: new.sha256)
    first = next_id(connection, ImageRow)
    rows = [
        (first + number, new.sha256, _storable(new.path), new.width, new.height, now)
        for number, new in enumerate(unknown)
    ]
    insert_rows(connection, ImageRow, rows)
    ids.update({new.sha256: first + number for number, new in enumerate(unknown)})


def _storable(path: str) -> str:
    """File names may hold bytes that are not UTF-8; they are written as \\xNN."""
    if path.isascii():
        return path
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def owners(connection: Connection, template_ids: Sequence[int]) -> dict[int, Owner]:
    statement = (
        select(TemplateRow.id, is_sound(TemplateRow), IdentityRow.id, is_sound(IdentityRow), IdentityRow.name)
        .join(IdentityRow, IdentityRow.id == TemplateRow.identity_id)
        .where(TemplateRow.id.in_(bindparam("ids", expanding=True)))
    )
    found: dict[int, Owner] = {}
    for ids in chunks(template_ids):
        rows = connection.execute(statement, {"ids": padded([int(i) for i in ids])})
        for template_id, sound, identity_id, identity_sound, name in rows:
            require_sound(TemplateRow, sound, template_id)
            require_sound(IdentityRow, identity_sound, identity_id)
            found[template_id] = Owner(identity_id, name)
    return found


def qualities(connection: Connection, template_ids: Sequence[int]) -> dict[int, float]:
    statement = select(TemplateRow.id, TemplateRow.quality, is_sound(TemplateRow)).where(
        TemplateRow.id.in_(bindparam("ids", expanding=True))
    )
    found: dict[int, float] = {}
    for ids in chunks(template_ids):
        for template_id, quality, sound in connection.execute(statement, {"ids": padded([int(i) for i in ids])}):
            require_sound(TemplateRow, sound, template_id)
            found[template_id] = quality
    return found


def template_owners(connection: Connection, after_id: int) -> TemplateOwners:
    wanted = select(TemplateRow.id, TemplateRow.identity_id, TemplateRow.quality, is_sound(TemplateRow))
    rows = connection.execute(wanted.where(TemplateRow.id > after_id).order_by(TemplateRow.id)).all()
    for row in rows:
        require_sound(TemplateRow, row[3], row[0])
    return TemplateOwners(
        ids=np.fromiter((row[0] for row in rows), np.int64, len(rows)),
        identity_ids=np.fromiter((row[1] for row in rows), np.int64, len(rows)),
        qualities=np.fromiter((row[2] for row in rows), np.float64, len(rows)),
    )


def read_templates(
    connection: Connection, after_id: int, *, until_id: int | None = None, limit: int, shard: Shard | None = None
) -> Templates:
    """The `limit` templates with the lowest ids above `after_id`, none above `until_id`; shard: those in it alone."""
    wanted = select(TemplateRow.id, TemplateRow.code, TemplateRow.codec, is_sound(TemplateRow))
    wanted = wanted.where(TemplateRow.id > after_id)
    if until_id is not None:
        wanted = wanted.where(TemplateRow.id <= until_id)
    if shard is not None:
        wanted = wanted.where(in_shard(shard))
    rows = connection.execute(wanted.order_by(TemplateRow.id).limit(limit)).all()
    for row in rows:
        require_sound(TemplateRow, row[3], row[0])
    return Templates(
        ids=np.fromiter((row[0] for row in rows), np.int64, len(rows)),
        codes=[row[1] for row in rows],
        codecs=[row[2] for row in rows],
    )


def read_codes(connection: Connection, template_ids: Sequence[int], kept: Sequence[Kept] = (TemplateRow,)) -> Templates:
    """The templates with these ids, in this order, from the tables given; ids that are not there are left out."""
    found: dict[int, tuple[bytes, str]] = {}
    for row in kept:
        statement = select(row.id, row.code, row.codec, is_sound(row)).where(
            row.id.in_(bindparam("ids", expanding=True))
        )
        for ids in chunks(template_ids):
            for template_id, code, codec, sound in connection.execute(statement, {"ids": [int(i) for i in ids]}):
                require_sound(row, sound, template_id)
                found[template_id] = (code, codec)
    present = [int(i) for i in template_ids if int(i) in found]
    return Templates(
        ids=np.array(present, np.int64),
        codes=[found[i][0] for i in present],
        codecs=[found[i][1] for i in present],
    )


def removed_since(connection: Connection, removal_id: int) -> npt.NDArray[np.int64]:
    """The ids of templates taken out after that entry of the log, in its order."""
    rows = connection.execute(
        select(RemovalRow.id, RemovalRow.template_id, is_sound(RemovalRow))
        .where(RemovalRow.id > removal_id)
        .order_by(RemovalRow.id)
    ).all()
    for entry, _, sound in rows:
        require_sound(RemovalRow, sound, entry)
    return np.fromiter((row[1] for row in rows), np.int64, len(rows))
