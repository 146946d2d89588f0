"""Many photos at once, each looked at in a thread, and what became of them in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from facesearch.photos.photo import Photo

T = TypeVar("T")

_LOOKUP = 256  # photos that are looked up at once
_AHEAD = 16  # photos still being encoded when the next ones are looked up


def done_in_order(
    pool: ThreadPoolExecutor,
    photos: Sequence[Photo],
    known: Callable[[Sequence[Photo]], Sequence[T | None]],
    extract: Callable[[Photo], T],
    expect: Callable[[int], None],
) -> Iterator[tuple[Photo, T]]:
    """The photos in their order with what became of them.

    known: what is known of some photos without a look at their pixels, None for those that are new. extract: what the
    threads of `pool` make of a new one. expect: is told how many photos may still be new whenever some are.
    """
    running: deque[tuple[Photo, Future[T] | T]] = deque()
    position = 0
    while position < len(photos) or running:
        if len(running) <= _AHEAD and position < len(photos):  # the workers still have photos to encode meanwhile
            some = photos[position : position + _LOOKUP]
            position += len(some)
            found = known(some)
            if new := sum(outcome is None for outcome in found):
                expect(new + len(photos) - position)
            for photo, outcome in zip(some, found, strict=True):
                running.append((photo, pool.submit(extract, photo) if outcome is None else outcome))
        photo, done = running.popleft()
        yield photo, done.result() if isinstance(done, Future) else done
