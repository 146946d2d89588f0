"""What is known of stored templates besides their codes: one query for those in use, those set aside and negatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, delete, select

from facesearch.store.records import ACTIVE, SET_ASIDE, TemplateInfo
from facesearch.store.sql.checksums import is_sound, require_sound
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.models import (
    EncoderRow,
    IdentityRow,
    ImageRow,
    KeptAsideRow,
    NegativeRow,
    SetAsideRow,
    TemplateRow,
    UnknownFaceRow,
)
from facesearch.store.sql.traces import traces_of

Kept = type[TemplateRow] | type[SetAsideRow]

BOTH = (TemplateRow, SetAsideRow)


def in_both(connection: Connection, where: Callable[[Kept], ColumnElement[bool] | None]) -> list[TemplateInfo]:
    """Those in use, then those set aside, that a condition holds for."""
    return [info for kept in BOTH for info in template_infos(connection, kept, where(kept))]


def delete_unused_images(connection: Connection, image_ids: Sequence[int]) -> list[tuple[str, bytes]]:
    """Delete those of these images that no template refers to, in use, set aside or negative, and no
    unknown face.

    Returns their paths and hashes.
    """
    unused = [
        ~select(kept.id).where(kept.image_id == ImageRow.id).exists() for kept in (*BOTH, NegativeRow, UnknownFaceRow)
    ]
    gone: list[tuple[str, bytes]] = []
    for some in chunks(sorted(set(image_ids))):
        wanted = delete(ImageRow).where(ImageRow.id.in_(some), *unused).returning(ImageRow.path, ImageRow.sha256)
        gone += [(path, sha256) for path, sha256 in connection.execute(wanted)]
    return gone


def count_images_kept(connection: Connection, image_ids: Sequence[int]) -> tuple[int, int]:
    """How many of these images are still there, and how many of those no template refers to, but an unknown face."""
    there, enrolled = 0, 0
    for some in chunks(sorted(set(image_ids))):
        there += len(connection.scalars(select(ImageRow.id).where(ImageRow.id.in_(some))).all())
        used = [select(kept.image_id).where(kept.image_id.in_(some)) for kept in (*BOTH, NegativeRow)]
        enrolled += len({image for each in used for image in connection.scalars(each)})
    return there, there - enrolled


def hashes_of(connection: Connection, image_ids: Sequence[int]) -> list[bytes]:
    """The hashes of these images."""
    found: list[bytes] = []
    for some in chunks(sorted(set(image_ids))):
        found += connection.scalars(select(ImageRow.sha256).where(ImageRow.id.in_(some)))
    return found


def traces_of_images(images: Iterable[tuple[str, bytes]]) -> set[bytes]:
    """Bytes by which copies of the rows of images are recognised, by their paths and hashes."""
    return {trace for path, sha256 in images for trace in traces_of(sha256) | traces_of(path.encode())}


def template_infos(
    connection: Connection, kept: Kept | type[NegativeRow], where: ColumnElement[bool] | None
) -> list[TemplateInfo]:
    """Those that a condition on `kept`, images or identities holds for (None: all), by id."""
    wanted = (
        select(
            kept.id,
            is_sound(kept).label("sound"),
            is_sound(ImageRow).label("image_sound"),
            is_sound(IdentityRow).label("identity_sound"),
            is_sound(EncoderRow).label("encoder_sound"),
            kept.image_id,
            kept.identity_id,
            kept.encoder_id,
            IdentityRow.name,
            ImageRow.path,
            kept.quality,
            kept.box_x,
            kept.box_y,
            kept.box_w,
            kept.box_h,
            EncoderRow.precision,
            kept.codec,
            kept.created_at,
        )
        .outerjoin(ImageRow, ImageRow.id == kept.image_id)
        .outerjoin(IdentityRow, IdentityRow.id == kept.identity_id)
        .outerjoin(EncoderRow, EncoderRow.id == kept.encoder_id)
        .order_by(kept.id)
    )
    state = ACTIVE if kept is TemplateRow else SET_ASIDE
    stay = set(connection.scalars(select(KeptAsideRow.id))) if kept is SetAsideRow else set()
    infos = []
    for row in connection.execute(wanted if where is None else wanted.where(where)):
        require_sound(kept, row.sound, row.id)
        require_sound(ImageRow, row.image_sound, row.image_id)
        require_sound(IdentityRow, row.identity_sound, row.identity_id)
        require_sound(EncoderRow, row.encoder_sound, row.encoder_id)
        box = None if row.box_x is None else (row.box_x, row.box_y, row.box_w, row.box_h)
        stored = row.precision, row.codec, row.created_at
        infos.append(TemplateInfo(row.id, row.name, row.path, row.quality, box, *stored, state, row.id in stay))
    return infos
