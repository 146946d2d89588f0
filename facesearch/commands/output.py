"""The options that say how a result is printed, and the printing: written once, for every command that has tables."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import typer

from facesearch.commands.common import JsonOption, VerboseOption, print_json, print_table, say, set_up, tell
from facesearch.errors import UsageError
from facesearch.report.printable import Printable

CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV on standard output, a line for each row.")]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print tables in Markdown on standard output.")]


@dataclass(frozen=True, slots=True)
class Output:
    """How to print: as tables for people, or in one of the forms for programs."""

    form: str  # table, json, csv or markdown
    verbose: bool

    @property
    def for_people(self) -> bool:
        return self.form == "table"

    def show(self, result: Printable) -> None:
        """Print a result on standard output."""
        if self.form == "json":
            print_json(result.document())
        elif self.form != "table":
            sys.stdout.write(result.csv() if self.form == "csv" else result.markdown())
        else:
            for number, table in enumerate(result.tables(self.verbose)):
                if number:
                    say("")
                if table.heading:
                    say(table.heading)
                print_table(table.columns, table.rows, right=table.right)

    def tell(self, text: str) -> None:
        """A line beside the result: on standard output for people, else on standard error."""
        (say if self.for_people else tell)(text)


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--csv`, `--markdown`, `--json` and `-v`; it gets them as one argument `output`."""

    @functools.wraps(command)
    def with_options(*args: Any, csv: bool, markdown: bool, json: bool, verbose: bool, **others: Any) -> None:
        chosen = [name for name, wanted in (("csv", csv), ("markdown", markdown), ("json", json)) if wanted]
        if len(chosen) > 1:
            raise UsageError(f"--{chosen[0]} and --{chosen[1]} do not go together: choose one")
        set_up(verbose)
        command(*args, output=Output(chosen[0] if chosen else "table", verbose), **others)

    hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "output"
    ]
    forms = [("csv", CsvOption), ("markdown", MarkdownOption), ("json", JsonOption), ("verbose", VerboseOption)]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in forms
    ]
    with_options.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    del with_options.__wrapped__
    return with_options
