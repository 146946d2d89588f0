"""facesearch demo"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from facesearch.commands.common import (
    JsonOption,
    VerboseOption,
    bytes_in_words,
    given_place,
    print_json,
    print_table,
    progress_bar,
    say,
    set_up,
    tell,
)
from facesearch.commands.paths import given_path

EXAMPLES = """
**Example**

    facesearch demo --folder faces

    facesearch demo --gallery "postgresql://me@localhost/faces?gallery=demo"
"""


def demo(
    folder: Annotated[
        Path,
        typer.Option(help="Where photos, gallery and contact sheet are written.", metavar="DIR", parser=given_path),
    ] = Path("facesearch-demo"),
    gallery: Annotated[
        Path | None,
        typer.Option(
            "--gallery",
            "-g",
            help="Folder of the gallery, or postgresql://user@host/database?gallery=NAME. Default: in DIR.",
            show_default=False,
            metavar="DIR|URL",
            parser=given_place,
        ),
    ] = None,
    people: Annotated[int, typer.Option(help="People to enrol.", min=86, max=1000)] = 100,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """See the main job from nothing, offline: people who do not exist are enrolled, searched, measured and reported."""
    set_up(verbose)
    from facesearch.demo.main_job import run_demo

    def step(text: str) -> None:
        if not json or verbose:
            tell(f"{text} …")

    with progress_bar("enrolling", quiet=json) as progress:
        result = run_demo(folder, gallery, people=people, step=step, progress=progress)
    if json:
        print_json(
            {
                "folder": str(result.folder),
                "gallery": result.gallery,
                "contact_sheet": str(result.contact_sheet),
                "report": str(result.report),
                "identities": result.people,
                "templates": result.templates,
                "images_per_second": round(result.images_per_second, 2),
                "threshold": result.threshold,
                "probes": result.probes,
                "found_first": result.found,
                "matched": result.matched,
                "strangers": result.strangers,
                "strangers_unknown": result.unknown,
                "kinds": [
                    {
                        "index": row.kind,
                        "codec": row.codec,
                        "database_bytes": row.database_bytes,
                        "index_bytes": row.index_bytes,
                        "top1": row.top1,
                    }
                    for row in result.kinds
                ],
                "evaluation": {"run": result.run.id, "rows": [row.document(curves=False) for row in result.run.rows]},
            }
        )
        return
    say("")
    say(f"enrolled   {result.templates} photos of {result.people} people, {result.images_per_second:.0f} per second")
    say(f"asked      {result.probes} other photos of them: {result.found} have the right person first,")
    say(f"           {result.matched} of these at or above the threshold {result.threshold:.3f}")
    say(f"strangers  {result.strangers} people who are not enrolled: {result.unknown} answered with unknown")
    first = result.run.rows[0]
    say(f"evaluated  {first.probes} photos, each against all others: top-1 {first.top1 or 0:.3f}, with {first.index}")
    say(f"pictures   {result.contact_sheet}")
    say(f"report     {result.report}; as a table: facesearch report")
    say("")
    rows = [
        (
            row.kind,
            row.codec,
            bytes_in_words(row.database_bytes),
            bytes_in_words(row.index_bytes),
            bytes_in_words(row.database_bytes + row.index_bytes),
            f"{row.top1:.3f}",
        )
        for row in result.kinds
    ]
    columns = ("index", "stored as", "database", "index file", "together", "top-1")
    print_table(columns, rows, right=("database", "index file", "together", "top-1"))
    say("")
    say("These people are synthetic: the figures show how it works, not how well it does on yours. With your photos:")
    say("  facesearch enroll PEOPLE            a folder per person: PEOPLE/Ada Lovelace/1.jpg")
    say("  facesearch query PHOTO              who is this?")
    say(f"  facesearch query {result.folder}/strangers/*/*.jpg --gallery {shlex.quote(result.gallery)}")
