"""Photos that enrolment rejected for what they show, as keyed hashes of their content and of how it was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, select

from facesearch.store.sqlite.checksums import insert_rows, next_id
from facesearch.store.sqlite.chunks import chunks
from facesearch.store.sqlite.keyed import key_of, keyed, made_key
from facesearch.store.sqlite.models import RejectedPhotoRow


def remember_rejected(connection: Connection, reasons: Mapping[bytes, str], pipeline: str) -> None:
    """These photos, known by the SHA-256 of their content, were rejected by a pipeline with this digest."""
    known = rejected(connection, list(reasons), pipeline)
    new = [sha256 for sha256 in reasons if sha256 not in known]
    if not new:
        return
    key, first = made_key(connection), next_id(connection, RejectedPhotoRow)
    rows = [
        (number, keyed(key, sha256 + pipeline.encode()), reasons[sha256])
        for number, sha256 in enumerate(new, start=first)
    ]
    insert_rows(connection, RejectedPhotoRow, rows)


def rejected(connection: Connection, sha256s: Sequence[bytes], pipeline: str) -> dict[bytes, str]:
    """Of these photos, those that a pipeline with this digest rejected: why."""
    key = key_of(connection)
    if key is None:
        return {}
    wanted = select(RejectedPhotoRow.photo_key, RejectedPhotoRow.reason)
    wanted = wanted.where(RejectedPhotoRow.photo_key.in_(bindparam("keys", expanding=True)))
    found: dict[bytes, str] = {}
    for some in chunks(sha256s):
        by_hash = {keyed(key, sha256 + pipeline.encode()): sha256 for sha256 in some}
        for hashed, reason in connection.execute(wanted, {"keys": list(by_hash)}):
            found[by_hash[hashed]] = reason
    return found
