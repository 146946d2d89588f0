"""Copy a gallery to another place: from a folder to a server, back, or from one to another of its kind.

The copy is of one moment, while others go on using the gallery. Until it is whole, it is no gallery, and says so; one
that was interrupted is gone on with. At the end it is compared with the gallery: every row of every table, and what
both answer.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.errors import GalleryNotFoundError, StoreError, UsageError
from facesearch.gallery.answers import Document
from facesearch.gallery.carried_index import opened_files, put_files
from facesearch.gallery.folder import keep_private, strange_names
from facesearch.gallery.one_moment import at_a_moment
from facesearch.gallery.place import Opened, Place, opened, opened_copy, place_of
from facesearch.gallery.same_answers import Asked, require_same_answers, stored_probes
from facesearch.gallery.template_index import Progress, TemplateIndex
from facesearch.store import CopiedTable, Copying, copy_rows, finish_copy

_log = logging.getLogger("facesearch")


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied. source, target: folders, or URLs without a password. tables: with the SHA-256 of their rows.

    searches: stored templates that both were asked for, with the same answers. has_index: else one is built.
    """

    source: str
    target: str
    identities: int
    templates: int
    tables: tuple[CopiedTable, ...]
    searches: int
    has_index: bool

    def document(self) -> Document:
        return {
            "source": self.source,
            "target": self.target,
            "identities": self.identities,
            "templates": self.templates,
            "rows": sum(table.rows for table in self.tables),
            "tables": [{"name": each.name, "rows": each.rows, "sha256": each.sha256} for each in self.tables],
            "searches": self.searches,
            "index": self.has_index,
        }


def copy_gallery(
    source: str | os.PathLike[str], target: str | os.PathLike[str], *, progress: Progress | None = None
) -> CopyReport:
    """See `Gallery.copy`."""
    here, there = place_of(source), place_of(target)
    _check_places(here, there)
    gallery = opened(here, lambda: None, create=False)
    with gallery.store as store:
        report = copied(gallery, Copying(store.known_as(), shown(gallery)), there, progress)
        try:
            store.audit.add("backup", detail={"templates": report.templates, "identities": report.identities})
        except StoreError as error:
            _log.warning("%s; the gallery does not know that this copy was made", error)
    return report


def copied(gallery: Opened, copying: Copying, place: Place, progress: Progress | None) -> CopyReport:
    """Copy an open gallery to a place, or go on with the copy there. Raises what `Gallery.copy` raises."""
    index = TemplateIndex(gallery.store, GalleryCodecs(gallery.store.codebooks), gallery.folder)
    with suppress(GalleryNotFoundError):  # where nobody is enrolled yet
        index.open()
    copy = opened_copy(place, copying)
    if isinstance(place, Path):
        keep_private(place)
    with copy.store, ExitStack() as files:
        while True:
            state = gallery.store.index_state.read()  # before the moment, which so has all that the files cover
            indexes = opened_files(gallery.folder, state, files, "the copy builds a new one")
            with gallery.store.moment() as moment:
                now = moment.state()
                view = None if now is None else index.at(moment, now)
                if now is None or view is not None:
                    tables = copy_rows(moment.connection, copy.store.transactions, copying, progress or _silent)
                    has_index = put_files(copy.store, copy.folder, state, indexes)
                    searches = 0 if now is None or view is None else _compared(Asked(moment, now, view), copy)
                    break
            index.open()
        finish_copy(copy.store.transactions, copying)
        counts = copy.store.templates.counts()
    places = shown(gallery), shown(copy)
    return CopyReport(*places, counts.identities, counts.templates, tables, searches, has_index)


def shown(gallery: Opened) -> str:
    """Where a gallery is, as people are told."""
    return gallery.store.transactions.where if gallery.store.on_server else str(gallery.folder)


# inside


def _silent(done: int, total: int) -> None:
    pass


def _check_places(here: Place, there: Place) -> None:
    if not isinstance(there, Path):
        return
    if there.exists():
        if not there.is_dir():
            raise UsageError(f"{there} is not a folder")
        if strange := strange_names(there):
            raise UsageError(f"{there} holds {strange[0]!a}, which is no part of a gallery: choose another folder")
    if isinstance(here, Path) and here.resolve() in (there.resolve(), *there.resolve().parents):
        raise UsageError(f"{there} lies in the gallery's own folder: choose another place")


def _compared(asked: Asked, copy: Opened) -> int:
    """Compare what both answer; returns how many stored templates were searched for."""
    codecs = GalleryCodecs(copy.store.codebooks)
    probes = stored_probes(asked, codecs)
    index = TemplateIndex(copy.store, codecs, copy.folder)
    with at_a_moment(copy.store, index.at, index.open) as found:
        if found is None:
            raise StoreError("the copy holds nobody")
        require_same_answers(asked, Asked(*found), probes)
    return len(probes)
