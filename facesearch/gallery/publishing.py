"""Publishing this machine's index files in the database, from where other machines take them."""

from __future__ import annotations

from contextlib import ExitStack

from facesearch.errors import IndexStateError, OvertakenError, UsageError
from facesearch.gallery.carried_index import opened_files
from facesearch.gallery.index_building import Progress
from facesearch.gallery.parts import Parts
from facesearch.store import PUBLISHED_ON_SERVERS, PublishedInfo, PublishedRole

_ATTEMPTS = 5


def publish(parts: Parts, progress: Progress | None = None) -> PublishedInfo:
    """See `facesearch.gallery.server_gallery.ServerGallery.publish_index`."""
    published = published_of(parts)
    if parts.in_database:
        raise UsageError("this machine keeps no index files of a gallery that is opened to be searched in the database")
    parts.store.transactions.require_write()
    kind = parts.settings().index_kind
    for _ in range(_ATTEMPTS):
        parts.writer.save(force=True)
        with ExitStack() as files:
            state = parts.store.index_state.read()
            if state is None:
                raise IndexStateError(f"there are no index files to publish: too few templates for index {kind}")
            opened = opened_files(parts.folder, state, files, "they cannot be published")
            if opened and published.publish(state, dict(opened), progress):
                found = published.info()
                if found is not None:
                    return found
            elif not opened and parts.store.index_state.read() == state:
                raise IndexStateError("the index files of this machine are damaged: run facesearch index build first")
    raise OvertakenError("the gallery changed each time while its index files were published: try again")


def withdraw(parts: Parts) -> bool | None:
    """See `facesearch.gallery.server_gallery.ServerGallery.withdraw_index`."""
    published = published_of(parts)
    parts.store.transactions.require_write()
    there = published.info() is not None
    wiped = published.withdraw()
    return wiped if there or not wiped else None


def published_of(parts: Parts) -> PublishedRole:
    """Raises `UsageError` for a gallery in a folder."""
    if parts.store.published is None:
        raise UsageError(PUBLISHED_ON_SERVERS)
    return parts.store.published
