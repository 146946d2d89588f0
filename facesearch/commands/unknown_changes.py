"""facesearch unknown name, ignore, join, part and discard: what is done with the faces of the inbox"""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    GalleryOption,
    JsonOption,
    VerboseOption,
    moving,
    on_a_terminal,
    open_gallery,
    print_json,
    say,
    say_that_pages_stay,
    set_up,
    warn_unlike,
)
from facesearch.commands.unknown import WhichArgument
from facesearch.commands.unknown import app as app
from facesearch.errors import UsageError
from facesearch.text.figures import counted

if TYPE_CHECKING:
    from facesearch.gallery.unknown_done import InboxReceipt, Named


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
        unlike = opened.unlike(done.templates, done.identity)
        left = 0 if json else opened.unknown.list(like=done.identity).alike(done.identity)
    _say_named(done, json=json)
    if unlike:
        faces = "this face" if len(done.templates) == 1 else "these faces"
        warn_unlike(f"{done.identity}'s other photos and {faces}", unlike, moving(done.templates, "NAME"))
    if left:
        look = f"{counted(left, 'unknown face')} {'looks' if left == 1 else 'look'}"
        say(f"  {look} like {done.identity}, too: facesearch unknown list --like {shlex.quote(done.identity)}")


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

    Their photos stay where they are and count as seen: unknown add skips them, and finds these faces again only with
    --again. In other photos the same people are found again; unknown ignore keeps those out, too.
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
    clusters, images = counted(receipt.clusters, "cluster"), counted(receipt.images, "image record")
    say(f"deleted {counted(receipt.faces, 'unknown face')}, {clusters} and {images}")
    if receipt.faces:
        say("  their photos count as seen: unknown add skips them, unless --again is given")
    if not receipt.wiped:
        say_that_pages_stay(receipt.on_server)
    for at in receipt.backups:
        made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
        say(f"  the backup made on {made} may still hold them")
