"""Whether index files and stored templates agree: counts, ids and codes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.errors import IndexStateError, StoreBusyError, StoreError
from facesearch.gallery.index_filling import IndexFiller
from facesearch.gallery.template_index import TemplateIndex
from facesearch.gallery.view import Ids, View
from facesearch.store import GalleryStore, IndexState, Templates
from indexes import VectorIndexError

_ADVICE = "run: facesearch index build"
_ATTEMPTS = 10


def index_problems(store: GalleryStore, codecs: GalleryCodecs, index: TemplateIndex) -> list[str]:
    """What is wrong with the index files and with their agreement with the store, in words; empty if nothing.

    Others may change the gallery meanwhile: what was found counts only if the files recorded are still the same.
    Raises `StoreBusyError` where they never are.
    """
    for _ in range(_ATTEMPTS):
        state = store.index_state.read()
        problems = list(_file_problems(index, state)) if state else []
        if not problems:
            try:
                problems = _compared(store, codecs, index)
            except (StoreError, IndexStateError) as error:
                problems = [str(error)]
        if not problems or store.index_state.read() == state:
            return problems
    raise StoreBusyError("other processes keep changing the index: try again when they have finished")


def _compared(store: GalleryStore, codecs: GalleryCodecs, index: TemplateIndex) -> list[str]:
    """How the index differs from the stored templates, at one moment."""
    while True:
        with store.moment() as moment:
            found = moment.state()
            view = index.at(moment, found) if found else None
            if found is not None and view is not None:
                return list(_disagreements(view, IndexFiller(codecs, found.settings), moment.templates()))
        index.current()  # opens it


def _file_problems(index: TemplateIndex, state: IndexState) -> Iterator[str]:
    for segment in state.segments:
        if not segment.file_name:
            continue  # taken away while somebody was forgotten; the next that writes fills the gap
        try:
            ids = np.asarray(index.files.open(segment).ids)
        except VectorIndexError as error:
            yield f"{error}; {_ADVICE}"
            continue
        if ids.size and not segment.first_template_id <= ids[0] <= ids[-1] <= segment.last_template_id:
            yield f"index file {segment.file_name} holds templates of another part of the index; {_ADVICE}"


def _disagreements(view: View, filler: IndexFiller, batches: Iterator[Templates]) -> Iterator[str]:
    ids, differing = [np.zeros(0, np.int64)], 0
    held = view.ids()
    for batch in batches:
        ids.append(batch.ids)
        try:
            differing += _differing(view, filler, batch, held)
        except StoreError as error:
            yield f"templates {batch.ids[0]} to {batch.ids[-1]}: {error}"
    stored = np.concatenate(ids)
    if not np.array_equal(held, stored):
        unlike = len(np.setxor1d(held, stored)) + len(held) - len(np.unique(held))
        yield f"index and store differ in {unlike} templates; {_ADVICE}"
    if differing:
        yield f"the index holds other codes than the store of {differing} templates; {_ADVICE}"


def _differing(view: View, filler: IndexFiller, batch: Templates, held: Ids) -> int:
    """How many templates of a batch the index does not hold as it would if they were added now."""
    fresh = view.delta.emptied()
    filler.add(fresh, batch)
    both = batch.ids[np.isin(batch.ids, held)]
    if not both.size:
        return 0
    try:
        unlike = fresh.reconstruct(both) != view.searched.reconstruct(both)  # (n, d)
    except VectorIndexError:
        return len(both)
    return int(unlike.any(axis=1).sum())
