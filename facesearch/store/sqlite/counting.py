"""Counting by SQL indexes, which have no checksums: one that is damaged is noticed where another says otherwise."""

from __future__ import annotations

from sqlalchemy import Connection

from facesearch.store.sql.damage import damaged_indexes

_INDEXES = ("ix_templates_identity_id", "ix_templates_image_id")
# The sum also keeps SQLite from counting by another index than this one.
_BY = "SELECT count(*), coalesce(sum(id), 0) FROM templates INDEXED BY "
_BY_INDEX = "SELECT identity_id, count(*) FROM templates INDEXED BY ix_templates_identity_id GROUP BY identity_id"
_BY_TABLE = (
    "SELECT identity_id, count(*), count(DISTINCT image_id), sum(id) FROM templates NOT INDEXED GROUP BY identity_id"
)
_THEIRS = "SELECT count(*) FROM templates NOT INDEXED WHERE identity_id = ?"


def count_templates(connection: Connection) -> tuple[int, int]:
    """How many templates there are, and the sum of their ids; raises `StoreError` where two indexes disagree."""
    one, other = (tuple(connection.exec_driver_sql(_BY + index).one()) for index in _INDEXES)
    if one != other:
        raise damaged_indexes()
    return one[0], one[1]


def templates_by_person(connection: Connection) -> dict[int, tuple[int, int]]:
    """Numbers of templates and of images by identity, from the table itself; raises `StoreError` where an index says
    otherwise."""
    counts, held = {}, (0, 0)
    for identity_id, templates, images, ids in connection.exec_driver_sql(_BY_TABLE):
        counts[identity_id], held = (templates, images), (held[0] + templates, held[1] + ids)
    by_index = {row[0]: row[1] for row in connection.exec_driver_sql(_BY_INDEX)}
    if held != count_templates(connection) or by_index != {each: count[0] for each, count in counts.items()}:
        raise damaged_indexes()
    return counts


def has_unindexed(connection: Connection, identity_id: int) -> bool:
    """Whether the table itself has templates of an identity for whom its index gave none."""
    return bool(connection.exec_driver_sql(_THEIRS, (identity_id,)).scalar_one())
