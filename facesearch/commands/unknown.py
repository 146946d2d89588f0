"""facesearch unknown"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facesearch.commands.common import (
    DeviceOption,
    GalleryOption,
    JsonOption,
    MinFaceOption,
    QualityOption,
    VerboseOption,
    open_gallery,
    print_json,
    print_table,
    progress_bar,
    say,
    set_up,
)
from facesearch.commands.paths import given_path
from facesearch.commands.unknown_told import end_with_collected, say_listed_faces, suggestion, write_sheets
from facesearch.text.figures import counted, place

app = typer.Typer(
    help="Faces of photos that match nobody enrolled: collect, group and name them.", no_args_is_help=True
)

WhichArgument = Annotated[
    list[str], typer.Argument(metavar="N...", help="Numbers of clusters, as 7, or of faces, as f12.")
]
WorkersOption = Annotated[
    int | None, typer.Option(help="Threads to use. Default: one per core.", min=1, max=256, show_default=False)
]


@app.command(epilog="**Example**\n\n    facesearch unknown add party/")
def add(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Photos, or folders of them.", parser=given_path)
    ],
    again: Annotated[
        bool,
        typer.Option("--again", help="Look again at photos that were looked at, and at those of people forgotten."),
    ] = False,
    min_face: MinFaceOption = 40,
    quality: QualityOption = None,
    workers: WorkersOption = None,
    device: DeviceOption = "cpu",
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Keep the faces of photos that match nobody in the gallery, to be grouped and named.

    They are templates like those of people enrolled, with the path of the photo and the place of the face in it; pixels
    are not stored. Faces that match somebody are not kept. Photos that were looked at before are skipped, by content.
    """
    set_up(verbose)
    from facesearch.photos.sources import of_anybody

    sources = of_anybody(paths)
    with open_gallery(gallery, min_face=min_face, quality=quality, device=device) as opened:
        with progress_bar("looking for unknown faces", quiet=json and not verbose) as progress:
            report = opened.unknown.add_photos(sources.photos, again=again, progress=progress, workers=workers)
        held = len(opened.unknown)
    report.rejected = sources.rejected + report.rejected
    end_with_collected(report, held, sources, json=json, verbose=verbose)


@app.command(epilog="**Example**\n\n    facesearch unknown cluster")
def cluster(
    least_similarity: Annotated[
        float | None,
        typer.Option(
            help="Similarity that joins two faces. Default: by how many there are.", min=0, max=1, show_default=False
        ),
    ] = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Group the unknown faces, those of one person in one cluster each.

    A cluster that grew keeps its number, and no number is given twice. Two faces of one photo are never in one cluster;
    what join and part said holds.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        done = opened.unknown.cluster(least_similarity=least_similarity)
    if json:
        print_json(done.document())
        return
    clusters = counted(done.clusters, "cluster") + (f" ({done.new:,} new)" if done.new else "")
    say(f"{counted(done.faces, 'unknown face')}: {clusters}, {done.alone:,} alone")


@app.command(
    "list",
    epilog="**Examples**\n\n    facesearch unknown list\n\n    facesearch unknown list --sheet sheets/\n\n"
    '    facesearch unknown list --like "Ada Lovelace"',
)
def list_(
    like: Annotated[
        str | None,
        typer.Option("--like", metavar="NAME", help="Only those that look like this person, and their clusters."),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            metavar="FOLDER",
            help="Write contact sheets into a folder: cluster-7.png, …, alone.png.",
            show_default=False,
            parser=given_path,
        ),
    ] = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """The clusters, the largest first, then single faces; each with the nearest person enrolled and the score.

    A star marks those that look like that person, as where somebody was enrolled after the photos were collected.
    """
    set_up(verbose)
    from facesearch.photos.photo import composed

    with open_gallery(gallery, create=False) as opened:
        found, held = opened.unknown.list(like=like), len(opened.unknown)
    written = [] if sheet is None else write_sheets(found, sheet)
    if json:
        print_json(found.document() | {"sheets": [str(path) for path in written]})
        return
    say_listed_faces(found, held, like=None if like is None else composed(like), verbose=verbose)
    if written:
        say(f"{counted(len(written), 'contact sheet')} in {sheet}")


@app.command(epilog="**Example**\n\n    facesearch unknown show 7")
def show(
    which: WhichArgument,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """The faces of clusters, with their numbers and photos."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        found = opened.unknown.show(which)
    if json:
        print_json({"faces": [{"cluster": each.face.cluster, **each.document()} for each in found]})
        return
    rows = [
        (
            f"f{each.face.id}",
            each.face.cluster or "alone",
            f"{each.face.quality:.2f}",
            suggestion(each.nearest, int(each.alike)),
            place(each.face.box),
            each.face.path,
        )
        for each in found
    ]
    print_table(("face", "cluster", "quality", "nearest", "place", "photo"), rows, right=("face", "quality"))
