"""facesearch enroll"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    AlignedOption,
    DeviceOption,
    FaceOption,
    FrameRateOption,
    GalleryOption,
    JsonOption,
    MinFaceOption,
    QualityOption,
    SearchOption,
    VerboseOption,
    frames_bar,
    open_gallery,
    progress_bar,
    set_up,
)
from facesearch.commands.enrolment_told import tell
from facesearch.commands.paths import given_path
from facesearch.commands.unknown import add as collect_unknown
from facesearch.errors import UsageError

if TYPE_CHECKING:
    from facesearch.gallery.enrolment_report import EnrolmentReport
    from facesearch.gallery.folder_truth import Folders
    from facesearch.photos.photo import Photo

FRAMES, FRAMES_PER_SECOND = 5, 3.0

EXAMPLES = """
**Examples**

    facesearch enroll people/                     # people/Ada Lovelace/1.jpg, people/Alan Turing/a.png, ...

    facesearch enroll --identity "Ada Lovelace" ada1.jpg ada2.jpg

    facesearch enroll --identity "Ada Lovelace" clip.mp4

    facesearch enroll --manifest people.csv       # columns identity,path

    facesearch enroll people/ --gallery staff --index sq8

    facesearch enroll people/ --sync --dry-run

    facesearch enroll people/ --watch

    facesearch enroll people/ --cluster tcp://scheduler:8786

    facesearch enroll --collect party/
