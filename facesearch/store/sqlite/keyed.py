"""Keyed hashes: what was can be known again when it comes back, and cannot be read or looked up from the table.

HMAC-SHA-256 (RFC 2104) with a key of 32 random bytes that each gallery draws for itself, cut to 16 bytes. Whoever has
the gallery has its key, and can tell whether a name or a photo that they have was there; nothing more.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import Connection, select

from facesearch.store.sqlite.checksums import insert_row, is_sound, require_sound
from facesearch.store.sqlite.models import SecretRow

_KEY_BYTES = 32
_HASH_BYTES = 16


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


def keyed(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()[:_HASH_BYTES]
