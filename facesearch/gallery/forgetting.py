"""Forgetting people: out of the answers at once, out of database, index files and cohort durably,
out of what evaluations kept of their photos; and saying so."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from facesearch.errors import IndexStateError, StoreError, UsageError
from facesearch.gallery.answers import Receipt
from facesearch.gallery.parts import Parts
from facesearch.gallery.scratch import remove_unfinished
from facesearch.gallery.unknown_list import similar, vectors_of
from facesearch.gallery.wiping import wiped
from facesearch.photos.photo import composed

Vectors = npt.NDArray[np.float32]

_log = logging.getLogger("facesearch")

_LOOKS_THE_SAME = 0.9  # cosine from which on a face of the cohort may be somebody's own photo, whatever the codec


def forget(parts: Parts, names: Sequence[str], *, remember: bool) -> list[Receipt]:
    """See `Gallery.forget_all`."""
    from facesearch.caches.purging import purge  # a question does not wait for it
    from facesearch.caches.stored_runs import Theirs

    if isinstance(names, str):
        raise UsageError("forget_all takes a list of names; forget takes one name")
    names = list(dict.fromkeys(composed(name) for name in names))
    parts.store.transactions.require_write()  # before index files are taken away
    people = [parts.store.identities.find(name) for name in names]  # raises before anything is touched
    with parts.store.moment() as moment:
        template_ids = moment.template_ids([person.id for person in people])
    theirs = cache(partial(_vectors, parts, names, template_ids))
    lookalikes = _of_cohort(parts, theirs)
    unknown = _of_inbox(parts, theirs)
    parts.writer.discard(template_ids)
    published = _published(parts, template_ids)
    removed = parts.store.identities.forget(names, remember=remember, unknown=unknown)
    out_of_cohort = parts.store.cohort.remove(lookalikes)
    rewritten = False
    try:
        rewritten = parts.writer.save() or _lies_in_files(parts)
    except (IndexStateError, StoreError) as error:  # the people are gone all the same
        _log.warning("%s; the old one is deleted, facesearch index build writes a new one", error)
    parts.writer.remove_strays()
    is_wiped = wiped(parts.store, frozenset().union(*(each.traces for each in removed)))
    photos = [photo for each in removed for photo in each.photos]
    contents = _AnyOf((frozenset(sha256 for _, sha256 in photos), *(each.deleted for each in removed)))
    purged = purge(Theirs(frozenset(names), frozenset(path for path, _ in photos), contents))
    traces = _learnt_from_people(parts)
    left = _published(parts, template_ids) if published else 0
    now, unfinished = int(time.time()), tuple(map(str, remove_unfinished(parts.folder)))
    return [
        Receipt(
            identity=name,
            templates=len(each.template_ids),
            images=each.images,
            index_rewritten=rewritten,
            wiped=is_wiped,
            forgotten_at=now,
            backups=_copies(parts, "backup", each.oldest, each.oldest_unknown),
            out_of_cohort=out_of_cohort,
            unfinished=unfinished,
            learnt_from_people=traces,
            exports=_copies(parts, "export", each.oldest),
            out_of_inbox=each.unknown,
            out_of_use=each.out_of_use,
            negatives=each.negatives,
            of_others=each.of_others,
            images_kept=each.images_kept,
            images_in_inbox=each.images_in_inbox,
            purged=purged,
            on_server=parts.store.on_server,
            published=published - left,
            published_left=left,
        )
        for name, each in zip(names, removed, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _AnyOf:
    """What is in one of several containers."""

    containers: tuple[Container[bytes], ...]

    def __contains__(self, content: object) -> bool:
        return any(content in each for each in self.containers)


def _copies(parts: Parts, action: str, *oldest: int | None) -> tuple[int, ...]:
    """When copies of the gallery were made, since the first of these times."""
    first = min((at for at in oldest if at is not None), default=None)
    return tuple(parts.store.audit.copies_since(first, action))


def _learnt_from_people(parts: Parts) -> bool:
    """Whether an earlier version learnt from people in the gallery, so that its codebook or index keeps traces."""
    try:
        return parts.codecs.keeps_people(parts.settings().codec) or (
            parts.by_files and parts.index.current().keeps_people
        )
    except (IndexStateError, StoreError) as error:  # a damaged one; the people are gone all the same
        _log.warning("%s", error)
        return False


def _all_of(parts: Parts, names: Sequence[str], template_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """These templates of people in use, and those that are taken out or set aside."""
    try:
        every = [info.id for name in names for info in parts.store.corrections.all(name)]
    except StoreError as error:  # what is damaged must not keep anybody from being forgotten
        _log.warning("%s; whether unknown faces show them is not known", error)
        return template_ids
    return np.union1d(template_ids, np.array(every, np.int64))


def _vectors(parts: Parts, names: Sequence[str], template_ids: npt.NDArray[np.int64]) -> Vectors:
    """The templates (n, dimension) of people, those in use and those that are not; none where they have none."""
    stored = parts.store.templates.codes(_all_of(parts, names, template_ids).tolist(), aside=True)
    dimension = parts.settings().dimension
    if not len(stored):
        return np.empty((0, dimension), np.float32)
    return parts.codecs.decode(stored.codes, stored.codecs, dimension)


def _of_cohort(parts: Parts, theirs: Callable[[], Vectors]) -> list[int]:
    """The rows of the cohort that may show one of the people whose templates these are."""
    try:
        cohort = parts.store.cohort.read()
        if cohort is None or not len(vectors := theirs()):
            return []
    except StoreError as error:  # what is damaged must not keep anybody from being forgotten
        _log.warning("%s; whether the cohort shows them is not known", error)
        return []
    return np.flatnonzero((cohort.templates @ vectors.T).max(axis=1) > _LOOKS_THE_SAME).tolist()


def _of_inbox(parts: Parts, theirs: Callable[[], Vectors]) -> list[int]:
    """Unknown faces that may show one of the people whose templates these are: a query would say so."""
    kept = parts.store.unknown
    try:
        if not kept.count()[0] or not len(vectors := theirs()):
            return []
        inbox = kept.inbox()
        limit = parts.known_threshold(parts.settings())
        rows = similar(vectors_of(parts, inbox), vectors, _LOOKS_THE_SAME if limit is None else limit)
    except StoreError as error:  # what is damaged must not keep anybody from being forgotten
        _log.warning("%s; whether unknown faces show them is not known", error)
        return []
    return [inbox.faces[row].id for row in rows]


def _published(parts: Parts, template_ids: npt.NDArray[np.int64]) -> int:
    """How many published index files may hold one of these templates."""
    try:
        return 0 if parts.store.published is None else parts.store.published.holding(template_ids.tolist())
    except StoreError as error:  # they go with the templates all the same
        _log.warning("%s; how many published index files that concerns is not known", error)
        return 0


def _lies_in_files(parts: Parts) -> bool:
    """Whether there are index files, and all of them are whole."""
    state = parts.store.index_state.read()
    return state is not None and all(segment.file_name for segment in state.segments)
