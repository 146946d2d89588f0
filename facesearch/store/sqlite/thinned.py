"""Photos whose templates were thinned out, as keyed hashes of their content.

They stand beside those of rejected photos, which are hashes of content and pipeline; the reason says whose they were.
When that person is forgotten, they join the photos of people forgotten, which are hashes of the same.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, update

from facesearch.store.sqlite.checksums import insert_rows, is_sound, next_id, refresh, require_all_sound, require_sound
from facesearch.store.sqlite.chunks import chunks
from facesearch.store.sqlite.forgotten import recall
from facesearch.store.sqlite.keyed import keyed, looked_up, made_key
from facesearch.store.sqlite.models import ForgottenPhotoRow, IdentityRow, RejectedPhotoRow

_OF = "thinned out of identity "


def remember_thinned(connection: Connection, identity_id: int, sha256s: Sequence[bytes]) -> None:
    """The templates of these photos, known by the SHA-256 of their content, were thinned out of an identity's."""
    recall(connection, sha256s)
    key, first = made_key(connection), next_id(connection, RejectedPhotoRow)
    rows = [(number, keyed(key, sha256), _reason(identity_id)) for number, sha256 in enumerate(sha256s, start=first)]
    insert_rows(connection, RejectedPhotoRow, rows)


def thinned(connection: Connection, sha256s: Sequence[bytes]) -> dict[bytes, str]:
    """Of these photos, those whose templates were thinned out: the present name of whose they were."""
    reasons = looked_up(connection, RejectedPhotoRow, RejectedPhotoRow.reason, sha256s)
    ids = {sha256: int(reason.removeprefix(_OF)) for sha256, reason in reasons.items() if reason.startswith(_OF)}
    names: dict[int, str] = {}
    for some in chunks(sorted(set(ids.values()))):
        wanted = select(IdentityRow.id, is_sound(IdentityRow), IdentityRow.name).where(IdentityRow.id.in_(some))
        for number, sound, name in connection.execute(wanted):
            require_sound(IdentityRow, sound, number)
            names[number] = name
    return {sha256: names[number] for sha256, number in ids.items() if number in names}


def count_thinned(connection: Connection, identity_id: int) -> int:
    """How many photos of an identity were thinned out."""
    theirs = RejectedPhotoRow.reason == _reason(identity_id)
    return connection.scalar(select(func.count()).select_from(RejectedPhotoRow).where(theirs)) or 0


def hand_thinned_over(connection: Connection, source_id: int, target_id: int) -> None:
    """What was thinned out of one identity counts as another's, into which it is merged."""
    theirs = RejectedPhotoRow.reason == _reason(source_id)
    require_all_sound(connection, RejectedPhotoRow, theirs)
    connection.execute(update(RejectedPhotoRow).where(theirs).values(reason=_reason(target_id)))
    refresh(connection, RejectedPhotoRow, RejectedPhotoRow.reason == _reason(target_id))


def forget_thinned(connection: Connection, identity_id: int, *, remember: bool) -> None:
    """Photos thinned out of an identity that is forgotten are photos of somebody forgotten; or unknown."""
    theirs = RejectedPhotoRow.reason == _reason(identity_id)
    gone = delete(RejectedPhotoRow).where(theirs).returning(RejectedPhotoRow.photo_key)
    keys = list(connection.scalars(gone))
    if remember and keys:
        now, first = int(time.time()), next_id(connection, ForgottenPhotoRow)
        insert_rows(connection, ForgottenPhotoRow, [(number, key, now) for number, key in enumerate(keys, start=first)])


def _reason(identity_id: int) -> str:
    return f"{_OF}{identity_id}"
