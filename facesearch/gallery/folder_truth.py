"""Folders of people as the truth: whose they are after renaming, and what has left them since it was enrolled."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facesearch.gallery.enrolment import hash_of
from facesearch.gallery.enrolment_report import EnrolmentReport
from facesearch.photos.file_kinds import is_video
from facesearch.photos.photo import Photo
from facesearch.store import GalleryStore, TemplateInfo

ALWAYS_TAKEN_OUT = 5  # templates that a synchronisation may take out of any gallery
MOST_TAKEN_OUT = 0.1  # of all templates, beyond which it has to be confirmed: a disk may just not be mounted


@dataclass(frozen=True, slots=True)
class Folders:
    """Folders of people, <folder>/<identity>/…, as they were given. unread: paths inside that could not be looked at.

    sync: templates whose photos are gone are taken out; confirmed: however many these are. partial: the photos are only
    some of those inside; nothing is said of what has gone.
    """

    roots: tuple[Path, ...]
    unread: tuple[str, ...] = ()
    sync: bool = False
    confirmed: bool = False
    partial: bool = False

    def absolute(self) -> tuple[Path, ...]:
        return tuple(root.absolute() for root in self.roots)


def tied(store: GalleryStore, photos: Sequence[Photo], folders: Folders) -> tuple[list[Photo], dict[str, str]]:
    """The photos, those in a folder of somebody who was renamed or merged as photos of whom that is now; and for each
    such folder that name.

    A folder is theirs where photos that were enrolled from it are, or photos in it were and have been thinned out.
    """
    roots = folders.absolute()
    places = [_folder_of(photo, roots) for photo in photos]
    people: dict[Path, str] = {}
    for photo, folder in zip(photos, places, strict=True):
        if folder is not None:
            people.setdefault(folder, photo.identity)
    now = store.corrections.once_called(sorted(set(people.values())))
    moved: dict[Path, str] = {}
    for folder, name in people.items():
        if name in now:
            inside = [photo for photo, place in zip(photos, places, strict=True) if place == folder]
            owners = {info.identity for info in store.corrections.within([folder])} or _thinned_from(store, inside)
            if name not in owners and now[name] in owners:
                moved[folder] = now[name]
    if not moved:
        return list(photos), {}
    given = [
        photo if folder not in moved else replace(photo, identity=moved[folder])
        for photo, folder in zip(photos, places, strict=True)
    ]
    return given, {str(folder): name for folder, name in moved.items()}


def _thinned_from(store: GalleryStore, photos: Sequence[Photo]) -> set[str]:
    hashes = [hashed for hashed in map(hash_of, photos) if isinstance(hashed, bytes)]
    return {name for names in store.corrections.marked(hashes).thinned.values() for name in names}


def _folder_of(photo: Photo, roots: Sequence[Path]) -> Path | None:
    """The person's folder that a photo lies in, absolute; None for a photo that was given otherwise."""
    path = photo.path.absolute()
    for root in roots:
        if path.is_relative_to(root):
            parts = path.relative_to(root).parts
            return root / parts[0] if len(parts) > 1 else None
    return None


def gone(store: GalleryStore, folders: Folders, report: EnrolmentReport) -> list[TemplateInfo]:
    """Templates of photos that were in these folders and are no longer, or have another content by now."""
    unread = tuple(f"{Path(path).absolute()}" for path in folders.unread)
    return [
        info
        for info in store.corrections.within(folders.absolute())
        if info.id not in report.seen
        and info.path not in report.unread
        and not (is_video(Path(info.path)) and os.path.lexists(info.path))  # enrolled by name: folders leave clips out
        and not any(info.path == path or info.path.startswith(f"{path}/") for path in unread)
    ]


def many(store: GalleryStore, templates: Sequence[TemplateInfo]) -> bool:
    """Whether so many are gone that taking them out has to be confirmed."""
    return len(templates) > max(ALWAYS_TAKEN_OUT, MOST_TAKEN_OUT * store.templates.counts().templates)


def without_templates(
    store: GalleryStore, report: EnrolmentReport, leaving: Sequence[TemplateInfo] = ()
) -> dict[str, int]:
    """The people of a report who have no template, or have none once some have left; with how many of their photos were
    thinned out."""
    asked = {info.identity for info in report.gone} | report.thinned_of.keys()
    if not asked:
        return {}
    fewer = Counter(info.identity for info in leaving)
    return {
        person.name: report.thinned_of[person.name]
        for person in store.identities.all()
        if person.name in asked and person.templates <= fewer[person.name]
    }
