"""A moment of the store together with what searches it, such as a view of the index as of that very moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

from facesearch.store import GalleryState, PeopleMoment

Searched = TypeVar("Searched")
M = TypeVar("M", bound=PeopleMoment)
M_co = TypeVar("M_co", bound=PeopleMoment, covariant=True)


class HasMoments(Protocol[M_co]):
    """A store, or what questions are asked of in its place."""

    def moment(self) -> AbstractContextManager[M_co]: ...


@contextmanager
def at_a_moment(
    store: HasMoments[M], made: Callable[[M, GalleryState], Searched | None], reopen: Callable[[], None]
) -> Iterator[tuple[M, GalleryState, Searched] | None]:
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
