"""Enrolment of many photos on all cores.

Photos go through worker threads, which for many photos each have a process to do the work; templates are stored in the
order of the photos, a batch per transaction. What a transaction has confirmed survives anything; what it has not
is done again by the next run, which skips all that is enrolled by the hash of its content.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from facesearch.errors import (
    NoFaceError,
    PoorFaceError,
    RejectedImageError,
    SeveralFacesError,
    TinyFaceError,
    UsageError,
)
from facesearch.faces import chosen_face
from facesearch.gallery.enrolment_changes import EnrolmentChanges, Told
from facesearch.gallery.enrolment_report import ChosenFace, EnrolmentReport
from facesearch.gallery.known_photos import Known, enrolled_as, known_photos, stored_path
from facesearch.gallery.whose_face import Ambiguous, WhoseFace, unchosen
from facesearch.photos.photo import Photo, Rejection, path_sha256
from facesearch.pipeline.in_order import done_in_order
from facesearch.pipeline.many_photos import ManyPhotos
from facesearch.pipeline.pipeline import PhotoTemplate, Pipeline
from facesearch.pipeline.tasks import subject
from facesearch.pipeline.workers import Workers
from facesearch.store import GalleryStore
from facesearch.store.identity_names import check_name

Progress = Callable[[int, int], None]  # (photos done, photos in all)

_BATCH = 64  # templates per transaction: one fsync each
_LONGEST_WAIT = 2.0  # seconds that a finished template waits for its batch to fill


def enrol_photos(
    store: GalleryStore | None,
    pipeline: Pipeline,
    changes: EnrolmentChanges,
    photos: Sequence[Photo],
    *,
    aligned: str | None = None,
    progress: Progress | None = None,
    committed: Callable[[Photo], None] | None = None,
    workers: Workers,
    again: bool = False,
    in_folders: bool = False,
    whose: WhoseFace | None,
) -> EnrolmentReport:
    """Add photos to a gallery; the index is the caller's. See `Gallery.enroll_photos` for the arguments.

    store: what the gallery knows, None where there is none yet. changes: takes what is to be changed in it.
    in_folders: whose photos they are is said by folders. whose: chooses among the faces of a photo; None: nobody is
    enrolled.
    """
    start = time.perf_counter()
    run = _Run(changes, len(photos), progress, committed, in_folders=in_folders)
    returning: dict[str, str] = {}
    digest = pipeline.spec.digest

    def extract(photo: Photo) -> PhotoTemplate:
        if photo.in_memory or photo.face is not None:
            return pipeline.photo(photo.load(), photo.hash(), aligned, chosen_face(photo.face))
        return pipeline.file(photo.path, aligned)

    def known(some: Sequence[Photo]) -> list[Known | Rejection | None]:
        hashes = many.each(hash_of, some)
        if store is None:
            return [None if isinstance(each, bytes) else each for each in hashes]
        return known_photos(
            store, some, hashes, again=again, in_folders=in_folders, pipeline=digest, returning=returning
        )

    with ManyPhotos[_Outcome](workers, extract, subject(pipeline.spec, aligned), _without_template) as many:
        for photo, outcome in done_in_order(photos, known, many):
            run.take(photo, outcome)
        run.commit()
        run.take_several(whose)
        if not again:
            run.tell_once()
    enrolled = set(run.report.added.values())
    run.report.returned = {path: day for path, day in returning.items() if path in enrolled}
    run.report.seconds = time.perf_counter() - start
    return run.report


def _without_template(photo: Photo, error: RejectedImageError) -> Rejection | Ambiguous:
    if isinstance(error, SeveralFacesError):
        return Ambiguous(str(error))
    if isinstance(error, NoFaceError | TinyFaceError | PoorFaceError):
        return Rejection(str(photo.path), str(error), content=photo.hash(), final=True)
    return Rejection(str(photo.path), str(error), content=_known_by(photo))


def _known_by(photo: Photo) -> bytes:
    """The SHA-256 of its content, or of its path where that is gone meanwhile."""
    try:
        return photo.hash()
    except RejectedImageError:
        return path_sha256(photo)


_Outcome = PhotoTemplate | Known | Rejection | Ambiguous


def hash_of(photo: Photo) -> bytes | Rejection:
    """The SHA-256 of a photo's content, or why it cannot be enrolled."""
    try:
        check_name(photo.identity)
        return photo.hash()
    except (RejectedImageError, UsageError) as error:
        return Rejection(str(photo.path), str(error), content=path_sha256(photo))


