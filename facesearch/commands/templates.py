"""facesearch templates"""

from __future__ import annotations

import time
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
    say,
    set_up,
)
from facesearch.text.figures import counted, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facesearch.store import TemplateInfo

app = typer.Typer(
    help="See, move, take out and put back single templates: one photo of one person.", no_args_is_help=True
)

TemplatesArgument = Annotated[
    list[str],
    typer.Argument(metavar="ID...", help="Numbers of templates, or paths of the photos that they are of."),
]


@app.command(
    "list",
    epilog='**Examples**\n\n    facesearch templates list\n\n    facesearch templates list "Ada Lovelace" --json',
)
def list_(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="An identity. Default: all.")] = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """The templates stored, with their numbers and photos; those set aside last."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        found = opened.templates(name)
    if json:
        print_json({"templates": [info.document() for info in found]})
        return
    _print(found)
    aside = sum(info.state != "active" for info in found)
    say(counted(len(found), "template") + (f", {aside} of them set aside" if aside else ""))


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
        say(f"template   {info.id}, {info.state}{', kept by gallery compact' if info.kept else ''}")
        say(f"identity   {info.identity}")
        say(f"photo      {info.path}")
        say(f"face       {place(info.box)}")
        say(f"quality    {info.quality:.2f}")
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

    They are set aside: `templates restore` puts them back, until `gallery compact` deletes them for good. The photos
    stay where they are, and are not enrolled again for the same person, unless `enroll --again` says so. `templates
    set-aside` keeps them.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        found = opened.remove_templates(numbers_or_paths(templates))
        people = {person.name: person.templates for person in opened.identities()}
    if json:
        print_json({"removed": [info.id for info in found]})
        return
    for info in found:
        say(f"took out template {info.id} of {info.identity}: {info.path}")
    _say_who_has_none(found, people)
    say("  facesearch templates restore puts them back, facesearch gallery compact deletes them for good")


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
        print_json({"set_aside": [info.id for info in found]})
        return
    for info in found:
        say(f"set aside template {info.id} of {info.identity}: {info.path}")
    _say_who_has_none(found, people)
    say(f"  facesearch templates restore {' '.join(str(info.id) for info in found)} puts them back")


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
        print_json({"moved": [info.id for info in found], "to": to})
        return
    for info in found:
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
    """Put templates back that were taken out; they get new numbers."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        numbers = opened.restore_templates(numbers_or_paths(templates))
    if json:
        print_json({"restored": [{"from": old, "to": new} for old, new in numbers.items()]})
        return
    for old, new in numbers.items():
        say(f"template {old} is back, as {new}")
    if not numbers:
        say("nothing was put back: none of these is set aside")


def _print(found: Sequence[TemplateInfo]) -> None:
    rows = [(info.id, info.identity, f"{info.quality:.2f}", info.state, info.path) for info in found]
    print_table(("template", "identity", "quality", "state", "photo"), rows, right=("template", "quality"))


def _say_who_has_none(found: Sequence[TemplateInfo], people: dict[str, int]) -> None:
    for name in dict.fromkeys(info.identity for info in found):
        if people.get(name) == 0:
            say(f"  {name} has no template left, and is in no answer until a photo is enrolled")
