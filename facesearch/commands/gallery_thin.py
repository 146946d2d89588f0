"""facesearch gallery thin"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    GalleryOption,
    JsonOption,
    VerboseOption,
    bytes_in_words,
    on_a_terminal,
    open_gallery,
    print_json,
    print_table,
    say,
    set_up,
)
from facesearch.text.figures import counted

if TYPE_CHECKING:
    from facesearch.gallery.thinning import ThinningReport

EXAMPLES = (
    "**Examples**\n\n    facesearch gallery thin --dry-run\n\n    facesearch gallery thin --keep 20\n\n"
    "    facesearch gallery thin --keep 5 --yes --json"
)


def thin(
    keep: Annotated[int, typer.Option(help="How many templates of a person stay.", metavar="N", min=1)] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted; delete nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")] = False,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Of people with many templates, keep those that stand best for all of them, and delete the others for good.

    Those that stay differ from each other and are good; what is poor, or like none of the person's others, goes first.
    The photos are known from then on: enroll skips them, unless --again is given.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        asked = not dry_run and not yes and on_a_terminal()
        if asked:
            _ask(opened.thin(keep, dry_run=True), table=not json)
        report = opened.thin(keep, dry_run=dry_run)
    if json:
        print_json(report.document())
        return
    if not asked:  # they have been shown
        _print_people(report)
    _tell(report)


def _print_people(report: ThinningReport) -> None:
    rows = [(person.identity, person.kept, len(person.removed)) for person in report.people]
    if rows:
        go = "would go" if report.dry_run else "gone"
        print_table(("identity", "stay", go), rows, right=("stay", go))


def _ask(planned: ThinningReport, *, table: bool) -> None:
    if table:
        _print_people(planned)
    if planned.people and not typer.confirm(f"Delete {_of_whom(planned)} for good?", err=True):
        raise typer.Exit(1)


def _of_whom(report: ThinningReport) -> str:
    return f"{counted(len(report.removed), 'template')} of {counted(len(report.people), 'person', 'people')}"


def _tell(report: ThinningReport) -> None:
    if not report.people and not report.overtaken:
        say(f"nobody has more than {counted(report.keep, 'template')}")
    elif report.dry_run:
        say(f"would delete {_of_whom(report)}, and free about {_foretold(report)}; nothing was changed")
    elif report.people:
        say(f"deleted {_of_whom(report)}" + (f"; freed {_freed(report)}" if report.freed_bytes else ""))
        say("  photos on disk and backups are not touched")
    for name in report.overtaken:
        say(f"  another process was changing {name}, of whom nothing was deleted: run it again")
    if not report.wiped:
        say("  another process is reading, or the disk is full: what was deleted still takes")
        say("  room; facesearch gallery compact frees it once nobody reads")
    for what, times in (("backups", report.backups), ("exports", report.exports)):
        if times:
            made = dict.fromkeys(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) for at in times)
            say(f"  {what} that may still hold them were made on {', '.join(made)}")


def _foretold(report: ThinningReport) -> str:
    """What was deleted before, and takes room yet, goes as well: nobody has counted that."""
    return f"{bytes_in_words(report.freed_bytes)} or more of {bytes_in_words(report.before_bytes)}"


def _freed(report: ThinningReport) -> str:
    return f"{bytes_in_words(report.freed_bytes)} of {bytes_in_words(report.before_bytes)}"
