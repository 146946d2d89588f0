"""Leaving nothing of what was deleted in the files of the database, after the deletion is done."""

from __future__ import annotations

import logging
from collections.abc import Collection

from facesearch.errors import StoreError
from facesearch.store import GalleryStore

_log = logging.getLogger("facesearch")


def wiped(store: GalleryStore, traces: Collection[bytes]) -> bool:
    """See `GalleryStore.wipe`; where that fails, as on a full disk, a warning says so: the rows are gone."""
    try:
        return store.wipe(traces)
    except StoreError as error:
        _log.warning("this is done, but old pages stay until facesearch gallery compact: %s", error)
        return False
