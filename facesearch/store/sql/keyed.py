"""Keyed hashes: what was can be known again when it comes back, and cannot be read or looked up from the table.

HMAC-SHA-256 (RFC 2104) with a key of 32 random bytes that each gallery draws for itself, cut to 16 bytes. Whoever has
the gallery has its key, and can tell whether a name or a photo that they have was there; nothing more.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.orm import InstrumentedAttribute

from facesearch.store.sql.checksums import insert_row, is_sound, require_sound
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.models import CollectedPhotoRow, ForgottenPhotoRow, RejectedPhotoRow, SecretRow

_KEY_BYTES = 32
_HASH_BYTES = 16


@dataclass(frozen=True, slots=True)
class KeyedContents:
    """Contents that are known by keyed hashes only: `in` says whether one is among them."""

    key: bytes = field(repr=False)
    hashes: frozenset[bytes] = field(repr=False)

    def __contains__(self, content: object) -> bool:
        return isinstance(content, bytes) and keyed(self.key, content) in self.hashes


T = TypeVar("T")
KeyedRow = CollectedPhotoRow | ForgottenPhotoRow | RejectedPhotoRow


def key_of(connection: Connection) -> bytes | None:
    """The key of the gallery; None where none was needed yet."""
    row = connection.execute(select(is_sound(SecretRow), SecretRow.content)).one_or_none()
    if row is None:
        return None
    require_sound(SecretRow, row[0], 1)
    content: bytes = row[1]
    return content


def made_key(connection: Connection) -> bytes:
    """The same, drawn where there is none; the write lock is held."""
    key = key_of(connection)
    if key is None:
        key = secrets.token_bytes(_KEY_BYTES)
        insert_row(connection, SecretRow, {"id": 1, "content": key})
    return key


def looked_up(
    connection: Connection,
    model: type[KeyedRow],
    values: InstrumentedAttribute[T],
    contents: Sequence[bytes],
) -> dict[bytes, T]:
    """Of these contents, those whose keyed hash has a row of `model`: what its column `values` says of each.

    Raises `StoreError` for a damaged row.
    """
    key = key_of(connection)
    if key is None:
        return {}
    wanted = select(model.photo_key, values, model.id, is_sound(model)).where(
        model.photo_key.in_(bindparam("keys", expanding=True))
    )
    found: dict[bytes, T] = {}
    for some in chunks(contents):
        by_hash = {keyed(key, content): content for content in some}
        for hashed, value, number, sound in connection.execute(wanted, {"keys": list(by_hash)}):
            require_sound(model, sound, number)
            found[by_hash[hashed]] = value
    return found


def keyed(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()[:_HASH_BYTES]
