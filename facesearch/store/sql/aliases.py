"""Names that people had before they were renamed or merged, kept as keyed hashes."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, delete, select, update

from facesearch.store.sql.checksums import insert_row, is_sound, next_id, refresh, require_sound
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.keyed import key_of, keyed, made_key
from facesearch.store.sql.models import AliasRow, IdentityRow


def remember_name(connection: Connection, name: str, identity_id: int) -> None:
    """From now on, `name` is one that this identity had; the latest one to have had it counts."""
    hashed = keyed(made_key(connection), name.encode())
    connection.execute(delete(AliasRow).where(AliasRow.name_key == hashed))
    number = next_id(connection, AliasRow)
    insert_row(connection, AliasRow, {"id": number, "name_key": hashed, "identity_id": identity_id})


def hand_names_over(connection: Connection, source_id: int, target_id: int) -> None:
    """What one identity was once called becomes what another one was: before the first is merged into it."""
    mine = AliasRow.identity_id == source_id
    connection.execute(update(AliasRow).where(mine).values(identity_id=target_id))
    refresh(connection, AliasRow, AliasRow.identity_id == target_id)


def once_called(connection: Connection, names: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Of these names, those that somebody once had: id and present name of the identity."""
    key = key_of(connection)
    if key is None:
        return {}
    by_hash = {keyed(key, name.encode()): name for name in names}
    wanted = (
        select(AliasRow.name_key, is_sound(AliasRow), AliasRow.id, IdentityRow.id, IdentityRow.name)
        .outerjoin(IdentityRow, IdentityRow.id == AliasRow.identity_id)
        .where(AliasRow.name_key.in_(bindparam("keys", expanding=True)))
    )
    found = {}
    for keys in chunks(list(by_hash)):
        for hashed, sound, number, identity_id, name in connection.execute(wanted, {"keys": keys}):
            require_sound(AliasRow, sound, number)
            found[by_hash[hashed]] = (identity_id, name)
    return found
