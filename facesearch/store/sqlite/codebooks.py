"""Statements about codebooks, on a connection inside a transaction of the caller.

A codebook's name is its kind and its id, as in `tcq64@1`, and that is the codec of the templates that are read with it.
Ids are never reused: a codec that a template, an index file or another process remembers never comes to mean another
codebook.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, delete, select

from facesearch.errors import StoreError
from facesearch.store.sqlite.checksums import insert_row, is_sound, next_id, require_sound
from facesearch.store.sqlite.models import Codebook, Gallery, Template


def add_codebook(connection: Connection, kind: str, content: bytes, origin: str) -> str:
    found = connection.scalar(
        select(Codebook.id).where(Codebook.kind == kind, Codebook.content == content).order_by(Codebook.id)
    )
    if found is None:
        found = next_id(connection, Codebook)
        row = {"id": found, "kind": kind, "origin": origin, "content": content, "created_at": int(time.time())}
        insert_row(connection, Codebook, row)
    return f"{kind}@{found}"


def codebook(connection: Connection, codec: str) -> tuple[bytes, str]:
    kind, _, number = codec.rpartition("@")
    row = None
    if number.isascii() and number.isdigit():
        row = connection.execute(
            select(is_sound(Codebook), Codebook.kind, Codebook.content, Codebook.origin).where(
                Codebook.id == int(number)
            )
        ).one_or_none()
    if row is None or row[1] != kind:
        raise StoreError(f"the codebook {codec} of stored templates is missing; restore a backup")
    require_sound(Codebook, row[0], int(number))
    return row[2], row[3]


def remove_unused_codebooks(connection: Connection) -> int:
    used = set(connection.scalars(select(Template.codec).distinct())) | set(connection.scalars(select(Gallery.codec)))
    stored = connection.execute(select(Codebook.id, Codebook.kind)).all()
    unused = [number for number, kind in stored if f"{kind}@{number}" not in used]
    if unused:
        connection.execute(delete(Codebook).where(Codebook.id.in_(unused)))
    return len(unused)
