"""facesearch cache"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from facesearch.commands.common import (
    JsonOption,
    VerboseOption,
    bytes_in_words,
    on_a_terminal,
    print_json,
    print_table,
    say,
    set_up,
)
from facesearch.errors import UsageError
from facesearch.text.figures import counted

app = typer.Typer(
    help="What is kept outside of galleries: of photos by evaluations and calibrations, of galleries on servers.",
    no_args_is_help=True,
)


@app.command(epilog="**Example**\n\n    facesearch cache info --json")
def info(json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """What is kept, where, and how much of it, by kind."""
    set_up(verbose)
    from facesearch.caches.in_use import others_at_work
    from facesearch.caches.kinds import kept
    from facesearch.files.locations import home
    from facesearch.store.postgresql.projections import kept_projections

    found, projections = kept(), kept_projections()
    if json:
        document = {"home": str(home()), "at_work": others_at_work(), "kinds": [each.document() for each in found]}
        print_json({**document, "projections": [each.document() for each in projections]})
        return
    rows = [
        (
            each.kind,
            "" if each.templates is None else f"{each.templates:,}",
            f"{each.files:,}",
            bytes_in_words(each.bytes),
            each.what,
        )
        for each in found
    ]
    print_table(("kind", "templates", "files", "size", "what"), rows, right=("templates", "files", "size"))
    say(f"in {home()}")
    if projections:
        shown = [
            (each.gallery or each.folder, f"{each.files:,}", bytes_in_words(each.bytes), _day(each.opened_at))
            for each in projections
        ]
        print_table(("gallery", "files", "size", "last opened"), shown, right=("files", "size"))
    if unreadable := sum(each.unreadable for each in found):
        say(f"{counted(unreadable, 'file or folder', 'files or folders')} cannot be read")
    if others_at_work():
        say("an evaluation or calibration is running")


@app.command(
    epilog="**Examples**\n\n    facesearch cache clear --templates --yes\n\n    facesearch cache clear --all\n\n"
    "    facesearch cache clear --projections",
)
def clear(
    templates: Annotated[
        bool, typer.Option("--templates", help="Faces and templates of photos, and codes that were made of them.")
    ] = False,
    results: Annotated[bool, typer.Option("--results", help="Results of searches.")] = False,
    timings: Annotated[bool, typer.Option("--timings", help="How fast encoders are on this machine.")] = False,
    runs: Annotated[
        bool, typer.Option("--runs", help="Stored runs of evaluate: their figures cannot be had back.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="All that evaluations and calibrations keep, also the runs.")
    ] = False,
    projections: Annotated[
        bool, typer.Option("--projections", help="Index files of galleries on servers, and nothing else.")
    ] = False,
    gallery: Annotated[
        str | None,
        typer.Option(
            "--gallery",
            "-g",
            help="Index files of this gallery on a server, which may be gone, and nothing else.",
            show_default=False,
            metavar="URL",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")] = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Delete what is kept. Without options, all that can be computed again: everything but the runs.

    Models and galleries are not touched. An evaluation that is running goes on, and may keep its templates again; so
    does a process that has a gallery on a server open: it gets its index anew.
    """
    set_up(verbose)
    if projections or gallery is not None:
        if templates or results or timings or runs or everything:
            raise UsageError(
                "index files of galleries on servers are cleared by themselves: leave the other options out"
            )
        _clear_projections(gallery, yes=yes, json=json)
        return
    from facesearch.caches import kinds
    from facesearch.caches.in_use import others_at_work

    asked = {
        kinds.TEMPLATES: templates,
        kinds.CODECS: templates,  # made of templates, which could be read from them
        kinds.RESULTS: results,
        kinds.TIMINGS: timings,
        kinds.RUNS: runs,
    }
    chosen = [kind for kind, wanted in asked.items() if wanted or everything]
    chosen = chosen or [kind for kind in kinds.CLEARED if kind.computed]
    names = ", ".join(kind.name for kind in chosen)
    if not yes and on_a_terminal():
        held = kinds.kept(chosen, rows=False)
        files = sum(each.files for each in held)
        size = bytes_in_words(sum(each.bytes for each in held))
        if not typer.confirm(f"Delete {names} ({counted(files, 'file')}, {size})?", err=True):
            raise typer.Exit(1)
    deleted = kinds.clear(chosen)
    at_work = others_at_work()
    if json:
        print_json({"cleared": [kind.name for kind in chosen], "files": deleted, "at_work": at_work})
        return
    say(f"deleted {counted(deleted, 'file')} of {names}")
    if at_work:
        say("an evaluation or calibration is running and may keep more")


def _clear_projections(url: str | None, *, yes: bool, json: bool) -> None:
    from facesearch.store.postgresql.projections import clear_projections, kept_projections

    chosen = kept_projections(url)
    if url is not None and not chosen:
        raise UsageError("no index files of that gallery are kept here: facesearch cache info lists those that are")
    galleries = counted(len(chosen), "gallery", "galleries")
    if chosen and not yes and on_a_terminal():
        size = bytes_in_words(sum(each.bytes for each in chosen))
        if not typer.confirm(f"Delete the index files of {galleries} ({size})?", err=True):
            raise typer.Exit(1)
    done = clear_projections(chosen)
    if json:
        print_json({"cleared": ["projections"], "files": done.files, "in_use": done.in_use})
        return
    say(f"deleted {counted(done.files, 'index file')} of {galleries}")
    if done.in_use:
        say(f"{counted(done.in_use, 'gallery', 'galleries')} of these are open, and get their index anew")


def _day(epoch_seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(epoch_seconds))
