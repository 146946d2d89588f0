"""Photos -> all faces in them, in this process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from facesearch.errors import RejectedImageError
from facesearch.photos.photo import Photo, Rejection
from facesearch.pipeline.in_order import done_in_order
from facesearch.pipeline.many_photos import ManyPhotos
from facesearch.pipeline.pipeline import PhotoFaces, Pipeline
from facesearch.pipeline.tasks import everyone
from facesearch.pipeline.workers import Workers

T = TypeVar("T")


def every_face(
    pipeline: Pipeline,
    photos: Sequence[Photo],
    known: Callable[[Sequence[tuple[Photo, bytes]]], Sequence[T | None]],
    workers: Workers,
) -> Iterator[tuple[Photo, PhotoFaces | Rejection | T]]:
    """The photos in their order with all their faces, or why they cannot be read, or what is known of them.

    known: what is known of photos with the SHA-256 of their content, None for those that are to be looked at.
    """
    with ManyPhotos[PhotoFaces | Rejection | T](
        workers, lambda photo: pipeline.faces(photo.load(), photo.hash()), everyone(pipeline.spec), _rejection
    ) as many:

        def looked_up(some: Sequence[Photo]) -> list[Rejection | T | None]:
            hashes = many.each(_hash_of, some)
            readable = [(photo, each) for photo, each in zip(some, hashes, strict=True) if isinstance(each, bytes)]
            said = iter(known(readable))
            return [each if isinstance(each, Rejection) else next(said) for each in hashes]

        yield from done_in_order(photos, looked_up, many)


def _hash_of(photo: Photo) -> bytes | Rejection:
    try:
        return photo.hash()
    except RejectedImageError as error:
        return _rejection(photo, error)


def _rejection(photo: Photo, error: RejectedImageError) -> Rejection:
    return Rejection(str(photo.path), str(error))
