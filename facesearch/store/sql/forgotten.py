"""Photos of people who were forgotten, as keyed hashes of their content."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete

from facesearch.store.sql.checksums import insert_rows, next_id
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.keyed import key_of, keyed, looked_up, made_key
from facesearch.store.sql.marks import clear_marks
from facesearch.store.sql.models import ForgottenPhotoRow


def remember_photos(connection: Connection, sha256s: Sequence[bytes], hashes: Sequence[bytes] = ()) -> None:
    """These photos, known by the SHA-256 of their content or its keyed hash, show somebody who is being forgotten."""
    if not sha256s and not hashes:
        return
    key, now = made_key(connection), int(time.time())
    all_hashes = list(dict.fromkeys([*(keyed(key, sha256) for sha256 in sha256s), *hashes]))
    _delete(connection, all_hashes)
    first = next_id(connection, ForgottenPhotoRow)
    rows = [(number, hashed, now) for number, hashed in enumerate(all_hashes, start=first)]
    insert_rows(connection, ForgottenPhotoRow, rows)


def recall(connection: Connection, enrolled: Collection[tuple[bytes, int]]) -> None:
    """Photos are enrolled, given by SHA-256 and whose they are: they no longer count as photos of somebody forgotten,
    nor as thinned or taken out of theirs."""
    key = key_of(connection)
    if key is not None:
        _delete(connection, [keyed(key, sha256) for sha256, _ in enrolled])
        clear_marks(connection, enrolled)


def forgotten(connection: Connection, sha256s: Sequence[bytes]) -> dict[bytes, int]:
    """Of these photos, those of people who were forgotten: when (epoch seconds)."""
    return looked_up(connection, ForgottenPhotoRow, ForgottenPhotoRow.forgotten_at, sha256s)


def _delete(connection: Connection, hashes: Sequence[bytes]) -> None:
    for some in chunks(hashes):
        connection.execute(delete(ForgottenPhotoRow).where(ForgottenPhotoRow.photo_key.in_(some)))
