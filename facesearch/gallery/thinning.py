"""Thinning a gallery: of people with many templates, those stay that stand for the others; the rest is deleted."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facesearch.errors import IndexStateError, StoreError
from facesearch.gallery.answers import Document
from facesearch.gallery.parts import Parts
from facesearch.gallery.representatives import representatives
from facesearch.gallery.suspects import LIKELY, suspects
from facesearch.store import Thinning

_log = logging.getLogger("facesearch")

_EMPTY = 143_000  # bytes of a gallery without templates: pages of its tables
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
    somebody else meanwhile, and stayed as they are. before_bytes, after_bytes: database and index on disk; after a dry
    run an estimate. wiped: no copy of what was deleted is left in the database or its write-ahead log. backups,
    exports: when such files were made (epoch seconds) that may still hold what was deleted.
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

    def document(self) -> Document:
        return {
            "keep": self.keep,
            "dry_run": self.dry_run,
            "people": [person.document() for person in self.people],
            "removed": list(self.removed),
            "overtaken": list(self.overtaken),
            "before_bytes": self.before_bytes,
            "after_bytes": self.after_bytes,
            "freed_bytes": self.before_bytes - self.after_bytes,
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
    plans = list(_plans(parts, keep, dimension))
    names = {person.id: person.name for person in parts.store.identities.all()}
    if dry_run or not plans:
        people = _people(plans, names)
        gone = sum(len(person.removed) for person in people)
        each = max(max(before - _EMPTY, 0) / max(templates, 1) - _KEYED, 0.0)
        return ThinningReport(keep, dry_run, people, (), before, before - round(each * gone), wiped=True)
    ids = [plan.identity_id for plan in plans]
    backups, exports = (
        tuple(sorted({at for each in ids for at in parts.store.audit.copies_with(each, action)}))
        for action in ("backup", "export")
    )
    parts.writer.discard(np.sort(np.concatenate([np.array(plan.removed, np.int64) for plan in plans])))
    done = set(parts.store.thinning.thin(plans))
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
        _people([plan for plan in plans if plan.identity_id in done], names),
        tuple(sorted(names.get(each, "") for each in ids if each not in done and each in names)),
        before,
        _bytes_on_disk(parts),
        wiped,
        backups,
        exports,
    )


def _plans(parts: Parts, keep: int, dimension: int) -> Iterator[Thinning]:
    """What goes of whom, person by person."""
    with parts.store.moment() as moment:
        held = moment.template_owners()
    order = np.lexsort((held.ids, held.identity_ids))
    _, starts, counts = np.unique(held.identity_ids[order], return_index=True, return_counts=True)
    many = [order[start : start + count] for start, count in zip(starts, counts, strict=True) if count > keep]
    doubted = _of_others(parts, [number for rows in many for number in held.ids[rows].tolist()])
    for rows in many:
        ids = held.ids[rows]
        stored = parts.store.templates.codes(ids.tolist())
        if len(stored) < len(ids):  # somebody is changing this person's templates just now
            continue
        vectors = parts.codecs.decode(stored.codes, stored.codecs, dimension)
        qualities = np.where(np.isin(ids, doubted), 0.0, held.qualities[rows])
        stay = representatives(vectors, qualities, keep)
        yield Thinning(int(held.identity_ids[rows[0]]), tuple(ids[stay].tolist()), tuple(np.delete(ids, stay).tolist()))


def _of_others(parts: Parts, templates: list[int]) -> list[int]:
    """Those of these templates that are probably of somebody else than their person: they go first."""
    found = suspects(parts, templates, least=LIKELY)
    return [each.template_id for each in found if each.kind in ("wrong-person", "same-photo") and each.template_id]


def _people(plans: Sequence[Thinning], names: dict[int, str]) -> tuple[ThinnedPerson, ...]:
    found = [
        ThinnedPerson(names[plan.identity_id], len(plan.kept), plan.removed)
        for plan in plans
        if plan.identity_id in names
    ]
    return tuple(sorted(found, key=lambda person: person.identity))


def _bytes_on_disk(parts: Parts) -> int:
    return parts.store.database_bytes() + parts.index.bytes_on_disk()
