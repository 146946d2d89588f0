"""Rows of unknown faces: read at one moment, found again by their place in a photo, deleted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, select

from facesearch.store.records import Discarded, Inbox, Templates, UnknownFace, UnknownPair
from facesearch.store.sql.checksums import is_sound, require_sound
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.models import ImageRow, UnknownClusterRow, UnknownFaceRow, UnknownPairRow
from facesearch.store.sql.template_infos import delete_unused_images, traces_of_images
from facesearch.store.sql.traces import traces_of


def read_inbox(connection: Connection) -> Inbox:
    """All unknown faces, by id; raises `StoreError` for a damaged row."""
    wanted = (
        select(
            UnknownFaceRow.id,
            is_sound(UnknownFaceRow).label("sound"),
            is_sound(ImageRow).label("image_sound"),
            UnknownFaceRow.image_id,
            UnknownFaceRow.cluster_id,
            ImageRow.path,
            ImageRow.sha256,
            UnknownFaceRow.quality,
            UnknownFaceRow.box_x,
            UnknownFaceRow.box_y,
            UnknownFaceRow.box_w,
            UnknownFaceRow.box_h,
            UnknownFaceRow.created_at,
            UnknownFaceRow.code,
            UnknownFaceRow.codec,
        )
        .outerjoin(ImageRow, ImageRow.id == UnknownFaceRow.image_id)
        .order_by(UnknownFaceRow.id)
    )
    faces, codes, codecs = [], [], []
    for row in connection.execute(wanted):
        require_sound(UnknownFaceRow, row.sound, row.id)
        require_sound(ImageRow, row.image_sound, row.image_id)
        box = None if row.box_x is None else (row.box_x, row.box_y, row.box_w, row.box_h)
        faces.append(UnknownFace(row.id, row.cluster_id, row.path, row.sha256, row.quality, box, row.created_at))
        codes.append(row.code)
        codecs.append(row.codec)
    ids = np.fromiter((face.id for face in faces), np.int64, len(faces))
    return Inbox(tuple(faces), read_pairs(connection), Templates(ids, codes, codecs))


def read_pairs(connection: Connection) -> tuple[UnknownPair, ...]:
    """What was said, by id; raises `StoreError` for a damaged row."""
    rows = connection.execute(
        select(
            UnknownPairRow.id,
            is_sound(UnknownPairRow),
            UnknownPairRow.first_id,
            UnknownPairRow.second_id,
            UnknownPairRow.together,
        ).order_by(UnknownPairRow.id)
    ).all()
    for row in rows:
        require_sound(UnknownPairRow, row[1], row[0])
    return tuple(UnknownPair(row[0], row[2], row[3], bool(row[4])) for row in rows)


def delete_faces(connection: Connection, faces: Collection[int] | None) -> Discarded:
    """Delete faces with these ids, or all, and the images and clusters that nothing else needs."""
    gone: list[Any] = []
    columns = (UnknownFaceRow.image_id, UnknownFaceRow.code, UnknownFaceRow.created_at)
    for some in [None] if faces is None else chunks(sorted(faces)):
        unwanted = delete(UnknownFaceRow)
        if some is not None:
            unwanted = unwanted.where(UnknownFaceRow.id.in_(some))
        gone += connection.execute(unwanted.returning(*columns)).all()
    clusters = delete_empty_clusters(connection)
    images = delete_unused_images(connection, [row[0] for row in gone])
    traces = traces_of_images(images).union(*(traces_of(row[1]) for row in gone))
    oldest = min((row[2] for row in gone), default=None)
    return Discarded(len(gone), clusters, len(images), oldest, frozenset(traces))


def delete_empty_clusters(connection: Connection) -> int:
    """Delete clusters without faces; returns how many. Their numbers are not given again."""
    used = select(UnknownFaceRow.id).where(UnknownFaceRow.cluster_id == UnknownClusterRow.id).exists()
    return connection.execute(delete(UnknownClusterRow).where(~used)).rowcount
