"""The faces of everybody in many photos, on all cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from facesearch.errors import RejectedImageError
from facesearch.photos.photo import Photo, Rejection
from facesearch.pipeline.pipeline import PhotoFaces, Pipeline
from facesearch.pipeline.worker_pool import WORTH_PROCESSES, EveryonePool

_LOOKUP = 256  # photos whose hashes are looked up at once
_AHEAD = 16  # photos still being looked at when the next ones are hashed


@dataclass(frozen=True, slots=True)
class Seen:
    """A photo that was looked at before."""


Outcome = PhotoFaces | Rejection | Seen
Known = Callable[[Sequence[tuple[Photo, bytes]]], list[Seen | Rejection | None]]


def all_faces(
    pipeline: Pipeline,
    photos: Sequence[Photo],
    *,
    in_processes: bool,
    workers: int | None = None,
    known: Known | None = None,
) -> Iterator[tuple[Photo, Outcome]]:
    """The photos in their order, each with the faces in it, or why it could not be read.

    in_processes: whether many photos may be shared among processes, which load the encoder by its name. known: says of
    photos and the SHA-256 of their content which need not be looked at; None for those that are new.
    """
    count = workers or os.cpu_count() or 1
    running: deque[tuple[Photo, Future[Outcome] | Outcome]] = deque()
    position = 0
    with ExitStack() as stack:
        processes: EveryonePool | None = None
        pool = ThreadPoolExecutor(count, thread_name_prefix="faces")
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        while position < len(photos) or running:
            if len(running) <= _AHEAD and position < len(photos):
                some = photos[position : position + _LOOKUP]
                position += len(some)
                found = _known(some, list(pool.map(_hash_of, some)), known)
                new = found.count(None) + len(photos) - position
                if processes is None and in_processes and count > 1 and new >= WORTH_PROCESSES:
                    processes = stack.enter_context(EveryonePool(count, pipeline.spec))
                for photo, outcome in zip(some, found, strict=True):
                    if outcome is None:
                        running.append((photo, pool.submit(_faces, pipeline, processes, photo)))
                    else:
                        running.append((photo, outcome))
            photo, done = running.popleft()
            yield photo, done.result() if isinstance(done, Future) else done


def _known(photos: Sequence[Photo], hashes: Sequence[bytes | Rejection], known: Known | None) -> list[Outcome | None]:
    readable = [(photo, hashed) for photo, hashed in zip(photos, hashes, strict=True) if isinstance(hashed, bytes)]
    said = iter([None] * len(readable) if known is None else known(readable))
    return [hashed if isinstance(hashed, Rejection) else next(said) for hashed in hashes]


def _hash_of(photo: Photo) -> bytes | Rejection:
    try:
        return photo.hash()
    except RejectedImageError as error:
        return Rejection(str(photo.path), str(error))


def _faces(pipeline: Pipeline, processes: EveryonePool | None, photo: Photo) -> Outcome:
    try:
        if processes is not None and not photo.in_memory:
            return processes.faces(photo.path)
        return pipeline.faces(photo.load(), photo.hash())
    except RejectedImageError as error:
        return Rejection(str(photo.path), str(error))
