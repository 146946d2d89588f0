"""facesearch enroll --dry-run"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesearch.commands.common import has_gallery, open_gallery, progress_bar

if TYPE_CHECKING:
    from facesearch.gallery.enrolment_report import EnrolmentReport
    from facesearch.gallery.folder_truth import Folders
    from facesearch.photos.photo import Photo
    from facesearch.store import Counts


def what_would_be_done(
    gallery: Path | None,
    asked: dict[str, Any],
    photos: Sequence[Photo],
    folders: Folders | None,
    aligned: str | None,
    workers: int | None,
    cluster: str | None,
    *,
    again: bool,
    quiet: bool,
) -> tuple[EnrolmentReport, Counts]:
    """What would be done, and what the gallery holds; it need not be there yet."""
    from facesearch.store import Counts

    with progress_bar("looking at photos", quiet=quiet) as progress:
        if has_gallery(gallery):
            with open_gallery(gallery, create=False, **asked) as opened:
                report = opened.survey(
                    photos, folders, aligned=aligned, progress=progress, workers=workers, cluster=cluster, again=again
                )
                return report, opened.counts()
        from facesearch.encoders import DEFAULT_MODEL, load_encoder
        from facesearch.gallery.agreement import NewGallery
        from facesearch.gallery.foretelling import foretold
        from facesearch.pipeline.fit_to_enrol import quality_profile
        from facesearch.pipeline.pipeline import Pipeline
        from facesearch.pipeline.pipeline_spec import PipelineSpec
        from facesearch.pipeline.workers import Workers

        NewGallery.asked(asked["encoder"], asked["index"], asked["keep"])  # what is wrong with it is said now
        spec = PipelineSpec(min_face=asked["min_face"], quality=quality_profile(asked["quality"] or "standard"))
        pipeline = Pipeline(load_encoder(asked["encoder"] or DEFAULT_MODEL, device=asked["device"]), spec, threads=1)
        report = foretold(
            None,
            pipeline,
            photos,
            whose=None,
            folders=folders,
            again=again,
            aligned=aligned,
            progress=progress,
            workers=Workers(workers, asked["device"] == "cpu", cluster),
        )
        return report, Counts(0, 0, 0)
