"""Photos whose templates were deleted of people who stay, as keyed hashes of their content: thinned out, or taken out.

They stand beside those of rejected photos, which are hashes of content and pipeline. The reason holds a mark for each
way and person: a photo may have been several people's. When a person is forgotten, the photos that they have a mark of
become photos of somebody forgotten, which are hashes of the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from sqlalchemy import Connection, delete, select, update

from facesearch.store.records import Marked
from facesearch.store.sql.checksums import (
    insert_rows,
    is_sound,
    next_id,
    refresh,
    require_sound,
)
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.keyed import key_of, keyed, looked_up, made_key
from facesearch.store.sql.models import IdentityRow, RejectedPhotoRow

How = Literal["thinned", "taken"]

_BETWEEN = "; "
_MARK = re.compile(r"(thinned|taken) out of identity ([0-9]{1,18})")


class _Mark(NamedTuple):
    how: str
    identity_id: int

    def __str__(self) -> str:
        return f"{self.how} out of identity {self.identity_id}"


class _MarkedRow(NamedTuple):
    """A row with marks."""

    id: int
    sound: bool
    photo_key: bytes
    marks: tuple[_Mark, ...]


def mark(connection: Connection, how: How, identity_id: int, sha256s: Sequence[bytes]) -> None:
    """The templates of these photos, known by the SHA-256 of their content, were deleted so of an identity's."""
    if not sha256s:
        return
    key, new = made_key(connection), _Mark(how, identity_id)
    hashes = [keyed(key, sha256) for sha256 in dict.fromkeys(sha256s)]
    there = {row.photo_key: row for row in _with_keys(connection, hashes)}
    for row in there.values():
        require_sound(RejectedPhotoRow, row.sound, row.id)
        _write(connection, row, (*row.marks, new))
    first = next_id(connection, RejectedPhotoRow)
    missing = [hashed for hashed in hashes if hashed not in there]
    rows = [(number, hashed, str(new)) for number, hashed in enumerate(missing, start=first)]
    insert_rows(connection, RejectedPhotoRow, rows)


def marked(connection: Connection, sha256s: Sequence[bytes]) -> Marked:
    """Of these photos, those whose templates were deleted so: the present names of whose they were."""
    reasons = looked_up(connection, RejectedPhotoRow, RejectedPhotoRow.reason, sha256s)
    marks = {sha256: _marks(reason) for sha256, reason in reasons.items()}
    names = _names(connection, {each.identity_id for theirs in marks.values() for each in theirs})
    found = Marked({}, {})
    for sha256, theirs in marks.items():
        for how, number in theirs:
            if number in names:
                (found.thinned if how == "thinned" else found.taken).setdefault(sha256, set()).add(names[number])
    return found


def count_thinned(connection: Connection, identity_id: int) -> int:
    """How many photos of an identity were thinned out."""
    wanted = _Mark("thinned", identity_id)
    return sum(wanted in row.marks for row in _of(connection, identity_id))


def hand_marks_over(connection: Connection, source_id: int, target_id: int) -> None:
    """What was deleted of one identity counts as another's, into which it is merged."""
    for row in _of(connection, source_id):
        require_sound(RejectedPhotoRow, row.sound, row.id)
        _write(
            connection,
            row,
            [_Mark(how, target_id if number == source_id else number) for how, number in row.marks],
        )


def take_marks(connection: Connection, identity_id: int) -> list[bytes]:
    """Delete the marks of an identity that is forgotten; returns the keyed hashes of their photos.

    A damaged row goes as a whole.
    """
    rows = _of(connection, identity_id)
    for row in rows:
        left = [each for each in row.marks if each.identity_id != identity_id]
        _write(connection, row, left if row.sound else ())
    return [row.photo_key for row in rows]


def clear_marks(connection: Connection, enrolled: Collection[tuple[bytes, int]]) -> None:
    """Photos are enrolled again, given by SHA-256 and whose they are now: they no longer count as thinned out, nor as
    taken out of that person's.

    That they were taken out of somebody else's holds: they would come back to that person otherwise, as by a folder.
    """
    key = key_of(connection)
    if key is None:
        return
    owners: dict[bytes, set[int]] = {}
    for sha256, identity_id in enrolled:
        owners.setdefault(keyed(key, sha256), set()).add(identity_id)
    for row in _with_keys(connection, list(owners)):
        theirs = owners[row.photo_key]
        left = [each for each in row.marks if each.how != "thinned" and each.identity_id not in theirs]
        if row.sound or not left:
            _write(connection, row, left)


def _write(connection: Connection, row: _MarkedRow, marks: Sequence[_Mark]) -> None:
    """A row with other marks; without any it goes."""
    this = RejectedPhotoRow.id == row.id
    if not marks:
        connection.execute(delete(RejectedPhotoRow).where(this))
    elif tuple(marks) != row.marks:
        reason = _BETWEEN.join(map(str, dict.fromkeys(marks)))
        connection.execute(update(RejectedPhotoRow).where(this).values(reason=reason))
        refresh(connection, RejectedPhotoRow, this)


_ROWS = select(
    RejectedPhotoRow.id, is_sound(RejectedPhotoRow), RejectedPhotoRow.photo_key, RejectedPhotoRow.reason
).order_by(RejectedPhotoRow.id)


def _of(connection: Connection, identity_id: int) -> list[_MarkedRow]:
    """The rows with a mark of an identity."""
    rows = connection.execute(_ROWS.where(RejectedPhotoRow.reason.contains(f"out of identity {identity_id}")))
    found = [_MarkedRow(number, sound, key, _marks(reason)) for number, sound, key, reason in rows]
    return [row for row in found if any(each.identity_id == identity_id for each in row.marks)]


def _with_keys(connection: Connection, hashes: Sequence[bytes]) -> list[_MarkedRow]:
    found: list[_MarkedRow] = []
    for some in chunks(hashes):
        rows = connection.execute(_ROWS.where(RejectedPhotoRow.photo_key.in_(some)))
        found += [_MarkedRow(number, sound, key, _marks(reason)) for number, sound, key, reason in rows]
    return found


def _marks(reason: str) -> tuple[_Mark, ...]:
    """The marks that a reason holds: none where it is that of a rejected photo."""
    found = [_MARK.fullmatch(each) for each in reason.split(_BETWEEN)]
    return tuple(_Mark(each[1], int(each[2])) for each in found if each)


def _names(connection: Connection, ids: set[int]) -> dict[int, str]:
    names: dict[int, str] = {}
    for some in chunks(sorted(ids)):
        wanted = select(IdentityRow.id, is_sound(IdentityRow), IdentityRow.name).where(IdentityRow.id.in_(some))
        for number, sound, name in connection.execute(wanted):
            require_sound(IdentityRow, sound, number)
            names[number] = name
    return names
