"""facesearch templates"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    GalleryOption,
    JsonOption,
    VerboseOption,
    numbers_or_paths,
    open_gallery,
    print_json,
    print_table,
    putting_back,
    say,
    set_up,
)
from facesearch.text.figures import counted, floored, place, them

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facesearch.store import TemplateInfo

app = typer.Typer(
    help="See, move, take out and put back single templates: one photo of one person.", no_args_is_help=True
)

OUT = ("taken out", "set aside")
WHAT_COMPACT_DOES = {"taken out": ": gallery compact deletes it", "set aside": ": gallery compact keeps it"}

TemplatesArgument = Annotated[
    list[str],
    typer.Argument(metavar="ID...", help="Numbers of templates, or paths of the photos that they are of."),
]


@app.command(
    "list",
    epilog='**Examples**\n\n    facesearch templates list\n\n    facesearch templates list "Ada Lovelace" --json\n\n'
    "    facesearch templates list --poor",
)
def list_(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="An identity. Default: all.")] = None,
    poor: Annotated[
        bool,
        typer.Option(
            "--poor", help="Only those in use of a lower quality than the gallery's profile enrols now, worst first."
        ),
    ] = False,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """The templates stored, with their numbers and photos; those that are in no answer last."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        least, profile = opened.least_quality, opened.quality
        found = opened.templates(name, below=least if poor else None)
    if json:
        bar: dict[str, object] = {"below": least} if poor else {}
        print_json({"templates": [info.document() for info in found]} | bar)
        return
    if poor:
        _print_poor(found, least, "standard" if profile == "off" else profile)
        return
    _print(found)
    states = Counter(info.state_in_words for info in found)
    out = ", ".join(f"{states[state]:,} {state}" for state in OUT if states[state])
    say(counted(len(found), "template") + (f" ({out})" if out else ""))


