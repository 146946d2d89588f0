"""The role of codebooks: what the codes of an index kind are read with.

A codebook's name is its kind and its id, as in `tcq64@1`, and that is the codec of the templates that are read with it.
Ids are never reused: a codec that a template, an index file or another process remembers never comes to mean another
codebook.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, delete, select

from facesearch.errors import OvertakenError, StoreError
from facesearch.store.sql.checksums import insert_row, is_sound, next_id, require_sound
from facesearch.store.sql.models import (
    CodebookRow,
    GalleryRow,
    NegativeRow,
    SetAsideRow,
    TemplateRow,
    UnknownFaceRow,
)
from facesearch.store.sql.transactions import Transactions


def require_codebook(connection: Connection, codec: str) -> None:
    """Raises `OvertakenError` where a codec's codebook has been removed; plain codecs have none."""
    if "@" in codec and _stored(connection, codec) is None:
        raise OvertakenError(f"another process has removed the codebook {codec}: try again")


class SqlCodebooks:
    """See `facesearch.store.roles.CodebooksRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def add(self, kind: str, content: bytes, origin: str) -> str:
        same = select(CodebookRow.id).where(CodebookRow.kind == kind, CodebookRow.content == content)
        with self._transactions.writing() as connection:
            found = connection.scalar(same.order_by(CodebookRow.id))
            if found is None:
                found = next_id(connection, CodebookRow)
                row = {"id": found, "kind": kind, "origin": origin, "content": content, "created_at": int(time.time())}
                insert_row(connection, CodebookRow, row)
        return f"{kind}@{found}"

    def read(self, codec: str) -> tuple[bytes, str]:
        with self._transactions.reading() as connection:
            row = _stored(connection, codec)
        if row is None:
            raise StoreError(f"the codebook {codec} of stored templates is missing; restore a backup")
        number, sound, content, origin = row
        require_sound(CodebookRow, sound, number)
        return content, origin

    def remove_unused(self) -> int:
        with self._transactions.writing() as connection:
            used: set[str] = set()
            kept = (TemplateRow.codec, SetAsideRow.codec, NegativeRow.codec, UnknownFaceRow.codec)
            for codec in (*kept, GalleryRow.codec):
                used |= set(connection.scalars(select(codec).distinct()))
            stored = connection.execute(select(CodebookRow.id, CodebookRow.kind)).all()
            unused = [number for number, kind in stored if f"{kind}@{number}" not in used]
            if unused:
                connection.execute(delete(CodebookRow).where(CodebookRow.id.in_(unused)))
            return len(unused)


def _stored(connection: Connection, codec: str) -> tuple[int, bool, bytes, str] | None:
    """Id, soundness, content and origin of a codec's codebook; None where there is none."""
    kind, _, number = codec.rpartition("@")
    if not (number.isascii() and number.isdigit()):
        return None
    wanted = select(CodebookRow.id, is_sound(CodebookRow), CodebookRow.content, CodebookRow.origin)
    wanted = wanted.where(CodebookRow.id == int(number), CodebookRow.kind == kind)
    row = connection.execute(wanted).one_or_none()
    return None if row is None else (row[0], row[1], row[2], row[3])
