"""Who comes back with a backup: people whom the gallery that it replaces had forgotten, and unknown faces of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facesearch.errors import FacesearchError
from facesearch.photos.geometry import same_place
from facesearch.store import DATABASE_NAME, FORGET_FACES, AuditEvent, SqliteStore, UnknownFace, open_store

_log = logging.getLogger("facesearch")


@dataclass(frozen=True, slots=True)
class Returned:
    """Names of people who had been forgotten, and ids of unknown faces that went with them."""

    people: tuple[str, ...]
    faces: tuple[int, ...]


def returned(restored: SqliteStore, replaced: Path) -> Returned | None:
    """What is in `restored` and the gallery in the folder `replaced` has forgotten.

    None where that cannot be known: no gallery is there, or a damaged one, or another than the one backed up.
    """
    if not (replaced / DATABASE_NAME).exists():
        return None
    try:
        with open_store(replaced, read_only=True) as old:
            events = old.audit.events()
            if old.settings.started_at() != restored.settings.started_at():  # its ids mean other people
                return None
            gone = _forgotten(events)
            people = tuple(person.name for person in restored.identities.all() if person.id in gone)
            return Returned(people, _faces(restored, old, events))
    except FacesearchError:
        return None


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


def _faces(restored: SqliteStore, old: SqliteStore, events: Sequence[AuditEvent]) -> tuple[int, ...]:
    """The unknown faces that went with people who were forgotten since, or are in photos of them and neither unknown
    nor enrolled any more."""
    gone: set[int] = set()
    for event in events:
        if event.action == FORGET_FACES:
            gone.update(json.loads(event.detail)["faces"])
    try:
        faces = restored.unknown.inbox().faces
        photos = list(dict.fromkeys(face.sha256 for face in faces))
        since = old.corrections.forgotten(photos).keys() - restored.corrections.forgotten(photos).keys()
        enrolled, there = old.templates.enrolled(list(since)), {face.id for face in old.unknown.inbox().faces}
    except FacesearchError as error:  # the people are named all the same
        _log.warning("%s; which unknown faces were of somebody forgotten is not known", error)
        return ()

    def went(face: UnknownFace) -> bool:
        if face.id in gone:
            return True
        named = any(same_place(each.box, face.box) for each in enrolled.get(face.sha256, ()))
        return face.sha256 in since and face.id not in there and not named

    return tuple(face.id for face in faces if went(face))
