"""Many photos at once, looked at elsewhere than in this thread, and what became of them in the order in which they
came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from facesearch.photos.photo import Photo

T = TypeVar("T")

_LOOKUP = 256  # photos that are looked up at once


class Makers(Protocol[T]):
    """Those who look at new photos."""

    @property
    def ahead(self) -> int:
        """Photos they still have to do when the next ones are looked up."""

    def expect(self, photos: int) -> None:
        """So many photos may be about to come."""

    def submit(self, photos: Sequence[Photo]) -> Sequence[Future[T]]:
        """What they make of photos, of each one."""


def done_in_order(
    photos: Sequence[Photo], known: Callable[[Sequence[Photo]], Sequence[T | None]], makers: Makers[T]
) -> Iterator[tuple[Photo, T]]:
    """The photos in their order with what became of them.

    known: what is known of some photos without a look at their pixels, None for those that are new.
    """
    running: deque[tuple[Photo, T | Future[T]]] = deque()
    position = 0
    while position < len(photos) or running:
        if position < len(photos) and len(running) <= makers.ahead:
            some = photos[position : position + _LOOKUP]
            position += len(some)
            found = known(some)
            new = [photo for photo, outcome in zip(some, found, strict=True) if outcome is None]
            if new:
                makers.expect(len(new) + len(photos) - position)
            made = iter(makers.submit(new))
            for photo, outcome in zip(some, found, strict=True):
                running.append((photo, next(made) if outcome is None else outcome))
        photo, done = running.popleft()
        yield photo, done.result() if isinstance(done, Future) else done
