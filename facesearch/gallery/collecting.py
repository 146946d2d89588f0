"""Collecting faces of people who are not enrolled: those of photos that match nobody go into the inbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from facesearch.gallery.agreement import key_of
from facesearch.gallery.answers import Document, FaceAnswer, named_once
from facesearch.gallery.codec_in_use import CodecInUse
from facesearch.gallery.enrolment_changes import new_templates
from facesearch.gallery.known_photos import forgotten_reason
from facesearch.gallery.parts import Parts
from facesearch.gallery.poor_pairs import poor_pairs
from facesearch.gallery.questions import answer_of, ranked
from facesearch.photos.photo import Photo, Rejection
from facesearch.pipeline.every_face import every_face
from facesearch.pipeline.pipeline import FaceTemplate, PhotoFaces, PhotoTemplate
from facesearch.store import EncoderKey

Progress = Callable[[int, int], None]  # (photos done, photos in all)

_BATCH = 64  # faces per search and transaction
_LONGEST_WAIT = 2.0  # seconds that a photo waits for its batch to fill


@dataclass(frozen=True, slots=True)
class Seen:
    """A photo that was looked at before."""


@dataclass(slots=True)
class CollectionReport:
    """What was collected.

    faces: new in the inbox. photos: looked at, skipped: looked at before. matched: faces of people enrolled, ignored:
    of people who are never to be named; poor: too poor to be named, or as poor as the photo that they match; known: in
    the inbox or enrolled already. None of them is kept.
    """

    faces: int = 0
    photos: int = 0
    skipped: int = 0
    matched: int = 0
    ignored: int = 0
    poor: int = 0
    known: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    seconds: float = 0.0

    def document(self) -> Document:
        return {
            "faces": self.faces,
            "photos": self.photos,
            "skipped": self.skipped,
            "matched": self.matched,
            "ignored": self.ignored,
            "poor": self.poor,
            "known": self.known,
            "rejected": [item.document() for item in self.rejected],
        }


def collect(
    parts: Parts, photos: Sequence[Photo], *, again: bool, progress: Progress | None, workers: int | None
) -> CollectionReport:
    """See `UnknownFaces.add`."""
    start, report = time.perf_counter(), CollectionReport()
    if not photos:
        return report
    by = parts.workers(workers)
    parts.store.transactions.require_write()
    pipeline = parts.pipeline(threads=1)
    key = key_of(pipeline.encoder, pipeline.spec)
    codec = CodecInUse(parts.store, parts.codecs, parts.configured(key).codec)
    if parts.store.index_state.read() is None:
        parts.writer.save()

    def known(some: Sequence[tuple[Photo, bytes]]) -> list[Seen | Rejection | None]:
        return [None] * len(some) if again else _known(parts, some)

    batch: list[tuple[Photo, PhotoFaces]] = []
    oldest = 0.0
    found: Iterator[tuple[Photo, PhotoFaces | Rejection | Seen]] = every_face(pipeline, photos, known, by)
    for done, (photo, outcome) in enumerate(found, start=1):
        if isinstance(outcome, Seen):
            report.skipped += 1
        elif isinstance(outcome, Rejection):
            report.rejected.append(outcome)
        else:
            oldest = oldest if batch else time.perf_counter()
            batch.append((photo, outcome))
        full = sum(len(each.faces) for _, each in batch) >= _BATCH or len(batch) >= _BATCH
        if full or (batch and time.perf_counter() - oldest > _LONGEST_WAIT):
            _commit(parts, key, codec, batch, report)
            batch = []
        if progress:
            progress(done, len(photos))
    _commit(parts, key, codec, batch, report)
    report.seconds = time.perf_counter() - start
    return report


def _known(parts: Parts, some: Sequence[tuple[Photo, bytes]]) -> list[Seen | Rejection | None]:
    hashes = [hashed for _, hashed in some]
    forgotten = parts.store.corrections.forgotten(hashes)
    seen = parts.store.unknown.collected(hashes)
    return [
        Rejection(str(photo.path), forgotten_reason(forgotten[hashed], "collects its faces"))
        if hashed in forgotten
        else Seen()
        if hashed in seen
        else None
        for photo, hashed in some
    ]


def _commit(
    parts: Parts, key: EncoderKey, codec: CodecInUse, batch: list[tuple[Photo, PhotoFaces]], report: CollectionReport
) -> None:
    """Keep the faces of photos that match nobody, and that these photos were looked at, in one transaction."""
    if not batch:
        return
    kept: list[tuple[Photo, PhotoTemplate]] = []
    fit = [[face for face in found.faces if not face.poor] for _, found in batch]
    for (photo, found), faces, answers in zip(batch, fit, _answers(parts, fit), strict=True):
        report.photos += 1
        report.poor += len(found.faces) - len(faces)
        for face, answer in zip(faces, answers, strict=True):
            report.matched += answer.is_match
            report.ignored += answer.ignored
            report.poor += answer.poor and not answer.ignored
            if not (answer.is_match or answer.ignored or answer.poor):
                kept.append((photo, PhotoTemplate(face, found.sha256, found.width, found.height)))
    photos = [found.sha256 for _, found in batch]

    def keep(codes: list[bytes], name: str) -> list[int | None]:
        return parts.store.unknown.add(new_templates(kept, codes), photos, key, name)

    dimension = parts.settings().dimension
    templates = np.array([one.face.template for _, one in kept], np.float32).reshape(len(kept), dimension)
    added = codec.coded(templates, keep)
    report.known += added.count(None)
    report.faces += len(added) - added.count(None)


def _answers(parts: Parts, photos: Sequence[Sequence[FaceTemplate]]) -> list[list[FaceAnswer]]:
    """Who the faces of photos are, as a query would say."""
    asked = [face for faces in photos for face in faces]
    if not asked:
        return [[] for _ in photos]
    found = ranked(parts, np.stack([face.template for face in asked]), 1)
    limit = parts.threshold(found.settings)
    poor = poor_pairs(parts, [face.quality for face in asked], found.candidates, limit)
    each = zip(found.candidates, found.ignored, poor, strict=True)
    return [named_once([answer_of(face, limit, *next(each), photo=None) for face in faces]) for faces in photos]
