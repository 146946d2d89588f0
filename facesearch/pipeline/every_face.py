"""Photos -> all faces in them, in this process or in several."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from facesearch.errors import RejectedImageError
from facesearch.photos.photo import Photo, Rejection
from facesearch.pipeline.in_order import done_in_order
from facesearch.pipeline.pipeline import PhotoFaces, Pipeline
from facesearch.pipeline.worker_pool import WORTH_PROCESSES, EveryonePool

T = TypeVar("T")


def every_face(
    pipeline: Pipeline,
    photos: Sequence[Photo],
    known: Callable[[Sequence[tuple[Photo, bytes]]], Sequence[T | None]],
    *,
    workers: int | None,
    in_processes: bool,
) -> Iterator[tuple[Photo, PhotoFaces | Rejection | T]]:
    """The photos in their order with all their faces, or why they cannot be read, or what is known of them.

    known: what is known of photos with the SHA-256 of their content, None for those that are to be looked at. workers:
    how many photos are looked at at once; None: one per core. in_processes: whether many photos may be shared among
    processes, which load the encoder by its name.
    """
    count = workers or os.cpu_count() or 1
    with (
        _Finder(pipeline, count if in_processes else 1) as finder,
        ThreadPoolExecutor(count, thread_name_prefix="faces") as pool,
    ):

        def looked_up(some: Sequence[Photo]) -> list[Rejection | T | None]:
            hashes = list(pool.map(_hash_of, some))
            readable = [(photo, each) for photo, each in zip(some, hashes, strict=True) if isinstance(each, bytes)]
            said = iter(known(readable))
            return [each if isinstance(each, Rejection) else next(said) for each in hashes]

        try:
            outcomes: Iterator[tuple[Photo, PhotoFaces | Rejection | T]] = done_in_order(
                pool, photos, looked_up, finder, finder.expect
            )
            yield from outcomes
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _hash_of(photo: Photo) -> bytes | Rejection:
    try:
        return photo.hash()
    except RejectedImageError as error:
        return Rejection(str(photo.path), str(error))


class _Finder:
    """A photo -> its faces, in this process, or in others once there are enough photos to be worth starting them."""

    def __init__(self, pipeline: Pipeline, processes: int) -> None:
        self._pipeline, self._processes = pipeline, processes
        self._pool: EveryonePool | None = None

    def expect(self, photos: int) -> None:
        """So many photos are about to come."""
        if self._pool is None and self._processes > 1 and photos >= WORTH_PROCESSES:
            self._pool = EveryonePool(self._processes, self._pipeline.spec)

    def __call__(self, photo: Photo) -> PhotoFaces | Rejection:
        try:
            if self._pool is not None and not photo.in_memory:
                return self._pool.faces(photo.path)
            return self._pipeline.faces(photo.load(), photo.hash())
        except RejectedImageError as error:
            return Rejection(str(photo.path), str(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()
