"""Lines and tables for people: whatever they hold, they are shown as text, and fit the terminal where there is one.

Everything that commands print passes through here, so that names of files and people move no cursor and start no line.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from facesearch.text.characters import escaped
from facesearch.text.tables import table_lines, wrapped


def say(text: str) -> None:
    """A line on standard output: no markup; on a terminal, what is too long goes on below, indented."""
    line = escaped(text)
    width = _terminal_width()
    if width is None or len(line) <= width // 2:  # no text takes more than two places a character
        sys.stdout.write(line + "\n")
        return
    from rich.cells import cell_len

    indent = " " * (len(line) - len(line.lstrip()) + 2)
    sys.stdout.write("\n".join(wrapped(line, width, more=indent, measure=cell_len)) + "\n")


def near(path: str) -> str:
    """A path in the current folder or below it without that folder, another one as it is."""
    return path.removeprefix(f"{str(Path.cwd()).rstrip('/')}/")


def say_that_pages_stay(on_server: bool) -> None:
    """What was deleted could not be taken out of the files of the database."""
    if on_server:
        say(
            "  another process is reading, or this user does not own the tables: old pages stay on the server until its"
        )
        say("  owner runs facesearch gallery compact while nobody does")
    else:
        say("  another process is reading: old pages stay in the log until facesearch gallery compact runs alone")


def tell(text: str) -> None:
    """A line on standard error, beside the result."""
    sys.stderr.write(escaped(text) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table on standard output; the columns named in `right` are aligned to the right.

    On a terminal it fits the width, broken between words; what reads a pipe or a file gets whole lines.
    """
    from rich.cells import cell_len

    cells = [[escaped(str(cell)) for cell in row] for row in rows]
    lines = table_lines(columns, cells, right, width=_terminal_width(), measure=cell_len)
    bold = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    for number, some in enumerate(lines):
        is_header = number % 2 == 0
        if is_header and number:
            sys.stdout.write("\n")
        for line in some:
            sys.stdout.write((typer.style(line, bold=True) if bold and is_header else line) + "\n")


def _terminal_width() -> int | None:
    """Places of a line of standard output; None where that is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
