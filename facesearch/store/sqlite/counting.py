"""Counting by SQL indexes, which have no checksums: one that is damaged is noticed where another says otherwise."""

from __future__ import annotations

from sqlalchemy import Connection

from facesearch.errors import StoreError

_INDEXES = ("ix_templates_identity_id", "ix_templates_image_id")
# The sum also keeps SQLite from counting by another index than this one.
_BY = "SELECT count(*), coalesce(sum(id), 0) FROM templates INDEXED BY "


def count_templates(connection: Connection) -> int:
    """How many templates there are; raises `StoreError` where two indexes disagree, also about their ids."""
    return templates_in_indexes(connection)[0]


def templates_in_indexes(connection: Connection) -> tuple[int, int]:
    """How many templates there are, and the sum of their ids; raises `StoreError` where two indexes disagree."""
    one, other = (tuple(connection.exec_driver_sql(_BY + index).one()) for index in _INDEXES)
    if one != other:
        raise damaged_indexes()
    return one[0], one[1]


def damaged_indexes() -> StoreError:
    """The error for rows that an SQL index leaves out, or gives though they are gone."""
    return StoreError(
        "the database is damaged: its SQL indexes disagree, see facesearch index check; restore it from a backup"
    )
