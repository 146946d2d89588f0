"""Photos of people who were forgotten, as keyed hashes of their content."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection, delete

from facesearch.store.sqlite.checksums import insert_rows, next_id
from facesearch.store.sqlite.chunks import chunks
from facesearch.store.sqlite.keyed import key_of, keyed, looked_up, made_key
from facesearch.store.sqlite.models import ForgottenPhotoRow, RejectedPhotoRow


def remember_photos(connection: Connection, sha256s: Sequence[bytes]) -> None:
    """These photos, known by the SHA-256 of their content, show somebody who is being forgotten."""
    if not sha256s:
        return
    recall(connection, sha256s)
    key, now, first = made_key(connection), int(time.time()), next_id(connection, ForgottenPhotoRow)
    rows = [(number, keyed(key, sha256), now) for number, sha256 in enumerate(sha256s, start=first)]
    insert_rows(connection, ForgottenPhotoRow, rows)


def recall(connection: Connection, sha256s: Sequence[bytes]) -> None:
    """They no longer count as photos of somebody forgotten, nor as thinned out."""
    key = key_of(connection)
    if key is None:
        return
    for some in chunks(sha256s):
        hashes = [keyed(key, sha256) for sha256 in some]
        for row in (ForgottenPhotoRow, RejectedPhotoRow):
            connection.execute(delete(row).where(row.photo_key.in_(hashes)))


def forgotten(connection: Connection, sha256s: Sequence[bytes]) -> dict[bytes, int]:
    """Of these photos, those of people who were forgotten: when (epoch seconds)."""
    return looked_up(connection, ForgottenPhotoRow, ForgottenPhotoRow.forgotten_at, sha256s)
