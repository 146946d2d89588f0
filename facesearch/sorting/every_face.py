"""Photos -> all faces in them, in this process or in several; photos with the same content are looked at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from facesearch.errors import RejectedImageError
from facesearch.photos.photo import Photo, Rejection
from facesearch.pipeline.in_order import done_in_order
from facesearch.pipeline.pipeline import FaceTemplate, Pipeline
from facesearch.pipeline.worker_pool import WORTH_PROCESSES, EveryonePool


@dataclass(frozen=True, slots=True)
class Faceless:
    """A photo without a face that is large enough, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A photo with the same content as an earlier one."""

    of: Path


Outcome = list[FaceTemplate] | Faceless | Copy | Rejection


def every_face(
    pipeline: Pipeline, photos: Sequence[Photo], workers: int, *, in_processes: bool
) -> Iterator[tuple[Photo, Outcome]]:
    """The photos in their order with all their faces, largest first, or why there are none.

    workers: how many photos are looked at at once. in_processes: whether many photos may be shared among processes,
    which load the encoder by its name.
    """
    with (
        _Finder(pipeline, workers if in_processes else 1) as finder,
        ThreadPoolExecutor(workers, thread_name_prefix="faces") as pool,
    ):
        try:
            yield from done_in_order(pool, photos, _Seen(pool), finder, finder.expect)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Seen:
    """Which photos have the content of one that came before them, or cannot be read."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._first: dict[bytes, Path] = {}

    def __call__(self, photos: Sequence[Photo]) -> list[Copy | Rejection | None]:
        return [self._known(*each) for each in zip(photos, self._pool.map(_hash_of, photos), strict=True)]

    def _known(self, photo: Photo, hashed: bytes | Rejection) -> Copy | Rejection | None:
        if isinstance(hashed, Rejection):
            return hashed
        first = self._first.setdefault(hashed, photo.path)
        return None if first is photo.path else Copy(first)


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

    def __call__(self, photo: Photo) -> list[FaceTemplate] | Faceless | Rejection:
        try:
            if self._pool is not None:
                found = self._pool.faces(photo.path)
            else:
                found = self._pipeline.faces(photo.load(), photo.hash())
            return found.faces if found.faceless is None else Faceless(found.faceless)
        except RejectedImageError as error:
            return Rejection(str(photo.path), str(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()
