"""facesearch unknown"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    DeviceOption,
    GalleryOption,
    JsonOption,
    MinFaceOption,
    QualityOption,
    VerboseOption,
    on_a_terminal,
    open_gallery,
    print_json,
    print_table,
    progress_bar,
    say,
    set_up,
)
from facesearch.commands.unknown_told import end_with_collected, say_listed_faces, suggestion, write_sheets
from facesearch.errors import UsageError
from facesearch.text.figures import counted, place

if TYPE_CHECKING:
    from facesearch.gallery.unknown_faces import InboxReceipt, Named

app = typer.Typer(
    help="Faces of photos that match nobody enrolled: collect, group and name them.", no_args_is_help=True
)

WhichArgument = Annotated[
    list[str], typer.Argument(metavar="N...", help="Numbers of clusters, as 7, or of faces, as f12.")
]
OneArgument = Annotated[str, typer.Argument(metavar="N", help="The number of a cluster, as 7, or of a face, as f12.")]
WorkersOption = Annotated[
    int | None, typer.Option(help="Threads to use. Default: one per core.", min=1, max=256, show_default=False)
]


@app.command(epilog="**Example**\n\n    facesearch unknown add party/")
def add(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Photos, or folders of them.")],
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
    clusters = f"{counted(done.clusters, 'cluster')}, {done.new} of them new"
    say(f"{counted(done.faces, 'unknown face')}: {clusters}; {done.alone} alone")


@app.command(
    "list",
    epilog="**Examples**\n\n    facesearch unknown list\n\n    facesearch unknown list --sheet sheets/\n\n"
    '    facesearch unknown list --like "Ada Lovelace"',
)
def list_(
    like: Annotated[
        str | None, typer.Option("--like", metavar="NAME", help="Only those that look like this person.")
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            metavar="FOLDER",
            help="Write contact sheets into a folder: cluster-7.png, …, alone.png.",
            show_default=False,
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
    with open_gallery(gallery, create=False) as opened:
        found = opened.unknown.list(like=like)
    written = [] if sheet is None else write_sheets(found, sheet)
    if json:
        print_json(found.document() | {"sheets": [str(path) for path in written]})
        return
    say_listed_faces(found, verbose=verbose)
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


@app.command(
    epilog='**Examples**\n\n    facesearch unknown name 7 "Ada Lovelace"\n\n'
    '    facesearch unknown name f12 f15 "Ada Lovelace"'
)
def name(
    words: Annotated[
        list[str],
        typer.Argument(metavar="N... NAME", help="Numbers of clusters (7) or faces (f12), then whose they are."),
    ],
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Enrol unknown faces as a person, new or known. They leave the inbox."""
    set_up(verbose)
    *which, identity = words
    if not which:
        raise UsageError("say which faces, then whose they are: facesearch unknown name 7 NAME")
    with open_gallery(gallery, create=False) as opened:
        done = opened.unknown.name(which, identity)
        left = 0 if json else opened.unknown.list(like=done.identity).faces
    _say_named(done, json=json)
    if left:
        say(f"  {counted(left, 'unknown face')} in clusters or alone may be {done.identity}, too: unknown list --like")


@app.command(epilog="**Examples**\n\n    facesearch unknown ignore 7\n\n    facesearch unknown ignore 7 --name postman")
def ignore(
    which: WhichArgument,
    identity: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help='What to call them. Default: "unknown 7".', show_default=False),
    ] = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Enrol unknown faces as somebody who is never named, so that they are not collected again.

    They are on the list of people who are ignored: see identities ignore, which also takes them off it.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        done = opened.unknown.ignore(which, identity)
    _say_named(done, json=json)


@app.command(epilog="**Example**\n\n    facesearch unknown join 3 7 f12")
def join(
    which: WhichArgument,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """These clusters and faces are one person, from now on. The lowest number stays."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        number = opened.unknown.join(*which)
    if json:
        print_json({"cluster": number})
        return
    say(f"they are cluster {number} now")


@app.command(epilog="**Example**\n\n    facesearch unknown part f12 f15")
def part(
    faces: Annotated[list[str], typer.Argument(metavar="FACE...", help="Numbers of faces, as f12.")],
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """These faces are not the person of the others in their cluster, from now on."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        opened.unknown.part(*faces)
        found = opened.unknown.show(faces)
    if json:
        print_json({"faces": [{"face": f"f{each.face.id}", "cluster": each.face.cluster} for each in found]})
        return
    for each in found:
        where = "alone" if each.face.cluster is None else f"in cluster {each.face.cluster}"
        say(f"face f{each.face.id} is {where} now")


@app.command(
    epilog="**Examples**\n\n    facesearch unknown discard 7 f12\n\n    facesearch unknown discard --all --yes"
)
def discard(
    which: Annotated[
        list[str] | None,
        typer.Argument(metavar="[N...]", help="Numbers of clusters, as 7, or of faces, as f12.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole inbox.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --all: do not ask.")] = False,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Delete unknown faces for good, out of the database and its log, and say so.

    Their photos stay where they are, and are not looked at again unless unknown add --again says so.
    """
    set_up(verbose)
    if everything is bool(which):
        raise UsageError("say which faces are to be deleted, or --all")
    with open_gallery(gallery, create=False) as opened:
        if everything and not yes:
            if not on_a_terminal():
                raise UsageError(f"this deletes {counted(len(opened.unknown), 'unknown face')}: --yes confirms it")
            typer.confirm(f"Delete {counted(len(opened.unknown), 'unknown face')}?", abort=True, err=True)
        receipt = opened.unknown.discard(None if everything else which)
    if json:
        print_json(receipt.document())
        return
    _say_receipt(receipt)


def _say_named(done: Named, *, json: bool) -> None:
    if json:
        print_json(done.document())
        return
    say(
        f"enrolled {counted(len(done.templates), 'face')} as {done.identity}"
        + (", who is ignored" if done.ignored else "")
    )
    if done.left:
        say(f"  {counted(done.left, 'face')} had been enrolled before")


def _say_receipt(receipt: InboxReceipt) -> None:
    clusters, images = counted(receipt.clusters, "cluster"), counted(receipt.images, "photo")
    say(f"deleted {counted(receipt.faces, 'unknown face')}, {clusters}, what was noted of {images}")
    if not receipt.wiped:
        say("  another process is reading: old pages stay in the log until facesearch gallery compact runs alone")
    for at in receipt.backups:
        made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
        say(f"  the backup made on {made} may still hold them")
