"""Thinning a gallery: of people with many templates, those stay that stand for the others; the rest is deleted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from facesearch.errors import IndexStateError, StoreError
from facesearch.gallery.answers import Document
from facesearch.gallery.parts import Parts
from facesearch.gallery.representatives import representatives
from facesearch.gallery.suspects import LIKELY, suspects
from facesearch.store import Thinning

_log = logging.getLogger("facesearch")

_KEYED = 108  # bytes that the hash of a photo and the log of its removal take once its template is gone


@dataclass(frozen=True, slots=True)
class ThinnedPerson:
    """A person of whom `kept` templates stay, and the numbers of those that go."""

    identity: str
    kept: int
    removed: tuple[int, ...]

    def document(self) -> Document:
        return {"identity": self.identity, "kept": self.kept, "removed": len(self.removed)}


@dataclass(frozen=True, slots=True)
class ThinningReport:
    """What thinning did, or with `dry_run` would do.

    people: those who had more than `keep` templates, by name. overtaken: people whose templates were changed by
    somebody else meanwhile, and stayed as they are, by the names that they have now. before_bytes, after_bytes:
    database and index on disk; after a dry run an estimate, in which the room that earlier deletions left still counts.
    While others read, what was deleted is written beside what they read, and it is more than before. wiped: no copy of
    what was deleted is left in the database or its write-ahead log. backups, exports: when such files were made (epoch
    seconds) that may still hold what was deleted.
    """

    keep: int
    dry_run: bool
    people: tuple[ThinnedPerson, ...]
    overtaken: tuple[str, ...]
    before_bytes: int
    after_bytes: int
    wiped: bool
    backups: tuple[int, ...] = ()
    exports: tuple[int, ...] = ()

    @property
    def removed(self) -> tuple[int, ...]:
        """The numbers of the templates that go."""
        return tuple(number for person in self.people for number in person.removed)

    @property
    def freed_bytes(self) -> int:
        """What the disk has got back: none yet where it is more than before."""
        return max(self.before_bytes - self.after_bytes, 0)

    def document(self) -> Document:
        return {
            "keep": self.keep,
            "dry_run": self.dry_run,
            "people": [person.document() for person in self.people],
            "removed": list(self.removed),
            "overtaken": list(self.overtaken),
            "before_bytes": self.before_bytes,
            "after_bytes": self.after_bytes,
            "freed_bytes": self.freed_bytes,
            "wiped": self.wiped,
            "backups": list(self.backups),
            "exports": list(self.exports),
        }


def thin(parts: Parts, keep: int, *, dry_run: bool) -> ThinningReport:
    """See `Gallery.thin`."""
    dimension = parts.settings().dimension
    if not dry_run:
        parts.store.transactions.require_write()
    before = _bytes_on_disk(parts)
    templates = parts.store.templates.counts().templates
    plans = _plans(parts, keep, dimension, strict=not dry_run)
    names = _names(parts)
    if dry_run or not plans.people:
        people, overtaken = _people(plans.people, names), _named(plans.overtaken, names)
        gone = sum(len(person.removed) for person in people)
        after = before - gone * _bytes_each(parts, before, templates)
        return ThinningReport(keep, dry_run, people, overtaken, before, after, wiped=True)
    ids = [plan.identity_id for plan in plans.people]
    backups, exports = (
        tuple(sorted({at for each in ids for at in parts.store.audit.copies_with(each, action)}))
        for action in ("backup", "export")
    )
    parts.writer.discard(np.sort(np.concatenate([np.array(plan.removed, np.int64) for plan in plans.people])))
    done = set(parts.store.thinning.thin(plans.people))
    now = _names(parts)  # others may have been renamed or forgotten since the plan was made
    try:
        parts.writer.save()
    except (IndexStateError, StoreError) as error:  # the templates are gone all the same
        _log.warning("%s; the old one is deleted, facesearch index build writes a new one", error)
    parts.writer.remove_strays()
    try:
        wiped = parts.store.vacuum()
    except StoreError as error:  # as on a full disk
        _log.warning("%s; old pages stay until facesearch gallery compact", error)
        wiped = False
    return ThinningReport(
        keep,
        dry_run,
        _people([plan for plan in plans.people if plan.identity_id in done], names | now),
        _named([*plans.overtaken, *(each for each in ids if each not in done)], now),
        before,
        _bytes_on_disk(parts),
        wiped,
        backups,
        exports,
    )


@dataclass(frozen=True, slots=True)
class _Plans:
    """What goes of whom, person by person; and who was being changed when that was to be found out."""

    people: list[Thinning]
    overtaken: list[int]


def _plans(parts: Parts, keep: int, dimension: int, *, strict: bool) -> _Plans:
    plans = _Plans([], [])
    with parts.store.moment() as moment:
        held = moment.template_owners()
    order = np.lexsort((held.ids, held.identity_ids))
    _, starts, counts = np.unique(held.identity_ids[order], return_index=True, return_counts=True)
    many = [order[start : start + count] for start, count in zip(starts, counts, strict=True) if count > keep]
    doubted = _of_others(parts, [number for rows in many for number in held.ids[rows].tolist()], strict=strict)
    for rows in many:
        ids, owner = held.ids[rows], int(held.identity_ids[rows[0]])
        stored = parts.store.templates.codes(ids.tolist())
        if len(stored) < len(ids):  # somebody is changing this person's templates just now
            plans.overtaken.append(owner)
            continue
        vectors = parts.codecs.decode(stored.codes, stored.codecs, dimension)
        qualities = np.where(np.isin(ids, doubted), 0.0, held.qualities[rows])
        stay = representatives(vectors, qualities, keep)
        plans.people.append(Thinning(owner, tuple(ids[stay].tolist()), tuple(np.delete(ids, stay).tolist())))
    return plans


def _of_others(parts: Parts, templates: list[int], *, strict: bool) -> list[int]:
    """Those of these templates that are probably of somebody else than their person: they go first."""
    found = suspects(parts, templates, least=LIKELY, strict=strict)
    return [each.template_id for each in found if each.kind in ("wrong-person", "same-photo") and each.template_id]


def _people(plans: Sequence[Thinning], names: dict[int, str]) -> tuple[ThinnedPerson, ...]:
    found = [
        ThinnedPerson(names[plan.identity_id], len(plan.kept), plan.removed)
        for plan in plans
        if plan.identity_id in names
    ]
    return tuple(sorted(found, key=lambda person: person.identity))


def _named(ids: Iterable[int], names: dict[int, str]) -> tuple[str, ...]:
    """Those of these people who are there, by name."""
    return tuple(sorted(names[each] for each in ids if each in names))


def _names(parts: Parts) -> dict[int, str]:
    return {person.id: person.name for person in parts.store.identities.all()}


def _bytes_each(parts: Parts, held: int, templates: int) -> int:
    """About what a template takes on disk, of a gallery of so many bytes: what a new gallery has anyway is not its."""
    own = held - parts.store.bytes_when_empty()
    return max(round(own / max(templates, 1)) - _KEYED, 0)


def _bytes_on_disk(parts: Parts) -> int:
    return parts.store.database_bytes() + parts.index.bytes_on_disk()