"""


def enroll(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH...",
            help="Folders of people, PATH/IDENTITY/IMAGE; with --identity, photos of that person.",
            parser=given_path,
        ),
    ] = None,
    identity: Annotated[str | None, typer.Option(help="Whose photos these are.", show_default=False)] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the columns identity and path.", metavar="FILE", show_default=False, parser=given_path
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="model[:precision][@backend]; the first enrolment fixes the model. Default: mobilefacenet.",
            show_default=False,
        ),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            help="Index of a new gallery: flat, sq8, tcq64, … (docs/reference/indexes.md). Default: flat.",
            show_default=False,
        ),
    ] = None,
    keep_originals: Annotated[
        str | None,
        typer.Option(
            help="Templates that a new gallery keeps beside the codes of its index: fp32, fp16, int8, none. "
            "Default: none; flat stores fp32, sq8 int8.",
            show_default=False,
            metavar="CODEC",
        ),
    ] = None,
    face: FaceOption = None,
    sync: Annotated[
        bool,
        typer.Option(
            "--sync", help="The folders are the truth: templates whose photos left them or changed are taken out."
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on: enrol photos that arrive in the folders, until Ctrl-C.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at new photos, say what would be done, and change nothing.")
    ] = False,
    frames: Annotated[
        int, typer.Option(help="Templates to take from a clip of video, at most.", min=1, max=50)
    ] = FRAMES,
    frames_per_second: FrameRateOption = FRAMES_PER_SECOND,
    collect: Annotated[
        bool,
        typer.Option(
            "--collect",
            help="Enrol nobody: keep the faces of these photos that match nobody, as unknown add does.",
        ),
    ] = False,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Enrol photos of people who were forgotten, too, and look at rejected photos again."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --sync: also where many templates would go.")] = False,
    aligned: AlignedOption = None,
    min_face: MinFaceOption = 40,
    quality: QualityOption = None,
    workers: Annotated[
        int | None, typer.Option(help="Threads to use. Default: one per core.", min=1, max=256, show_default=False)
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Address of a Dask scheduler, whose workers look at the photos (docs/how-to/enrol-on-a-cluster.md).",
            metavar="tcp://HOST:PORT",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = "cpu",
    search: SearchOption = "projection",
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Add photos of known people to the gallery.

    A photo needs one face, or one that clearly is its subject. Photos enrolled already (by content) are skipped, so
    the same command picks up what is new. Folders inside a person's folder belong to that person. Unusable photos are
    listed with the reason; the others are enrolled. Files that are no photos are counted by suffix. Of a clip of video,
    named with --identity, the best frames of the one person in it are taken.
    """
    set_up(verbose)
    if manifest is None and not paths:
        raise UsageError("nothing to enrol: name a folder, photos with --identity, or a --manifest")
    if manifest is not None and (paths or identity):
        raise UsageError("--manifest goes without paths and without --identity")
    if cluster is not None and (watch or collect):
        raise UsageError("--cluster is for enrolling many photos: without --watch and --collect")
    if face is not None and identity is None:
        raise UsageError("--face chooses a face in photos of one person: name them with --identity")
    if sync and (manifest is not None or identity is not None):
        raise UsageError("--sync goes with folders of people: without --manifest and --identity")
    if watch and (manifest is not None or identity is not None or sync or dry_run):
        raise UsageError("--watch goes with folders of people: without --manifest, --identity, --sync and --dry-run")
    if collect:
        of_people = identity or manifest is not None or sync or watch or dry_run or yes
        of_templates = encoder or index or keep_originals or aligned is not None or search != "projection"
        if of_people or of_templates or (frames, frames_per_second) != (FRAMES, FRAMES_PER_SECOND):
            raise UsageError("--collect keeps faces of nobody known: it goes with PATH... alone, as unknown add")
        collect_unknown(
            paths or [],
            again=again,
            min_face=min_face,
            quality=quality,
            workers=workers,
            device=device,
            gallery=gallery,
            json=json,
            verbose=verbose,
        )
        return
    from facesearch.faces import FaceChoice
    from facesearch.gallery.folder_truth import Folders
    from facesearch.photos.file_kinds import is_video
    from facesearch.photos.photo import composed
    from facesearch.photos.sources import from_manifest, from_paths
    from facesearch.store.identity_names import check_name

    if watch:
        from facesearch.gallery.watching import require_watcher

        require_watcher()
    if identity is not None:
        check_name(composed(identity))
    sources = from_manifest(manifest) if manifest is not None else from_paths(paths or [], identity)
    if face is not None:
        chosen = FaceChoice.of(face)
        sources.photos = [replace(photo, face=chosen.number or chosen.point) for photo in sources.photos]
    clips = [photo for photo in sources.photos if is_video(photo.path)]
    if clips and (dry_run or aligned is not None):
        raise UsageError("--dry-run and --aligned are for photos, not for clips of video")
    sources.photos = [photo for photo in sources.photos if not is_video(photo.path)]
    folders, named = None, identity is not None
    if manifest is None and identity is None:
        unread = tuple(item.path for item in sources.rejected)
        folders = Folders(tuple(paths or ()), unread, sync=sync, confirmed=yes)
    log = logging.getLogger("facesearch")
    asked = {
        "encoder": encoder,
        "index": index,
        "keep": keep_originals,
        "min_face": min_face,
        "quality": quality,
        "device": device,
        "search": search,
    }
    if dry_run:
        from facesearch.commands.enroll_dry_run import what_would_be_done

        report, held = what_would_be_done(
            gallery, asked, sources.photos, folders, aligned, workers, cluster, again=again, quiet=json
        )
        report.rejected = sources.rejected + report.rejected
        tell(report, held, sync=sync, json=json, verbose=verbose, dry_run=True, sources=sources, named=named)
        return
    if watch:
        from facesearch.commands.enroll_watching import watch_folders

        with open_gallery(gallery, **asked) as opened:

            def enrol(photos: Sequence[Photo], within: Folders) -> EnrolmentReport:
                with progress_bar("enrolling", quiet=json and not verbose) as progress:
                    return opened.enroll_photos(
                        photos, aligned=aligned, progress=progress, workers=workers, folders=within, again=again
                    )

            watch_folders(opened, paths or [], enrol, json=json, verbose=verbose)
        return
    with open_gallery(gallery, **asked) as opened:
        with progress_bar("enrolling", quiet=json and not verbose) as progress:
            report = opened.enroll_photos(
                sources.photos,
                aligned=aligned,
                progress=progress,
                committed=lambda photo: log.info("enrolled %s", photo.path),
                workers=workers,
                cluster=cluster,
                folders=folders,
                again=again,
            )
        for clip in clips:
            with frames_bar(f"looking at {clip.path.name}", quiet=json and not verbose) as looked:
                of_clip = opened.enroll_video(
                    clip.identity,
                    clip.path,
                    most=frames,
                    face=clip.face,
                    again=again,
                    per_second=frames_per_second,
                    progress=looked,
                )
            report.add(of_clip)
        counts, without = opened.counts(), opened.without_templates()
    report.rejected = sources.rejected + report.rejected
    tell(report, counts, without=without, sync=sync, json=json, verbose=verbose, sources=sources, named=named)
