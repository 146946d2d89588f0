"""Enrolment of many photos on all cores.

Photos go through worker threads, which for many photos each have a process to do the work; templates are stored in the
order of the photos, a batch per transaction. What a transaction has confirmed survives anything; what it has not
is done again by the next run, which skips all that is enrolled by the hash of its content.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from facesearch.errors import RejectedImageError, UsageError
from facesearch.gallery.answers import Document
from facesearch.gallery.codec_in_use import CodecInUse
from facesearch.photos.geometry import Box
from facesearch.photos.photo import Photo, Rejection
from facesearch.pipeline.pipeline import PhotoTemplate, Pipeline
from facesearch.pipeline.worker_pool import WORTH_PROCESSES, WorkerPool
from facesearch.store import EncoderKey, GalleryStore, NewTemplate
from facesearch.store.identity_names import check_name

Progress = Callable[[int, int], None]  # (photos done, photos in all)

_LOOKUP = 256  # photos whose hashes are looked up at once
_AHEAD = 16  # photos still being encoded when the next ones are hashed
_BATCH = 64  # templates per transaction: one fsync each
_LONGEST_WAIT = 2.0  # seconds that a finished template waits for its batch to fill


@dataclass(slots=True)
class EnrolmentReport:
    """What an enrolment did: numbers of people and templates added and of photos skipped, the photos rejected."""

    identities: int = 0
    templates: int = 0
    skipped: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def images_per_second(self) -> float:
        """How fast faces were looked for: photos enrolled already are not counted."""
        done = self.templates + len(self.rejected)
        return done / self.seconds if self.seconds > 0 else 0.0

    def document(self) -> Document:
        return {
            "identities": self.identities,
            "templates": self.templates,
            "skipped": self.skipped,
            "rejected": [{"path": item.path, "reason": item.reason} for item in self.rejected],
            "images_per_second": round(self.images_per_second, 2),
        }


def enrol_photos(
    store: GalleryStore,
    pipeline: Pipeline,
    encoder: EncoderKey,
    codec: CodecInUse,
    photos: Sequence[Photo],
    *,
    aligned: str | None = None,
    progress: Progress | None = None,
    committed: Callable[[Photo], None] | None = None,
    workers: int | None = None,
    in_processes: bool = False,
) -> EnrolmentReport:
    """Add photos to a store; the index is the caller's. See `Gallery.enroll_photos` for the arguments.

    in_processes: whether many photos may be shared among processes, which load the encoder by its name.
    """
    start = time.perf_counter()
    run = _Run(store, encoder, codec, len(photos), progress, committed)
    count = workers or os.cpu_count() or 1
    with (
        _Extractor(pipeline, in_processes, aligned, count) as extractor,
        ThreadPoolExecutor(count, thread_name_prefix="enrol") as pool,
    ):
        try:
            for photo, outcome in _outcomes(pool, store, photos, extractor):
                run.take(photo, outcome)
            run.commit()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    run.report.seconds = time.perf_counter() - start
    return run.report


class _Extractor:
    """Photos -> templates, in this process, or in several once there are enough photos to be worth starting them."""

    def __init__(self, pipeline: Pipeline, in_processes: bool, aligned: str | None, count: int) -> None:
        self._pipeline, self._in_processes, self._aligned, self._count = pipeline, in_processes, aligned, count
        self._workers: WorkerPool | None = None

    def expect(self, photos: int) -> None:
        """So many photos are about to come."""
        if self._workers is None and self._in_processes and self._count > 1 and photos >= WORTH_PROCESSES:
            self._workers = WorkerPool(self._count, self._pipeline.spec, self._aligned)

    def __call__(self, photo: Photo) -> PhotoTemplate | Rejection:
        try:
            if photo.pixels is not None:
                return self._pipeline.photo(photo.pixels, photo.hash(), self._aligned)
            if self._workers is not None:
                return self._workers.template(photo.path)
            return self._pipeline.file(photo.path, self._aligned)
        except RejectedImageError as error:
            return Rejection(str(photo.path), str(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers is not None:
            self._workers.close()


_Outcome = PhotoTemplate | Rejection | None  # None: enrolled already


def _outcomes(
    pool: ThreadPoolExecutor, store: GalleryStore, photos: Sequence[Photo], extractor: _Extractor
) -> Iterator[tuple[Photo, _Outcome]]:
    """The photos in their order with what became of them; photos enrolled already are only read and hashed."""
    running: deque[tuple[Photo, Future[_Outcome] | _Outcome]] = deque()
    position = 0
    while position < len(photos) or running:
        if len(running) <= _AHEAD and position < len(photos):  # the workers still have photos to encode meanwhile
            some = photos[position : position + _LOOKUP]
            position += len(some)
            hashes = list(pool.map(_hash, some))
            known = store.templates.enrolled([hashed for hashed in hashes if isinstance(hashed, bytes)])
            if new := sum(isinstance(hashed, bytes) and hashed not in known for hashed in hashes):
                extractor.expect(new + len(photos) - position)
            for photo, hashed in zip(some, hashes, strict=True):
                if isinstance(hashed, Rejection):
                    running.append((photo, hashed))
                elif hashed in known:
                    running.append((photo, _already(photo, known[hashed])))
                else:
                    running.append((photo, pool.submit(extractor, photo)))
        photo, outcome = running.popleft()
        yield photo, outcome.result() if isinstance(outcome, Future) else outcome


def _hash(photo: Photo) -> bytes | Rejection:
    try:
        check_name(photo.identity)
        return photo.hash()
    except (RejectedImageError, UsageError) as error:
        return Rejection(str(photo.path), str(error))


def _rows(batch: Sequence[tuple[Photo, PhotoTemplate]], codes: Sequence[bytes]) -> list[NewTemplate]:
    return [
        NewTemplate(
            identity=photo.identity,
            sha256=template.sha256,
            path=str(photo.path.absolute() if photo.pixels is None else photo.path),
            width=template.width,
            height=template.height,
            code=code,
            quality=round(template.face.quality, 3),
            box=_rounded(template.face.box),
        )
        for (photo, template), code in zip(batch, codes, strict=True)
    ]


def _rounded(box: Box | None) -> Box | None:
    """Whole pixels, which SQLite stores in a byte or two."""
    return None if box is None else (round(box[0]), round(box[1]), round(box[2]), round(box[3]))


def _already(photo: Photo, owner: str) -> Rejection | None:
    """None where the photo is enrolled as the same person, a rejection where it is enrolled as another."""
    return None if owner == photo.identity else Rejection(str(photo.path), f"the same image is enrolled as {owner}")


class _Run:
    """Collects outcomes, stores templates batch by batch, counts."""

    def __init__(
        self,
        store: GalleryStore,
        encoder: EncoderKey,
        codec: CodecInUse,
        total: int,
        progress: Progress | None,
        committed: Callable[[Photo], None] | None,
    ) -> None:
        self.report = EnrolmentReport()
        self._store, self._encoder, self._codec = store, encoder, codec
        self._total, self._done = total, 0
        self._progress, self._committed = progress, committed
        self._batch: list[tuple[Photo, PhotoTemplate]] = []
        self._oldest = 0.0
        self._people: set[str] = set()

    def take(self, photo: Photo, outcome: _Outcome) -> None:
        self._count(photo, outcome)
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total)
        if isinstance(outcome, PhotoTemplate):
            if not self._batch:
                self._oldest = time.perf_counter()
            self._batch.append((photo, outcome))
        if len(self._batch) >= _BATCH or (self._batch and time.perf_counter() - self._oldest > _LONGEST_WAIT):
            self.commit()

    def commit(self) -> None:
        """Store what has been collected, in one transaction."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        vectors = np.stack([template.face.template for _, template in batch])
        added = self._codec.add(vectors, lambda codes: _rows(batch, codes), self._encoder)
        twice = [template.sha256 for (_, template), new in zip(batch, added, strict=True) if new is None]
        owners = self._store.templates.enrolled(twice) if twice else {}
        for (photo, template), new in zip(batch, added, strict=True):
            if new is None:  # the same content twice in this run, or enrolled by another process meanwhile
                self._count(photo, _already(photo, owners.get(template.sha256, photo.identity)))
                continue
            self.report.templates += 1
            self._people.add(photo.identity)
            if self._committed:
                self._committed(photo)
        self.report.identities = len(self._people)

    def _count(self, photo: Photo, outcome: _Outcome) -> None:
        if isinstance(outcome, Rejection):
            self.report.rejected.append(outcome)
        elif outcome is None:
            self.report.skipped += 1
