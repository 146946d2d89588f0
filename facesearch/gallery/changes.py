"""Changes of who is in a gallery, and of how it is stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy.typing as npt

from facesearch.codecs.gallery_codecs import Stored, originals_kept
from facesearch.errors import OvertakenError, StoreError, UsageError
from facesearch.gallery.agreement import check_kind, in_force, key_of
from facesearch.gallery.answers import Compaction, GalleryInfo
from facesearch.gallery.codec_in_use import CodecInUse
from facesearch.gallery.parts import Parts
from facesearch.gallery.questions import search
from facesearch.gallery.scratch import remove_unfinished
from facesearch.photos.photo import Photo, composed
from facesearch.pipeline.pipeline import Pipeline
from facesearch.store import IN_A_FOLDER, GallerySettings, Sizes

if TYPE_CHECKING:
    from facesearch.gallery.enrolment import Progress
    from facesearch.gallery.enrolment_report import EnrolmentReport
    from facesearch.gallery.folder_truth import Folders
    from facesearch.gallery.whose_face import WhoseFace

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
    folders: Folders | None,
    again: bool,
    cluster: str | None = None,
) -> EnrolmentReport:
    """See `Gallery.enroll_photos`."""
    from facesearch.gallery import folder_truth  # a question does not wait for it
    from facesearch.gallery.enrolment import enrol_photos
    from facesearch.gallery.enrolment_changes import StoredChanges
    from facesearch.gallery.enrolment_report import EnrolmentReport
    from facesearch.gallery.suspects import LIKELY, suspects
    from facesearch.gallery.unknown_list import now_like

    if not photos and folders is None:
        return EnrolmentReport()
    by = parts.workers(workers, cluster)
    pipeline = parts.pipeline(threads=1)
    if aligned is not None:
        pipeline.check_aligned(aligned)
    key = key_of(pipeline.encoder, pipeline.spec)
    settings = parts.configured(key)
    codec = CodecInUse(parts.store, parts.codecs, settings.codec)
    photos, ties = (photos, {}) if folders is None else folder_truth.tied(parts.store, photos, folders)
    report = enrol_photos(
        parts.store,
        pipeline,
        StoredChanges(parts.store, key, codec),
        photos,
        aligned=aligned,
        progress=progress,
        committed=committed,
        workers=by,
        again=again,
        in_folders=folders is not None,
        whose=_whose(parts, pipeline, settings),
    )
    report.tied = ties
    if folders is not None and not folders.partial:
        report.gone = folder_truth.gone(parts.store, folders, report)
        if folders.sync and (folders.confirmed or not folder_truth.many(parts.store, report.gone)):
            report.taken_out = parts.store.corrections.set_aside([info.id for info in report.gone])
    if folders is not None:
        report.without = folder_truth.without_templates(parts.store, report)
    if report.templates:
        parts.store.audit.add("enroll", detail={"templates": report.templates, "rejected": len(report.rejected)})
    _save(parts, report)
    new = report.added.keys() | {moved.template_id for moved in report.moved}
    try:
        found = suspects(parts, new, least=LIKELY)
        report.suspects = [
            replace(
                each,
                path=report.added.get(each.template_id or 0, each.path),
                paths=tuple(
                    report.added.get(number, path) for number, path in zip(each.template_ids, each.paths, strict=True)
                ),
            )
            for each in found
        ]
        report.unknown = now_like(parts, sorted(report.added))
    except StoreError as error:  # the photos are enrolled, and their report must not be lost
        _log.warning("%s; the new photos are enrolled, and not compared with all that is there", error)
    return report


def survey(
    parts: Parts,
    photos: Sequence[Photo],
    *,
    aligned: str | None,
    progress: Progress | None,
    workers: int | None,
    cluster: str | None,
    folders: Folders | None,
    again: bool,
) -> EnrolmentReport:
    """See `Gallery.survey`."""
    from facesearch.gallery.foretelling import foretold  # a question does not wait for it

    pipeline, settings = parts.pipeline(threads=1), parts.store.settings.read()
    return foretold(
        parts.store,
        pipeline,
        photos,
        whose=None if settings is None else _whose(parts, pipeline, settings),
        folders=folders,
        again=again,
        aligned=aligned,
        progress=progress,
        workers=parts.workers(workers, cluster),
    )


def _whose(parts: Parts, pipeline: Pipeline, settings: GallerySettings) -> WhoseFace:
    """What chooses among the faces of a photo, as a search would."""
    from facesearch.gallery.whose_face import WhoseFace  # a question does not wait for it

    find = partial(search, parts, k=1, fused=False, everybody=True)
    return WhoseFace(parts.store, pipeline, find, parts.threshold(settings))


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
    from facesearch.gallery.template_enrolment import checked, enrol_templates  # a question does not wait for it

    key = parts.encoder_key()
    given = checked(templates, parts.dimension(), identities, sources)  # before a new gallery is fixed
    report = enrol_templates(
        key,
        CodecInUse(parts.store, parts.codecs, parts.configured(key).codec),
        identities,
        given,
        sources=sources,
        progress=progress,
        committed=committed,
    )
    _save(parts, report)
    return report


def _save(parts: Parts, report: EnrolmentReport) -> None:
    # None also after an interrupted enrolment
    if report.templates or report.taken_out or parts.store.index_state.read() is None:
        parts.save_after_adding()


def merge(parts: Parts, names: Sequence[str]) -> int:
    """See `Gallery.merge`: all but the last of the names are the sources; raises `UsageError` for fewer than two."""
    if len(names) < 2:
        raise UsageError("name two people at least, the last one is who they are: merge(A, B)")
    *given, target = [composed(name) for name in names]
    return parts.store.identities.merge(given, target)


def build_index(parts: Parts, kind: str | None, *, keep: str | None, relearn: bool, progress: Progress | None) -> None:
    """See `Gallery.build_index`."""
    parts.store.transactions.require_write()
    for attempt in range(_ATTEMPTS):
        try:
            recoded = _rebuilt(parts, kind, keep=keep, relearn=relearn, progress=progress)
            break
        except OvertakenError:  # another process built another kind, and removed the codebook that was just learnt
            if attempt == _ATTEMPTS - 1:
                raise
    parts.store.codebooks.remove_unused()
    if recoded and parts.store.vectors is not None and parts.store.vectors.info() is not None:
        build_vectors(parts, progress)
    if recoded:
        parts.store.vacuum()  # the freed bytes go back to the disk
    else:
        parts.store.checkpoint()  # nor does the log keep what a forgotten person left in it


def build_vectors(parts: Parts, progress: Progress | None) -> None:
    """Make the gallery ready for searches in the database; see `Gallery.build_index`."""
    if parts.store.vectors is None:
        raise UsageError(IN_A_FOLDER)
    parts.store.vectors.build(parts.settings().dimension, progress)


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
    parts.store.transactions.require_write()
    parts.settings()
    before = _bytes_on_disk(parts)
    discarded = parts.store.corrections.discard()
    parts.writer.save(force=True)
    parts.writer.remove_strays()
    wiped = parts.store.vacuum()
    for copy in remove_unfinished(parts.folder):
        _log.warning("%s holds the gallery as it was: a backup is being made there, or could not be removed", copy)
    kept = _sizes(parts).set_aside
    return Compaction(before, _bytes_on_disk(parts), wiped, discarded, kept, on_server=parts.store.on_server)


def _sizes(parts: Parts) -> Sizes:
    with parts.store.moment() as moment:
        return moment.sizes()


def _bytes_on_disk(parts: Parts) -> int:
    return parts.store.database_bytes() + parts.index.bytes_on_disk(strays=True)


def info(parts: Parts) -> GalleryInfo:
    """See `Gallery.info`."""
    settings, counts, cohort = parts.settings(), parts.store.templates.counts(), parts.store.cohort.read()
    sizes, (faces, clusters) = _sizes(parts), parts.store.unknown.count()
    calibration = in_force(parts.store.settings.calibration(), settings)
    return GalleryInfo(
        store=parts.store.kind,
        encoder=str(parts.store.settings.encoder()),
        index=settings.index_kind,
        codec=settings.codec,
        originals=originals_kept(settings.codec),
        threshold=parts.known_threshold(settings),
        threshold_from="encoder" if settings.threshold is None else "calibration" if calibration else "set",
        calibration=calibration,
        score=settings.score,
        quality=settings.quality,
        cohort=0 if cohort is None else len(cohort.templates),
        identities=counts.identities,
        templates=counts.templates,
        without_templates=parts.store.identities.without_templates(),
        taken_out=sizes.taken_out,
        set_aside=sizes.set_aside,
        unknown_faces=faces,
        unknown_clusters=clusters,
        database_bytes=parts.store.database_bytes(),
        index_bytes=parts.index.bytes_on_disk(),
    )
