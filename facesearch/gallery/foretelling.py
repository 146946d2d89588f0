"""What an enrolment would do: the same, but that nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from facesearch.gallery import folder_truth
from facesearch.gallery.enrolment import enrol_photos
from facesearch.gallery.enrolment_changes import ForetoldChanges
from facesearch.gallery.enrolment_report import EnrolmentReport
from facesearch.gallery.folder_truth import Folders
from facesearch.gallery.whose_face import WhoseFace
from facesearch.photos.photo import Photo
from facesearch.pipeline.pipeline import Pipeline
from facesearch.pipeline.workers import Workers
from facesearch.store import GalleryStore

Progress = Callable[[int, int], None]  # (photos done, photos in all)


def foretold(
    store: GalleryStore | None,
    pipeline: Pipeline,
    photos: Sequence[Photo],
    *,
    whose: WhoseFace | None,
    folders: Folders | None,
    again: bool,
    aligned: str | None = None,
    progress: Progress | None = None,
    workers: Workers,
) -> EnrolmentReport:
    """What `Gallery.enroll_photos` would report; store and whose are None where there is no gallery yet.

    New photos are looked at. Which are suspect, and which face is taken of photos of several people who are not
    enrolled yet, cannot be said before they are.
    """
    ties: dict[str, str] = {}
    if store is not None and folders is not None:
        photos, ties = folder_truth.tied(store, photos, folders)
    if aligned is not None:
        pipeline.check_aligned(aligned)
    changes = ForetoldChanges(store)
    report = enrol_photos(
        store,
        pipeline,
        changes,
        photos,
        aligned=aligned,
        progress=progress,
        workers=workers,
        again=again,
        in_folders=folders is not None,
        whose=whose,
    )
    report.tied = ties
    if store is not None and folders is not None:
        report.gone = folder_truth.gone(store, folders, report)
        missing = folder_truth.without_templates(store, report, report.gone if folders.sync else ())
        report.without = {name: thinned for name, thinned in missing.items() if name not in changes.people}
    return report
