"""What to say of a database whose parts disagree."""

from __future__ import annotations

from facesearch.errors import StoreError


def damaged_indexes() -> StoreError:
    """The error for rows that an SQL index leaves out, or gives though they are gone."""
    return StoreError(
        "the database is damaged: its SQL indexes disagree, see facesearch index check; restore it from a backup"
    )
