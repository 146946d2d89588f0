"""facesearch report"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.output import Output, output_options
from facesearch.commands.paths import given_path
from facesearch.errors import UsageError
from facesearch.report.printable import Printable, TextTable
from facesearch.text.figures import bytes_in_words, counted

if TYPE_CHECKING:
    from facesearch.evaluation.results import Run

EXAMPLES = """
**Examples**

    facesearch report                                  # the latest run as a table

    facesearch report --all --html report.html         # all runs as a page that opens offline

    facesearch report --list

    facesearch report --compare 20261124T0102 20261125T0910 --markdown
"""


def _ids(incomplete: str) -> list[str]:
    """Names of stored runs for shell completion."""
    from facesearch.evaluation.results import stored_ids

    return [name for name in stored_ids() if name.startswith(incomplete)]


@output_options
def report(
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            help="A run: its id or the beginning of it, latest, or a .json file; repeatable. Default: the latest.",
            metavar="ID",
            show_default=False,
            autocompletion=_ids,
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="All stored runs; tables and page show the newest figures of each combination."),
    ] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--compare",
            help="Two runs, row by row: differences with 95 % intervals, and rows that only one of them has.",
            metavar="A B",
            show_default=False,
        ),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Which runs are stored.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            help="Write one HTML file with charts; it asks nothing of any network.",
            metavar="FILE",
            parser=given_path,
        ),
    ] = None,
    pictures: Annotated[
        bool,
        typer.Option("--pictures", help="With --html: small photos of the hardest errors, from the data set's folder."),
    ] = False,
    *,
    output: Output,
) -> None:
    """What evaluations found: accuracy, bytes and milliseconds of each encoder and index, with 95 % intervals.

    Without --run it shows the latest run; with -v all columns.
    """
    if sum((run is not None, every, compare is not None, listing)) > 1:
        raise UsageError("--run, --all, --compare and --list do not go together: choose one")
    if pictures and html is None:
        raise UsageError("--pictures belongs to a page: add --html FILE")
    if html is not None and (compare or listing):
        raise UsageError("--html shows runs: choose them with --run or --all")
    if compare:
        _show_comparison(*compare, output)
    elif listing:
        _show_list(output)
    else:
        _show_runs(_chosen(run, every=every), html, output, pictures=pictures)


def _chosen(names: list[str] | None, *, every: bool) -> list[Run]:
    from facesearch.evaluation.results import find_run, stored_runs

    if every:
        runs = stored_runs()
        return runs or [find_run("latest")]  # which says that there are none
    found = {run.id: run for run in map(find_run, names or ["latest"])}
    return sorted(found.values(), key=lambda run: run.created_at)


def _show_runs(runs: list[Run], html: Path | None, output: Output, *, pictures: bool) -> None:
    from facesearch.report.texts import printable

    if html is not None:
        from facesearch.files.durable import write_atomically
        from facesearch.report.page import html_page
        from facesearch.report.pictures import picture

        page = html_page(runs, picture=picture if pictures else None).encode()
        write_atomically(html, lambda file: file.write(page), public=True)
        output.tell(f"wrote {html}: {counted(len(runs), 'run')}, {bytes_in_words(len(page))}")
        if output.for_people:
            return
    output.show(printable(runs))


def _show_list(output: Output) -> None:
    from facesearch.evaluation.results import stored_runs
    from facesearch.report.texts import markdown_table
    from facesearch.text.spreadsheets import csv_text

    runs = stored_runs()
    columns = ("run", "data set", "protocol", "rows", "command")
    rows = [[run.id, run.dataset.name, run.protocol, str(len(run.rows)), run.command] for run in runs]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    table = TextTable("", columns, ("rows",), rows)
    output.show(
        Printable(
            lambda _wide: [table],
            lambda: {"runs": records},
            lambda: csv_text(records),
            lambda: markdown_table(table),
        )
    )


def _show_comparison(first: str, second: str, output: Output) -> None:
    from facesearch.evaluation.results import find_run
    from facesearch.report.compare import compare_runs, printable_comparison

    comparison = compare_runs(find_run(first), find_run(second))
    output.show(printable_comparison(comparison))
    for remark in comparison.remarks:
        output.tell(remark)
