"""facesearch identities"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from facesearch.commands.common import (
    GalleryOption,
    JsonOption,
    VerboseOption,
    open_gallery,
    print_json,
    print_table,
    say,
    set_up,
)

app = typer.Typer(help="See, rename, merge and forget the people enrolled.", no_args_is_help=True)


def _names(context: typer.Context, incomplete: str) -> list[str]:
    """Identities for shell completion; a gallery that cannot be opened completes nothing."""
    try:
        with open_gallery(context.params.get("gallery"), create=False) as gallery:
            return [person.name for person in gallery.identities() if person.name.startswith(incomplete)]
    except Exception:  # a shell that completes has no place for an error
        return []


NameArgument = Annotated[str, typer.Argument(metavar="NAME", autocompletion=_names, help="Name of an identity.")]
SourceArgument = Annotated[str, typer.Argument(metavar="A", autocompletion=_names, help="Name of an identity.")]


def _day(epoch_seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(epoch_seconds))


@app.command("list", epilog="**Example**\n\n    facesearch identities list --json")
def list_(gallery: GalleryOption = None, json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Everybody enrolled, with the number of templates."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        people = opened.identities()
    if json:
        rows = [{"name": p.name, "templates": p.templates, "images": p.images, "since": p.created_at} for p in people]
        print_json({"identities": rows})
        return
    rows_shown = [(person.name, person.templates, _day(person.created_at)) for person in people]
    print_table(("identity", "templates", "since"), rows_shown, right=("templates",))
    say(f"{len(people)} people")


@app.command(epilog='**Example**\n\n    facesearch identities show "Ada Lovelace"')
def show(
    name: NameArgument, gallery: GalleryOption = None, json: JsonOption = False, verbose: VerboseOption = False
) -> None:
    """One identity and the photos it was enrolled from."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        person, templates = opened.identity(name)
    if json:
        print_json(
            {
                "name": person.name,
                "since": person.created_at,
                "templates": [
                    {
                        "template_id": item.id,
                        "path": item.path,
                        "quality": item.quality,
                        "box": None if item.box is None else list(item.box),
                        "precision": item.precision,
                        "codec": item.codec,
                    }
                    for item in templates
                ],
            }
        )
        return
    say(f"{person.name}: {person.templates} templates, since {_day(person.created_at)}")
    rows = [(item.id, f"{item.quality:.2f}", item.precision, item.path) for item in templates]
    print_table(("template", "quality", "precision", "photo"), rows, right=("template", "quality"))


@app.command(epilog='**Example**\n\n    facesearch identities rename "A. Lovelace" "Ada Lovelace"')
def rename(
    a: SourceArgument,
    b: Annotated[str, typer.Argument(metavar="B", help="The new name.")],
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Give an identity another name."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        opened.rename(a, b)
    if json:
        print_json({"renamed": a, "to": b})
    else:
        say(f"renamed {a} to {b}")


@app.command(epilog='**Example**\n\n    facesearch identities merge "Ada L." "Ada Lovelace"')
def merge(
    a: SourceArgument,
    b: Annotated[str, typer.Argument(metavar="B", autocompletion=_names, help="The identity that stays.")],
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """A and B are the same person: give all templates of A to B."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        moved = opened.merge(a, b)
    if json:
        print_json({"merged": a, "into": b, "templates": moved})
    else:
        say(f"merged {a} into {b}: {moved} templates moved")


@app.command(epilog='**Example**\n\n    facesearch identities forget "Ada Lovelace"')
def forget(
    name: NameArgument, gallery: GalleryOption = None, json: JsonOption = False, verbose: VerboseOption = False
) -> None:
    """Delete a person for good, and print a receipt.

    The person is out of the answers at once; templates and image records are overwritten in the database, and the
    index file is written anew without them. Photos and backups are yours to delete.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        receipt = opened.forget(name)
    if json:
        print_json(
            {
                "identity": receipt.identity,
                "templates": receipt.templates,
                "images": receipt.images,
                "index_rewritten": receipt.index_rewritten,
                "database_wiped": receipt.wiped,
                "forgotten_at": receipt.forgotten_at,
                "backups": list(receipt.backups),
            }
        )
        return
    say(f"forgot {receipt.identity} on {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(receipt.forgotten_at))}")
    say(f"  {receipt.templates} templates and {receipt.images} image records deleted and overwritten in the database")
    if receipt.index_rewritten:
        say("  index file written anew without them")
    if not receipt.wiped:
        say("  another process is reading, or the disk is full: old pages stay until facesearch gallery compact")
    if receipt.backups:
        days = ", ".join(dict.fromkeys(map(_day, receipt.backups)))
        say(f"  backups that still hold them were made on {days}: delete them, or make new ones in their place")
    say("  photos on disk and backups are not touched: delete them yourself")
