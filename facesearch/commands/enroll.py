"""facesearch enroll"""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from facesearch.commands.common import (
    AlignedOption,
    DeviceOption,
    GalleryOption,
    JsonOption,
    MinFaceOption,
    VerboseOption,
    end_with_rejected,
    open_gallery,
    print_json,
    progress_bar,
    say,
    set_up,
)
from facesearch.errors import UsageError
from facesearch.text.figures import counted

EXAMPLES = """
**Examples**

    facesearch enroll people/                     # people/Ada Lovelace/1.jpg, people/Alan Turing/a.png, ...

    facesearch enroll --identity "Ada Lovelace" ada1.jpg ada2.jpg

    facesearch enroll --manifest people.csv       # columns identity,path

    facesearch enroll people/ --gallery staff --index sq8
"""


def enroll(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH...", help="Folders of people, PATH/IDENTITY/IMAGE; with --identity, photos of that person."
        ),
    ] = None,
    identity: Annotated[str | None, typer.Option(help="Whose photos these are.", show_default=False)] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="CSV file with the columns identity and path.", show_default=False)
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
    aligned: AlignedOption = None,
    min_face: MinFaceOption = 40,
    workers: Annotated[
        int | None, typer.Option(help="Threads to use. Default: one per core.", min=1, max=256, show_default=False)
    ] = None,
    device: DeviceOption = "cpu",
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Add photos of known people to the gallery.

    A photo needs one face, or one that clearly is its subject. Photos enrolled already (by content) are skipped, so
    the same command picks up what is new. Folders inside a person's folder belong to that person. Unusable photos are
    listed with the reason; the others are enrolled. Files that are no photos are counted by suffix.
    """
    set_up(verbose)
    if manifest is None and not paths:
        raise UsageError("nothing to enrol: name a folder, photos with --identity, or a --manifest")
    if manifest is not None and (paths or identity):
        raise UsageError("--manifest goes without paths and without --identity")
    from facesearch.photos.photo import composed
    from facesearch.photos.sources import from_manifest, from_paths, left_out_in_words
    from facesearch.store.identity_names import check_name

    if identity is not None:
        check_name(composed(identity))
    sources = from_manifest(manifest) if manifest is not None else from_paths(paths or [], identity)
    log = logging.getLogger("facesearch")
    asked = {"encoder": encoder, "index": index, "keep": keep_originals, "min_face": min_face, "device": device}
    with open_gallery(gallery, **asked) as opened:
        with progress_bar("enrolling", quiet=json and not verbose) as progress:
            report = opened.enroll_photos(
                sources.photos,
                aligned=aligned,
                progress=progress,
                committed=lambda photo: log.info("enrolled %s", photo.path),
                workers=workers,
            )
        counts = opened.counts()
    rejected = sources.rejected + report.rejected
    if json:
        found = {
            "rejected": [asdict(item) for item in rejected],
            "ignored": sources.ignored,
            "left_out": dict(sources.left_out.most_common()),
            "sub_folders": sources.sub_folders,
            "gallery": {"identities": counts.identities, "templates": counts.templates},
        }
        print_json(report.document() | found)
    else:
        rate = f" ({report.images_per_second:.1f} images per second)" if report.templates else ""
        say(
            f"enrolled {counted(report.templates, 'photo')} of {counted(report.identities, 'person', 'people')}"
            f"{rate}, skipped {report.skipped:,} enrolled before"
        )
        if sources.sub_folders:
            say(f"{counted(sources.sub_folders, 'folder')} inside people's folders: the photos count as those people's")
        if sources.left_out:
            say(left_out_in_words(sources.left_out))
        held_by = f"{counted(counts.templates, 'template')} of {counted(counts.identities, 'person', 'people')}"
        say(f"the gallery holds {held_by}")
    end_with_rejected(rejected, verbose=verbose, silent=json)
