"""Photos that enrolment rejected for what they show, as keyed hashes of their content and of how it was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from facesearch.store.sqlite.checksums import insert_rows, next_id
from facesearch.store.sqlite.keyed import keyed, looked_up, made_key
from facesearch.store.sqlite.models import RejectedPhotoRow


def remember_rejected(connection: Connection, reasons: Mapping[bytes, str], pipeline: str) -> None:
    """These photos, known by the SHA-256 of their content, were rejected by a pipeline with this digest."""
    known = rejected(connection, list(reasons), pipeline)
    new = [sha256 for sha256 in reasons if sha256 not in known]
    if not new:
        return
    key, first = made_key(connection), next_id(connection, RejectedPhotoRow)
    rows = [
        (number, keyed(key, _looked_at(sha256, pipeline)), reasons[sha256])
        for number, sha256 in enumerate(new, start=first)
    ]
    insert_rows(connection, RejectedPhotoRow, rows)


def rejected(connection: Connection, sha256s: Sequence[bytes], pipeline: str) -> dict[bytes, str]:
    """Of these photos, those that a pipeline with this digest rejected: why."""
    contents = {_looked_at(sha256, pipeline): sha256 for sha256 in sha256s}
    found = looked_up(connection, RejectedPhotoRow, RejectedPhotoRow.reason, list(contents))
    return {contents[content]: reason for content, reason in found.items()}


def _looked_at(sha256: bytes, pipeline: str) -> bytes:
    return sha256 + pipeline.encode()
