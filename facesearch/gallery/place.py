"""Where a gallery is: a folder, or a schema on a server. Either has a folder of this machine for its index files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from facesearch.errors import DiskFullError, GalleryNotFoundError, StoreUnreachableError, UsageError
from facesearch.files.locations import projections_folder
from facesearch.gallery.replica_file import Header, age_of, header_of
from facesearch.store import DATABASE_NAME, Copying, SqlStore, is_address, open_on_server, open_store, shown_address

Place = Path | str  # str: the URL of a gallery on a server
_NEARLY = re.compile(r"\s*postgres(ql)?\s*:", re.IGNORECASE)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Opened(NamedTuple):
    """The store of a gallery, and this machine's folder of it."""

    store: SqlStore
    folder: Path


def place_of(given: str | os.PathLike[str]) -> Place:
    """Raises `UsageError` for the URL of something that keeps no galleries."""
    text = os.fspath(given)
    if is_address(text.strip()):
        return text.strip()
    if _NEARLY.match(text):  # nothing of it is repeated: it may hold a password
        raise UsageError("a gallery on a server is given as postgresql://user@host/database?gallery=NAME")
    if _URL.match(text):
        scheme = text.partition("://")[0]
        raise UsageError(f"galleries are not kept on {scheme}: give a folder, or postgresql://user@host/database")
    return Path(given)


def is_there(place: Place, *, away: bool = False) -> bool:
    """Whether there is a gallery; away: or this machine knows of one whose server is away."""
    if isinstance(place, Path):
        return (place / DATABASE_NAME).exists()
    try:
        open_on_server(place, create=False).close()
    except GalleryNotFoundError:
        return False
    except StoreUnreachableError:
        if not away or _known_away(place) is None:
            raise
    return True


def opened(place: Place, check_new: Callable[[], object], *, create: bool) -> Opened:
    """Open the gallery at a place, or start one: `check_new` is called first, so that a wrong request creates nothing.

    Raises what `Gallery.open` raises.
    """
    if isinstance(place, Path):
        return _in_folder(place, check_new, create=create)
    try:
        store = open_on_server(place, create=False)
    except GalleryNotFoundError:
        if not create:
            raise
        check_new()
        store = open_on_server(place)
    return Opened(store, store.folder)


def opened_away(place: Place) -> Opened | None:
    """The gallery at a place whose server is away, as this machine last knew it; None where it does not know it."""
    header = None if isinstance(place, Path) else _known_away(place)
    if header is None:
        return None
    store = open_on_server(str(place), away=header.opened)
    return Opened(store, store.folder)


def opened_copy(place: Place, copying: Copying) -> Opened:
    """Open a copy that is to be made at a place, or is not finished there; it is no gallery until it is.

    Raises `UsageError` where there is a gallery, or an unfinished copy of another one.
    """
    if isinstance(place, Path):
        return Opened(open_store(place, copying=copying), place)
    store = open_on_server(place, copying=copying)
    return Opened(store, store.folder)


def _in_folder(folder: Path, check_new: Callable[[], object], *, create: bool) -> Opened:
    exists = (folder / DATABASE_NAME).exists()
    if not exists and not create:
        raise GalleryNotFoundError(f"there is no gallery in {folder}: start one with facesearch enroll")
    if not exists:
        check_new()
    read_only = exists and not os.access(folder, os.W_OK)
    try:
        return Opened(open_store(folder, read_only=read_only, create=create), folder)
    except DiskFullError:
        if not exists:
            raise
        return Opened(open_store(folder, disk_full=True), folder)  # questions need no room


def _known_away(place: str) -> Header | None:
    """What this machine knew last of a gallery on a server."""
    address = shown_address(place)
    known = [
        (age, header)
        for folder in projections_folder().glob("*/")
        if (header := header_of(folder)) is not None
        and header.address == address
        and (age := age_of(folder)) is not None
    ]
    return min(known, key=lambda each: each[0])[1] if known else None
