"""Statements about templates and images, on a connection inside a transaction of the caller."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from sqlalchemy import Connection, bindparam, func, select, update

from facesearch.errors import StoreError
from facesearch.store.records import (
    Counts,
    EncoderKey,
    NewTemplate,
    Owner,
    Removal,
    TemplateOwners,
    Templates,
    Watermark,
)
from facesearch.store.sqlite.checksums import insert_rows, is_sound, next_id, refresh, require_sound
from facesearch.store.sqlite.chunks import chunks
from facesearch.store.sqlite.identities import ids_of
from facesearch.store.sqlite.models import Gallery, Identity, Image, RemovalLog, Template
from facesearch.store.sqlite.state import add_audit, clear_index_state, encoder_id

Recode = Callable[[list[bytes], str], list[bytes]]  # (codes, their codec) -> codes in the new codec
Progress = Callable[[int, int], None]  # (done, total)

_BATCH = 4096


def enrolled(connection: Connection, sha256s: Sequence[bytes]) -> dict[bytes, str]:
    statement = (
        select(Image.sha256, Identity.name)
        .join(Template, Template.image_id == Image.id)
        .join(Identity, Identity.id == Template.identity_id)
        .where(Image.sha256.in_(bindparam("hashes", expanding=True)))
        .order_by(Template.id)
    )
    found: dict[bytes, str] = {}
    for hashes in chunks(sha256s):
        for sha256, name in connection.execute(statement, {"hashes": hashes}):
            found.setdefault(sha256, name)
    return found


def add_templates(
    connection: Connection, batch: Sequence[NewTemplate], encoder: EncoderKey, codec: str
) -> list[int | None]:
    image_ids = _image_ids(connection, [new.sha256 for new in batch])
    taken = set(enrolled(connection, list(image_ids)))  # an image may be there without a template
    accepted: list[int] = []  # positions in the batch
    for position, new in enumerate(batch):
        if new.sha256 not in taken:
            taken.add(new.sha256)
            accepted.append(position)
    added: list[int | None] = [None] * len(batch)
    if not accepted:
        return added

    now = int(time.time())
    news = batch if len(accepted) == len(batch) else [batch[position] for position in accepted]
    owner_ids = ids_of(connection, {new.identity for new in news})
    _add_images(connection, news, image_ids, now)
    by_encoder, first = encoder_id(connection, encoder), next_id(connection, Template)
    nowhere = (None, None, None, None)
    insert_rows(
        connection,
        Template,
        [
            (
                *(first + number, owner_ids[new.identity], image_ids[new.sha256], by_encoder, codec, new.code),
                *(float(new.quality), *(map(float, new.box) if new.box else nowhere), now),
            )
            for number, new in enumerate(news)
        ],
    )
    for number, position in enumerate(accepted):
        added[position] = first + number
    return added


def _image_ids(connection: Connection, sha256s: Sequence[bytes]) -> dict[bytes, int]:
    """The ids of the images with these hashes, as far as they are there."""
    ids: dict[bytes, int] = {}
    for hashes in chunks(sha256s):
        marks = ", ".join("?" * len(hashes))  # past SQLAlchemy, whose lists of values cost more than the look-up
        found = connection.exec_driver_sql(f"SELECT sha256, id FROM images WHERE sha256 IN ({marks})", tuple(hashes))  # noqa: S608
        ids.update({sha256: image_id for sha256, image_id in found})  # noqa: C416 - rows
    return ids


def _add_images(connection: Connection, news: Sequence[NewTemplate], ids: dict[bytes, int], now: int) -> None:
    """Add the images that have no id yet, and their ids to `ids`."""
    # In the order of their hashes, which are indexed: neighbours go into the same page.
    unknown = sorted((new for new in news if new.sha256 not in ids), key=lambda new: new.sha256)
    first = next_id(connection, Image)
    rows = [
        (first + number, new.sha256, _storable(new.path), new.width, new.height, now)
        for number, new in enumerate(unknown)
    ]
    insert_rows(connection, Image, rows)
    ids.update({new.sha256: first + number for number, new in enumerate(unknown)})


def _storable(path: str) -> str:
    """File names may hold bytes that are not UTF-8; they are written as \\xNN."""
    if path.isascii():
        return path
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def owners(connection: Connection, template_ids: Sequence[int]) -> dict[int, Owner]:
    statement = (
        select(Template.id, is_sound(Template), Identity.id, is_sound(Identity), Identity.name)
        .join(Identity, Identity.id == Template.identity_id)
        .where(Template.id.in_(bindparam("ids", expanding=True)))
    )
    found: dict[int, Owner] = {}
    for ids in chunks(template_ids):
        rows = connection.execute(statement, {"ids": [int(i) for i in ids]})
        for template_id, sound, identity_id, identity_sound, name in rows:
            require_sound(Template, sound, template_id)
            require_sound(Identity, identity_sound, identity_id)
            found[template_id] = Owner(identity_id, name)
    return found


def template_owners(connection: Connection) -> TemplateOwners:
    rows = connection.execute(
        select(Template.id, Template.identity_id, Template.quality, is_sound(Template)).order_by(Template.id)
    ).all()
    for row in rows:
        require_sound(Template, row[3], row[0])
    return TemplateOwners(
        ids=np.fromiter((row[0] for row in rows), np.int64, len(rows)),
        identity_ids=np.fromiter((row[1] for row in rows), np.int64, len(rows)),
        qualities=np.fromiter((row[2] for row in rows), np.float64, len(rows)),
    )


def next_templates(connection: Connection, after_id: int, limit: int) -> Templates:
    """The `limit` templates with the lowest ids above `after_id`."""
    rows = connection.execute(
        select(Template.id, Template.code, Template.codec, is_sound(Template))
        .where(Template.id > after_id)
        .order_by(Template.id)
        .limit(limit)
    ).all()
    for row in rows:
        require_sound(Template, row[3], row[0])
    return Templates(
        ids=np.fromiter((row[0] for row in rows), np.int64, len(rows)),
        codes=[row[1] for row in rows],
        codecs=[row[2] for row in rows],
    )


def codes(connection: Connection, template_ids: Sequence[int]) -> Templates:
    statement = select(Template.id, Template.code, Template.codec, is_sound(Template)).where(
        Template.id.in_(bindparam("ids", expanding=True))
    )
    found: dict[int, tuple[bytes, str]] = {}
    for ids in chunks(template_ids):
        for template_id, code, codec, sound in connection.execute(statement, {"ids": [int(i) for i in ids]}):
            require_sound(Template, sound, template_id)
            found[template_id] = (code, codec)
    present = [int(i) for i in template_ids if int(i) in found]
    return Templates(
        ids=np.array(present, np.int64),
        codes=[found[i][0] for i in present],
        codecs=[found[i][1] for i in present],
    )


def removals(connection: Connection, after_id: int) -> list[Removal]:
    rows = connection.execute(
        select(RemovalLog.id, RemovalLog.template_id, is_sound(RemovalLog))
        .where(RemovalLog.id > after_id)
        .order_by(RemovalLog.id)
    )
    found = []
    for entry, template_id, sound in rows:
        require_sound(RemovalLog, sound, entry)
        found.append(Removal(entry, template_id))
    return found


def counts(connection: Connection) -> Counts:
    identities, templates, images = (
        connection.scalar(select(func.count()).select_from(table)) or 0 for table in (Identity, Template, Image)
    )
    return Counts(identities, templates, images)


def watermark(connection: Connection) -> Watermark:
    # AUTOINCREMENT keeps the highest id ever given here, also of rows that are gone; rolled back with its transaction.
    given: dict[str, int] = {}
    for table, last in connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence"):
        given[table] = last
    # These numbers have no checksum; at least they cannot fall behind the rows that are there.
    stored = connection.execute(
        select(select(func.max(Template.id)).scalar_subquery(), select(func.max(RemovalLog.id)).scalar_subquery())
    ).one()
    return Watermark(
        max(given.get(Template.__tablename__, 0), stored[0] or 0),
        max(given.get(RemovalLog.__tablename__, 0), stored[1] or 0),
    )


def codecs(connection: Connection) -> set[str]:
    return set(connection.scalars(select(Template.codec).distinct()))


def recode(connection: Connection, fn: Recode, codec: str, progress: Progress | None) -> int:
    total = connection.scalar(select(func.count()).select_from(Template)) or 0
    change = update(Template).where(Template.id == bindparam("template_id"))
    change = change.values(code=bindparam("new_code"), codec=codec)
    done = last = 0
    while len(batch := next_templates(connection, last, _BATCH)):
        for old_codec in dict.fromkeys(old for old in batch.codecs if old != codec):
            chosen = [i for i, of in enumerate(batch.codecs) if of == old_codec]
            new_codes = fn([batch.codes[i] for i in chosen], old_codec)
            if len(new_codes) != len(chosen):
                raise StoreError(f"{len(chosen)} templates gave {len(new_codes)} codes; nothing was changed")
            connection.execute(
                change,
                [
                    {"template_id": int(batch.ids[i]), "new_code": code}
                    for i, code in zip(chosen, new_codes, strict=True)
                ],
            )
        refresh(connection, Template, (Template.id > last) & (Template.id <= int(batch.ids[-1])))
        last = int(batch.ids[-1])
        done += len(batch)
        if progress is not None:
            progress(done, total)
    connection.execute(update(Gallery).values(codec=codec))
    refresh(connection, Gallery, Gallery.id == 1)
    clear_index_state(connection)
    add_audit(connection, "recode", None, {"templates": total, "codec": codec})
    return total
