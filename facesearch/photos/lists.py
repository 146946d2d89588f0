"""Text files in which users list photos: read whole, as UTF-8, with errors that name the file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.files.regular import open_regular

_LARGEST = 256 * 2**20  # bytes
_LINE_END = re.compile(r"\r\n|\n|\r")
_SEPARATORS = ",;\t"


def read_list(path: Path, advice: str = "", kind: str = "text") -> str:
    """The text of a list, without a byte order mark, its line ends as they are.

    kind: what it should be, as in "a text file". advice: what to do where it cannot be read, as ": name another".
    Raises `UsageError` for what is missing, too large, a folder, a pipe or not in UTF-8.
    """
    try:
        with open_regular(path) as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or "no valid file name"
        raise UsageError(f"{path} cannot be read ({reason.lower()}){advice}") from None
    if len(data) > _LARGEST:
        raise UsageError(f"{path} is larger than {_LARGEST // 2**20} MiB: that is no list{advice}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a {kind} file in UTF-8 ({error.reason})") from None


def read_lines(path: Path, advice: str = "") -> list[str]:
    """The lines of a list, without their ends; the first is line 1 of the file. Raises `UsageError`."""
    lines = _LINE_END.split(read_list(path, advice))
    return lines[:-1] if not lines[-1] else lines


def read_table(path: Path, advice: str = "") -> Iterator[tuple[int, list[str]]]:
    """(number of the line it ends on, cells) of each row of a CSV file; empty lines are left out.

    Cells are separated by commas; where the first line has none, by semicolons or tabs, as spreadsheets write them in
    many countries. Raises `UsageError`.
    """
    text = read_list(path, advice, "CSV")
    head = _LINE_END.split(text, maxsplit=1)[0]
    separator = next((each for each in _SEPARATORS if each in head), _SEPARATORS[0])
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for row in rows:
            if row:
                yield rows.line_num, row
    except csv.Error as error:
        raise UsageError(f"{path} line {rows.line_num} is not CSV ({error})") from None