class _Run:
    """Collects outcomes, stores templates batch by batch, counts."""

    def __init__(
        self,
        changes: EnrolmentChanges,
        total: int,
        progress: Progress | None,
        committed: Callable[[Photo], None] | None,
        *,
        in_folders: bool,
    ) -> None:
        self.report = EnrolmentReport()
        self._in_folders = in_folders
        self._changes = changes
        self._total, self._done = total, 0
        self._progress, self._committed = progress, committed
        self._batch: list[tuple[Photo, PhotoTemplate]] = []
        self._unfit: dict[bytes, str] = {}
        self._open: set[Told] = set()  # rejections that may be otherwise tomorrow
        self._oldest = 0.0
        self._people: set[str] = set()
        self._several: list[tuple[Photo, PhotoTemplate | Ambiguous]] = []

    def take(self, photo: Photo, outcome: _Outcome) -> None:
        if isinstance(outcome, Ambiguous) or (isinstance(outcome, PhotoTemplate) and outcome.several):
            self._several.append((photo, outcome))  # once more is known of the person
            return
        self._take(photo, outcome)

    def take_several(self, whose: WhoseFace | None) -> None:
        """The photos that show several faces, after all others: the people whose photos they are may be known now."""
        several, self._several = self._several, []
        unsure = self._changes.unsure(self._people)
        for photo, outcome in several:
            if photo.identity in unsure:
                self.report.unsure.append(str(photo.path))
                continue
            alike = whose is not None and whose.is_enrolled(photo.identity)
            chosen = whose.chosen(photo) if whose is not None and alike else unchosen(photo, outcome)
            self._take(photo, chosen)
            self.commit()  # the next photo of the person may be compared with this one
            if isinstance(chosen, PhotoTemplate) and chosen.face.found > 1:
                self.report.chosen[str(photo.path)] = ChosenFace(chosen.face.number, chosen.face.found, alike)

    def tell_once(self) -> None:
        """Of rejections that may be otherwise tomorrow, those that were told by an earlier enrolment are so marked."""
        before = self._changes.told_before(self._open) if self._open else set()
        self.report.rejected = [
            replace(item, before=item.before or (item.content, item.reason) in before) for item in self.report.rejected
        ]

    def _take(self, photo: Photo, outcome: PhotoTemplate | Known | Rejection) -> None:
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
        if self._unfit:
            self._changes.remember_rejected(self._unfit)
            self._unfit = {}
        if not batch:
            return
        added = self._changes.add(batch)
        twice = [template.sha256 for (_, template), new in zip(batch, added, strict=True) if new is None]
        there = self._changes.enrolled(twice) if twice else {}
        for (photo, template), new in zip(batch, added, strict=True):
            if new is None:  # the same content twice in this run, or enrolled by another process meanwhile
                other = there.get(template.sha256)
                content = template.sha256
                self._count(
                    photo,
                    Known(None)
                    if other is None
                    else enrolled_as(photo, other, in_folders=self._in_folders, content=content),
                )
                continue
            self.report.templates += 1
            self.report.seen.add(new)
            self.report.added[new] = str(photo.path)
            if template.doubt:
                self.report.doubtful[str(photo.path)] = template.doubt
            self._people.add(photo.identity)
            if self._committed:
                self._committed(photo)
        self.report.identities = len(self._people)

    def _count(self, photo: Photo, outcome: PhotoTemplate | Known | Rejection) -> None:
        if isinstance(outcome, Rejection):
            self.report.rejected.append(outcome)
            if outcome.content is not None and not outcome.before and not photo.in_memory:
                if outcome.final:
                    self._unfit[outcome.content] = outcome.reason
                else:
                    self._open.add((outcome.content, outcome.reason))
            self.report.unread.add(stored_path(photo))
        elif isinstance(outcome, Known):
            self._take_known(photo, outcome)

    def _take_known(self, photo: Photo, known: Known) -> None:
        self.report.take(photo, known)
        if known.template_id is not None and known.relocated:
            self._changes.relocate(known.template_id, stored_path(photo))
        if known.template_id is not None and known.moved_from is not None:
            self._changes.move(known.template_id, photo.identity)
