"""Changes of who is in a gallery, and of how it is stored."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy.typing as npt

from facesearch.codecs.gallery_codecs import Stored, originals_kept
from facesearch.errors import IndexStateError, OvertakenError, StoreError, UsageError
from facesearch.gallery import arguments
from facesearch.gallery.agreement import check_kind, in_force, key_of
from facesearch.gallery.answers import Compaction, GalleryInfo, Receipt
from facesearch.gallery.codec_in_use import CodecInUse
from facesearch.gallery.parts import Parts
from facesearch.photos.photo import Photo, composed

if TYPE_CHECKING:
    from facesearch.gallery.enrolment import EnrolmentReport, Progress

_log = logging.getLogger("facesearch")

_ATTEMPTS = 3


def enroll_photos(
    parts: Parts,
    photos: Sequence[Photo],
    *,
    aligned: str | None,
    progress: Progress | None,
    committed: Callable[[Photo], None] | None,
    workers: int | None,
) -> EnrolmentReport:
    """See `Gallery.enroll_photos`."""
    from facesearch.gallery.enrolment import EnrolmentReport, enrol_photos  # a question does not wait for it

    if not photos:
        return EnrolmentReport()
    if workers is not None:
        workers = arguments.count(workers, "workers")
    pipeline = parts.pipeline(threads=1)
    if aligned is not None:
        pipeline.check_aligned(aligned)
    key = key_of(pipeline.encoder, pipeline.spec)
    codec = CodecInUse(parts.store, parts.codecs, parts.configured(key).codec)
    report = enrol_photos(
        parts.store,
        pipeline,
        key,
        codec,
        photos,
        aligned=aligned,
        progress=progress,
        committed=committed,
        workers=workers,
        in_processes=parts.in_processes,
    )
    if report.templates:
        parts.store.audit.add("enroll", detail={"templates": report.templates, "rejected": len(report.rejected)})
    _save(parts, report)
    return report


def enroll_templates(
    parts: Parts,
    identities: Sequence[str],
    templates: npt.ArrayLike,
    *,
    sources: Sequence[str] | None,
    progress: Progress | None,
    committed: Callable[[int], None] | None,
) -> EnrolmentReport:
    """See `Gallery.enroll_templates`."""
    from facesearch.gallery.template_enrolment import enrol_templates  # a question does not wait for it

    key = parts.encoder_key()
    settings = parts.configured(key)
    report = enrol_templates(
        key,
        CodecInUse(parts.store, parts.codecs, settings.codec),
        settings.dimension,
        identities,
        templates,
        sources=sources,
        progress=progress,
        committed=committed,
    )
    _save(parts, report)
    return report


def _save(parts: Parts, report: EnrolmentReport) -> None:
    if report.templates or parts.store.index_state.read() is None:  # None also after an interrupted enrolment
        parts.writer.save()


def merge(parts: Parts, names: Sequence[str]) -> int:
    """See `Gallery.merge`: all but the last of the names are the sources; raises `UsageError` for fewer than two."""
    if len(names) < 2:
        raise UsageError("name two people at least, the last one is who they are: merge(A, B)")
    *given, target = [composed(name) for name in names]
    return parts.store.identities.merge(given, target)


def forget(parts: Parts, names: Sequence[str]) -> list[Receipt]:
    """See `Gallery.forget_all`."""
    if isinstance(names, str):
        raise UsageError("forget_all takes a list of names; forget takes one name")
    names = list(dict.fromkeys(composed(name) for name in names))
    people = [parts.store.identities.find(name) for name in names]  # raises before anything is touched
    backups = {person.id: tuple(parts.store.audit.backups_with(person.id)) for person in people}
    with parts.store.moment() as moment:
        template_ids = moment.template_ids([person.id for person in people])
    parts.writer.discard(template_ids)
    removed = parts.store.identities.forget(names)
    rewritten = False
    try:
        rewritten = parts.writer.save() or _lies_in_files(parts)
    except (IndexStateError, StoreError) as error:  # the people are gone all the same
        _log.warning("%s; the old one is deleted, facesearch index build writes a new one", error)
    parts.writer.remove_strays()
    try:
        wiped = parts.store.checkpoint()
    except StoreError as error:  # as on a full disk
        _log.warning("%s; old pages stay in the log until facesearch gallery compact", error)
        wiped = False
    now = int(time.time())
    return [
        Receipt(name, len(each.template_ids), each.images, rewritten, wiped, now, backups[each.identity_id])
        for name, each in zip(names, removed, strict=True)
    ]


def _lies_in_files(parts: Parts) -> bool:
    """Whether there are index files, and all of them are whole."""
    state = parts.store.index_state.read()
    return state is not None and all(segment.file_name for segment in state.segments)


def build_index(parts: Parts, kind: str | None, *, keep: str | None, relearn: bool, progress: Progress | None) -> None:
    """See `Gallery.build_index`."""
    for attempt in range(_ATTEMPTS):
        try:
            recoded = _rebuilt(parts, kind, keep=keep, relearn=relearn, progress=progress)
            break
        except OvertakenError:  # another process built another kind, and removed the codebook that was just learnt
            if attempt == _ATTEMPTS - 1:
                raise
    parts.store.codebooks.remove_unused()
    if recoded:
        parts.store.vacuum()  # the freed bytes go back to the disk
    else:
        parts.store.checkpoint()  # nor does the log keep what a forgotten person left in it


def _rebuilt(parts: Parts, kind: str | None, *, keep: str | None, relearn: bool, progress: Progress | None) -> int:
    settings = parts.settings()
    wanted = settings.index_kind if kind is None else kind
    check_kind(wanted, settings.dimension)
    codec = parts.codecs.chosen(
        Stored(settings.model, settings.dimension, settings.codec),
        parts.store.templates.counts().templates,
        wanted,
        keep,
        changed=kind is not None,
        relearn=relearn,
    )
    return parts.writer.rebuild(replace(settings, index_kind=wanted, codec=codec), progress)


def compact(parts: Parts) -> Compaction:
    """See `Gallery.compact`."""
    parts.settings()
    before = _bytes_on_disk(parts)
    parts.writer.save(force=True)
    parts.writer.remove_strays()
    wiped = parts.store.vacuum()
    return Compaction(before, _bytes_on_disk(parts), wiped)


def _bytes_on_disk(parts: Parts) -> int:
    return parts.store.database_bytes() + parts.index.bytes_on_disk(strays=True)


def info(parts: Parts) -> GalleryInfo:
    """See `Gallery.info`."""
    settings, counts, cohort = parts.settings(), parts.store.templates.counts(), parts.store.cohort.read()
    calibration = in_force(parts.store.settings.calibration(), settings)
    return GalleryInfo(
        encoder=str(parts.store.settings.encoder()),
        index=settings.index_kind,
        codec=settings.codec,
        originals=originals_kept(settings.codec),
        threshold=parts.known_threshold(settings),
        threshold_from="encoder" if settings.threshold is None else "calibration" if calibration else "set",
        calibration=calibration,
        score=settings.score,
        cohort=0 if cohort is None else len(cohort.templates),
        identities=counts.identities,
        templates=counts.templates,
        database_bytes=parts.store.database_bytes(),
        index_bytes=parts.index.bytes_on_disk(),
    )
