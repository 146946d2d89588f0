"""Where a gallery is: a folder, or a schema on a server. Either has a folder of this machine for its index files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from facesearch.errors import DiskFullError, GalleryNotFoundError, UsageError
from facesearch.store import DATABASE_NAME, Copying, SqlStore, is_address, open_on_server, open_store

Place = Path | str  # str: the URL of a gallery on a server
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Opened(NamedTuple):
    """The store of a gallery, and this machine's folder of it."""

    store: SqlStore
    folder: Path


def place_of(given: str | os.PathLike[str]) -> Place:
    """Raises `UsageError` for the URL of something that keeps no galleries."""
    text = os.fspath(given)
    if is_address(text):
        return text
    if _URL.match(text):
        scheme = text.partition("://")[0]
        raise UsageError(f"galleries are not kept on {scheme}: give a folder, or postgresql://user@host/database")
    return Path(given)


def is_there(place: Place) -> bool:
    """Whether there is a gallery."""
    if isinstance(place, Path):
        return (place / DATABASE_NAME).exists()
    try:
        open_on_server(place, create=False).close()
    except GalleryNotFoundError:
        return False
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
