"""Who comes back with a backup: people whom the gallery that it replaces had forgotten."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from facesearch.errors import FacesearchError
from facesearch.store import DATABASE_NAME, AuditEvent, SqliteStore, open_store


def returned_people(restored: SqliteStore, replaced: Path) -> tuple[str, ...]:
    """The people in `restored` whom the gallery in the folder `replaced` has forgotten."""
    if not (replaced / DATABASE_NAME).exists():
        return ()
    with suppress(FacesearchError), open_store(replaced, read_only=True) as old:  # a damaged one says nothing
        forgotten = _forgotten(old.audit.events())
        if old.settings.started_at() == restored.settings.started_at():  # ids of another gallery mean other people
            return tuple(person.name for person in restored.identities.all() if person.id in forgotten)
    return ()


def _forgotten(events: Sequence[AuditEvent]) -> set[int]:
    """The identities that were forgotten, by themselves or as part of one that they had been merged into."""
    gone: set[int] = set()
    for event in reversed(events):  # what became of the target is known before its sources are met
        if event.identity_id is None:
            continue
        if event.action == "forget":
            gone.add(event.identity_id)
        elif event.action == "merge" and event.identity_id in gone:
            gone.add(int(json.loads(event.detail)["source_id"]))
    return gone
