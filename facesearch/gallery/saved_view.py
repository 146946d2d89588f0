"""The view of a replica that was saved, from the index files of this machine alone."""

from __future__ import annotations

import numpy as np

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.errors import StoreUnreachableError
from facesearch.gallery.index_files import IndexFiles
from facesearch.gallery.index_filling import IndexFiller
from facesearch.gallery.replica_file import Saved
from facesearch.gallery.view import OpenSegment, View
from facesearch.store import GalleryStore
from indexes import VectorIndexError


def saved_view(store: GalleryStore, files: IndexFiles, codecs: GalleryCodecs, saved: Saved) -> View:
    """Raises `StoreUnreachableError` where the files do not have what the replica knows of."""
    unusable = StoreUnreachableError(
        "the server of the gallery cannot be reached, and the index files of this machine are not those to answer from"
    )
    state, settings = store.index_state.read(), saved.replica.state.settings
    if state is None or (state.kind, state.codec) != (settings.index_kind, settings.codec):
        raise unusable
    if saved.tail_after > state.position.last_template_id:
        raise unusable
    try:
        segments = tuple(
            OpenSegment(files.open(each), each.first_template_id, each.last_template_id, each)
            for each in state.segments
        )
    except (VectorIndexError, OSError):
        raise unusable from None
    if not segments:
        raise unusable
    empty = segments[0].index.emptied()
    view = View(state.kind, state.codec, state.version, state.position, segments, empty)
    tail = saved.tail.of_rows(np.flatnonzero(saved.tail.ids > state.position.last_template_id).tolist())
    known = saved.replica.owners.ids
    gone = np.setdiff1d(view.ids(), known)
    filler = IndexFiller(codecs, settings)
    view = view.caught_up(filler, saved.replica.state.position, [tail] if len(tail) else [], gone)
    if not np.array_equal(view.ids(), known):
        raise unusable
    return view
