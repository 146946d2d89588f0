"""A moment of the store together with what searches it, such as a view of the index as of that very moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from facesearch.store import GalleryState, GalleryStore, Moment

Searched = TypeVar("Searched")


@contextmanager
def at_a_moment(
    store: GalleryStore, made: Callable[[Moment, GalleryState], Searched | None], reopen: Callable[[], None]
) -> Iterator[tuple[Moment, GalleryState, Searched] | None]:
    """A moment, the state of the gallery at it, and what is made of both; None before the first enrolment.

    made: None where the index has to be opened first, or is ahead of the moment; then `reopen` is called, and it is
    tried again at a new moment.
    """
    while True:
        with store.moment() as moment:
            state = moment.state()
            if state is None:
                yield None
                return
            if (searched := made(moment, state)) is not None:
                yield moment, state, searched
                return
        reopen()