@app.command(
    epilog="**Examples**\n\n    facesearch templates show 17\n\n    facesearch templates show people/Ada/1.jpg"
)
def show(
    templates: TemplatesArgument,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """What is stored of one photo: whose it is, where the face is, its quality, since when."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        found = opened.template_infos(numbers_or_paths(templates))
    if json:
        print_json({"templates": [info.document() for info in found]})
        return
    for info in found:
        say(f"template   {info.id}, {info.state_in_words}{WHAT_COMPACT_DOES.get(info.state_in_words, '')}")
        say(f"identity   {info.identity}")
        say(f"photo      {info.path}")
        say(f"face       {place(info.box)}")
        say(f"quality    {floored(info.quality)}")
        say(f"stored as  {info.codec}, made in {info.precision}")
        say(f"added      {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(info.created_at))}")


@app.command(
    epilog="**Examples**\n\n    facesearch templates remove 17 18\n\n    facesearch templates remove people/Ada/7.jpg"
)
def remove(
    templates: TemplatesArgument,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Take photos of a person out of all answers, as after a mistake.

    `templates restore` puts them back, until `gallery compact` deletes them for good. The photos stay where they are,
    and are not enrolled again for the same person, unless `enroll --again` says so. `templates set-aside` does the
    same, and compact keeps them.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        found = opened.remove_templates(numbers_or_paths(templates))
        people = {person.name: person.templates for person in opened.identities()}
    if json:
        print_json({"removed": [info.id for info in found], "unchanged": _unchanged(found, "taken out")})
        return
    _say_out(found, "took out", "taken out")
    _say_who_has_none(found, people)
    back = putting_back([info.id for info in found])
    say(f"  {back}, facesearch gallery compact deletes {them(len(found))} for good")


@app.command(
    "set-aside",
    epilog="**Examples**\n\n    facesearch templates set-aside 17 18\n\n"
    "    facesearch templates set-aside people/Ada/7.jpg",
)
def set_aside(
    templates: TemplatesArgument,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Take photos out of all answers and keep them, until somebody decides: `templates restore` puts them back.

    As `templates remove`, but `gallery compact` does not delete them. The photos are not enrolled again for the same
    person. They are deleted with the person, or with `templates remove` and the next `gallery compact`.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        found = opened.set_aside_templates(numbers_or_paths(templates))
        people = {person.name: person.templates for person in opened.identities()}
    if json:
        print_json({"set_aside": [info.id for info in found], "unchanged": _unchanged(found, "set aside")})
        return
    _say_out(found, "set aside", "set aside")
    _say_who_has_none(found, people)
    say(f"  {putting_back([info.id for info in found])}")


@app.command(
    epilog='**Examples**\n\n    facesearch templates move 17 --to "Ada Lovelace"\n\n'
    "    facesearch templates move people/Ada/7.jpg --to Zoe"
)
def move(
    templates: TemplatesArgument,
    to: Annotated[str, typer.Option("--to", help="Whose they are: an identity, or a new name.", metavar="NAME")],
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Give photos to the person whom they really show."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        known = {person.name for person in opened.identities()}
        found = opened.move_templates(numbers_or_paths(templates), to)
        people = {person.name: person.templates for person in opened.identities()}
    if json:
        moved = [info.id for info in found if info.identity != to]
        print_json({"moved": moved, "to": to, "unchanged": [info.id for info in found if info.identity == to]})
        return
    for info in found:
        if info.identity == to:
            say(f"template {info.id} is {to}'s already, nothing is changed: {info.path}")
            continue
        say(f"template {info.id} was {info.identity}'s and is {to}'s now: {info.path}")
    if not known & {to}:
        say(f"  {to} is new in the gallery")
    _say_who_has_none(found, people)


@app.command(epilog="**Example**\n\n    facesearch templates restore 17")
def restore(
    templates: TemplatesArgument,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Put templates back that were taken out or set aside; they get new numbers."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        found = opened.template_infos(numbers_or_paths(templates))
        numbers = opened.restore_templates([info.id for info in found])
    in_use = [info for info in found if info.id not in numbers]
    if json:
        restored = [{"from": old, "to": new} for old, new in numbers.items()]
        print_json({"restored": restored, "unchanged": [info.id for info in in_use]})
        return
    for old, new in numbers.items():
        say(f"template {old} is back, as {new}")
    for info in in_use:
        say(f"template {info.id} is in use, nothing is changed: {info.path}")


def _print(found: Sequence[TemplateInfo]) -> None:
    rows = [(info.id, info.identity, floored(info.quality), info.state_in_words, info.path) for info in found]
    print_table(("template", "identity", "quality", "state", "photo"), rows, right=("template", "quality"))


def _print_poor(found: Sequence[TemplateInfo], least: float, profile: str) -> None:
    which = f"of a quality below {least:.2f}, which the profile {profile} enrols from"
    if not found:
        say(f"no template in use is {which}")
        return
    _print(found)
    say(f"{counted(len(found), 'template')} in use {which}")
    say("  facesearch templates set-aside ID takes one out of answers; a better photo of the person helps more")


def _say_who_has_none(found: Sequence[TemplateInfo], people: dict[str, int]) -> None:
    for name in dict.fromkeys(info.identity for info in found):
        if people.get(name) == 0:
            say(f"  {name} has no template left, and is in no answer until a photo is enrolled")


def _say_out(found: Sequence[TemplateInfo], done: str, state: str) -> None:
    """What became of templates, as they were before, that are now in that state, and in no answer."""
    for info in found:
        which = f"template {info.id} of {info.identity}"
        if info.state_in_words == state:
            say(f"{which} is {state} already, nothing is changed: {info.path}")
        elif info.state_in_words in OUT:
            say(f"{which} was {info.state_in_words}, and is {state} now: {info.path}")
        else:
            say(f"{done} {which}: {info.path}")


def _unchanged(found: Sequence[TemplateInfo], state: str) -> list[int]:
    return [info.id for info in found if info.state_in_words == state]
