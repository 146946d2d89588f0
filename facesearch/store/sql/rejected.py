"""Photos that enrolment rejected, as keyed hashes: those that need not be looked at again, for what they show, of their
content and of how it was looked at; the others, whose reason may be gone tomorrow, of their content and of the reason.

A reason may name people: of those that were only told, no word is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from facesearch.store.sql.checksums import insert_rows, next_id
from facesearch.store.sql.keyed import keyed, looked_up, made_key
from facesearch.store.sql.models import RejectedPhotoRow

_TOLD = "told"


def remember_rejected(connection: Connection, reasons: Mapping[bytes, str], pipeline: str) -> None:
    """These photos, known by the SHA-256 of their content, were rejected by a pipeline with this digest."""
    known = rejected(connection, list(reasons), pipeline)
    new = {_looked_at(sha256, pipeline): reason for sha256, reason in reasons.items() if sha256 not in known}
    _remember(connection, new)


def rejected(connection: Connection, sha256s: Sequence[bytes], pipeline: str) -> dict[bytes, str]:
    """Of these photos, those that a pipeline with this digest rejected: why."""
    contents = {_looked_at(sha256, pipeline): sha256 for sha256 in sha256s}
    found = looked_up(connection, RejectedPhotoRow, RejectedPhotoRow.reason, list(contents))
    return {contents[content]: reason for content, reason in found.items()}


def remember_told(connection: Connection, told: Collection[tuple[bytes, str]]) -> None:
    """These photos, known by the SHA-256 of their content, were rejected for these reasons, and that was told."""
    before = told_before(connection, told)
    _remember(connection, {_said(*each): _TOLD for each in sorted(told) if each not in before})


def told_before(connection: Connection, told: Collection[tuple[bytes, str]]) -> set[tuple[bytes, str]]:
    """Those of these photos and reasons that were told before."""
    contents = {_said(*each): each for each in told}
    found = looked_up(connection, RejectedPhotoRow, RejectedPhotoRow.reason, list(contents))
    return {contents[content] for content in found}


def _remember(connection: Connection, reasons: Mapping[bytes, str]) -> None:
    if not reasons:
        return
    key, first = made_key(connection), next_id(connection, RejectedPhotoRow)
    rows = [(number, keyed(key, each), reason) for number, (each, reason) in enumerate(reasons.items(), start=first)]
    insert_rows(connection, RejectedPhotoRow, rows)


def _said(sha256: bytes, reason: str) -> bytes:
    return sha256 + b" is rejected: " + reason.encode("utf-8", "surrogatepass")


def _looked_at(sha256: bytes, pipeline: str) -> bytes:
    return sha256 + pipeline.encode()
