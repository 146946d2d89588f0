"""facesearch identities negative"""

from __future__ import annotations

from typing import Annotated

import typer

from facesearch.commands.common import (
    AlignedOption,
    FaceOption,
    GalleryOption,
    JsonOption,
    VerboseOption,
    end_with_rejected,
    numbers_or_paths,
    open_gallery,
    print_json,
    print_table,
    say,
    set_up,
)
from facesearch.commands.identities import NameArgument
from facesearch.errors import UsageError
from facesearch.text.figures import counted, place

EXAMPLES = (
    '**Examples**\n\n    facesearch identities negative "Ada Lovelace" stranger.jpg\n\n'
    '    facesearch identities negative "Ada Lovelace"\n\n'
    '    facesearch identities negative "Ada Lovelace" 3 --off'
)


def negative(
    name: NameArgument,
    photos: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PHOTO...]", help="Photos that do not show the person. Without any: list them."),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Delete these negatives, by number or path of the photo.")] = False,
    face: FaceOption = None,
    aligned: AlignedOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Take photos of people who were forgotten like others.")
    ] = False,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """These photos do not show an identity: faces like them are not given the name again.

    A face that is as much like one of these photos as like the person, or more, is answered without the person. The
    template of each photo is stored, and deleted when the person is forgotten, or the one whose photo it is.
    """
    set_up(verbose)
    if off and not photos:
        raise UsageError("say which negatives to delete: their numbers, or paths of the photos")
    if off and (face is not None or aligned is not None or again):
        raise UsageError("--off goes without --face, --aligned and --again")
    if "" in (photos or []):
        raise UsageError("a negative is named by its number or its photo's path, not by nothing")
    with open_gallery(gallery, create=False) as opened:
        removed, report = [], None
        if off:
            removed = opened.remove_negatives(name, numbers_or_paths(photos or []))
        elif photos:
            report = opened.add_negatives(name, photos, face=face, aligned=aligned, again=again)
        theirs = opened.negatives(name)
    if json:
        added = {"added": [], "skipped": 0, "rejected": []} if report is None else report.document()
        document = {"name": name, **added, "removed": [info.id for info in removed]}
        print_json(document | {"negatives": [info.document() for info in theirs]})
    elif report is not None:
        say(f"{counted(len(report.added), 'negative')} of {name} added, {report.skipped} known before")
    elif off:
        say(f"{counted(len(removed), 'negative')} of {name} deleted, {len(theirs)} left")
    else:
        print_table(
            ("negative", "face", "photo"),
            [(info.id, place(info.box), info.path) for info in theirs],
            right=("negative",),
        )
        say(f"{counted(len(theirs), 'negative')} of {name}")
    if report is not None:
        end_with_rejected(report.rejected, verbose=verbose, silent=json)
