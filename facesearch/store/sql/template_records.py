"""Stored templates with all that is known of them, as they are taken to other places."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from facesearch.store.records import EncoderKey, TemplateRecord
from facesearch.store.sql.checksums import is_sound, require_sound
from facesearch.store.sql.models import EncoderRow, IdentityRow, ImageRow, TemplateRow


def template_records(connection: Connection, batch: int) -> Iterator[list[TemplateRecord]]:
    """All templates in use, by id, `batch` at a time; none that is set aside."""
    encoders, after_id = _encoders(connection), 0
    wanted = (
        select(
            TemplateRow.id,
            is_sound(TemplateRow).label("sound"),
            is_sound(ImageRow).label("image_sound"),
            is_sound(IdentityRow).label("identity_sound"),
            TemplateRow.image_id,
            TemplateRow.identity_id,
            TemplateRow.encoder_id,
            IdentityRow.name,
            ImageRow.path,
            ImageRow.sha256,
            TemplateRow.quality,
            TemplateRow.box_x,
            TemplateRow.box_y,
            TemplateRow.box_w,
            TemplateRow.box_h,
            TemplateRow.codec,
            TemplateRow.code,
            TemplateRow.created_at,
        )
        .outerjoin(ImageRow, ImageRow.id == TemplateRow.image_id)
        .outerjoin(IdentityRow, IdentityRow.id == TemplateRow.identity_id)
        .order_by(TemplateRow.id)
        .limit(batch)
    )
    while True:
        found = []
        for row in connection.execute(wanted.where(TemplateRow.id > after_id)):
            require_sound(TemplateRow, row.sound, row.id)
            require_sound(ImageRow, row.image_sound, row.image_id)
            require_sound(IdentityRow, row.identity_sound, row.identity_id)
            require_sound(EncoderRow, row.encoder_id in encoders, row.encoder_id)
            box = None if row.box_x is None else (row.box_x, row.box_y, row.box_w, row.box_h)
            encoder = encoders[row.encoder_id]
            found.append(
                TemplateRecord(
                    *(row.id, row.name, row.path, row.sha256, row.quality, box),
                    *(encoder, row.codec, row.code, row.created_at),
                )
            )
        if not found:
            return
        yield found
        after_id = found[-1].id


def _encoders(connection: Connection) -> dict[int, EncoderKey]:
    """The encoders that made templates, by id."""
    rows = connection.execute(
        select(
            EncoderRow.id,
            is_sound(EncoderRow),
            *(EncoderRow.model, EncoderRow.precision, EncoderRow.backend, EncoderRow.fingerprint, EncoderRow.pipeline),
        )
    )
    found = {}
    for number, sound, *key in rows:
        require_sound(EncoderRow, sound, number)
        found[number] = EncoderKey(*key)
    return found
