"""facesearch gallery suspects"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    GalleryOption,
    JsonOption,
    VerboseOption,
    numbers_or_paths,
    open_gallery,
    print_json,
    progress_bar,
    putting_back,
    say,
    set_up,
)
from facesearch.errors import UsageError
from facesearch.text.figures import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facesearch.gallery.gallery import Gallery
    from facesearch.gallery.suspect import Suspect
    from facesearch.store import TemplateInfo

EXAMPLES = (
    "**Examples**\n\n    facesearch gallery suspects\n\n"
    '    facesearch gallery suspects --keep 17 --keep "Ada Lovelace"\n\n'
    "    facesearch gallery suspects --set-aside --at-least 0.95"
)
_SHOWN = 30
_LOW = 0.1  # from which on what is told of a template can be kept: a whole gallery is judged a little differently
_SURE = 0.95  # from which on suspects are set aside where no other confidence is asked for


def suspects(
    at_least: Annotated[
        float | None,
        typer.Option(
            "--at-least",
            help="Only those that are as sure as this, from 0 to 1. Default: 0.2, with --set-aside 0.95.",
            metavar="X",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            help="What is told of this template (number or path) or of this person (name) is right as it is: do not "
            "tell it again.",
            metavar="ID|PATH|NAME",
        ),
    ] = None,
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Take the templates told out of all answers; they can be put back.")
    ] = False,
    reconsider: Annotated[bool, typer.Option("--reconsider", help="Tell again what was kept.")] = False,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """What looks wrong: photos of somebody else, people with two names, two people with one, the same photo twice, poor
    photos.

    Each with what it was compared with and how sure it is, the most certain first. Nothing is changed, unless
    --set-aside or --keep asks for it.
    """
    set_up(verbose)
    if keep and (set_aside or reconsider):
        raise UsageError("--keep says that something is right: --set-aside and --reconsider are other questions")
    least = at_least if at_least is not None else _SURE if set_aside else None
    with open_gallery(gallery, create=False) as opened:
        again = opened.reconsider_suspects() if reconsider else 0
        if keep:
            _keep(opened, keep, least, json=json)
            return
        with progress_bar("comparing", quiet=json and not verbose) as progress:
            found = opened.suspects(least=least, progress=progress, strict=set_aside)
        out = _set_aside(opened, found) if set_aside else []
    if json:
        document: dict[str, object] = {"suspects": [suspect.document() for suspect in found]}
        if set_aside:
            document["set_aside"] = [info.id for info in out]
        print_json(document)
        return
    if again:
        say(f"{counted(again, 'suspect')} kept before told again")
    _say(found, least, verbose=verbose)
    if set_aside:
        _say_set_aside(found, out)
    elif found:
        _say_what_to_do(found)


def _keep(opened: Gallery, keep: list[str], least: float | None, *, json: bool) -> None:
    people = {person.name for person in opened.identities()}
    kept: list[Suspect] = []
    for asked in keep:
        found = opened.suspects(numbers_or_paths([asked]), least=_LOW if least is None else least)
        chosen = [suspect for suspect in found if (suspect.template_id is None) == (asked in people)]
        if not chosen:
            what = "a person" if asked in people else "a template"
            raise UsageError(f"nothing is told of {asked} as {what}: facesearch gallery suspects lists what is")
        kept += chosen
    opened.keep_suspects(kept)
    if json:
        print_json({"kept": [suspect.document() for suspect in kept]})
        return
    for suspect in kept:
        say(f"kept: {suspect}")
    say("  facesearch gallery suspects --reconsider tells them again")


def _set_aside(opened: Gallery, found: Sequence[Suspect]) -> list[TemplateInfo]:
    numbers = [suspect.template_id for suspect in found if suspect.template_id is not None]
    return opened.set_aside_templates(numbers) if numbers else []


def _say(found: Sequence[Suspect], least: float | None, *, verbose: bool) -> None:
    if not found:
        sure = "" if least is None else f" with a confidence of {least:g} or more: --at-least asks for another one"
        say(f"no suspects found{sure}")
    for suspect in found if verbose else found[:_SHOWN]:
        say(str(suspect))
    if len(found) > _SHOWN and not verbose:
        say(f"{len(found) - _SHOWN:,} more; -v lists them all")


def _say_set_aside(found: Sequence[Suspect], out: Sequence[TemplateInfo]) -> None:
    if out:
        say(f"set aside {counted(len(out), 'template')}: in no answer any more, and kept")
        say(f"  {putting_back([info.id for info in out])}")
    else:
        say("nothing was set aside" + (": no single photo is wrong" if found else ""))
    _say_how_to_merge(found)


def _say_what_to_do(found: Sequence[Suspect]) -> None:
    if any(suspect.template_id is not None for suspect in found):
        say("  facesearch templates move ID --to NAME, or templates set-aside ID, corrects a photo")
    if any(suspect.kind == "two-people" for suspect in found):
        say("  facesearch templates move ID... --to NAME gives the photos of one of two people another name")
    _say_how_to_merge(found)
    say("  facesearch gallery suspects --keep ID|PATH|NAME where all is right: it is not told again")


def _say_how_to_merge(found: Sequence[Suspect]) -> None:
    if any(suspect.kind == "same-person" for suspect in found):
        say("  facesearch identities merge A B makes two people one; the name B stays")
