"""CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

# A spreadsheet runs a cell that begins so as a formula (OWASP, CSV injection).
_FORMULA = re.compile(r"\s*[=+\-@\t\r＝＋－＠]")


def csv_text(records: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """CSV (RFC 4180, lines end in a line feed) of records; text that a spreadsheet took for a formula gets a '.

    columns: by default those of the records, in the order in which they first come.
    """
    if columns is None:
        columns = list(dict.fromkeys(key for record in records for key in record))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_no_formula(column) for column in columns])
    writer.writerows([_no_formula(record.get(column)) for column in columns] for record in records)
    return text.getvalue()


def _no_formula(value: object) -> object:
    if isinstance(value, str):
        shown = value.encode("utf-8", "backslashreplace").decode("utf-8")
        shown = ("'" if _FORMULA.match(shown) else "") + shown
        return shown.replace("\0", "\N{REPLACEMENT CHARACTER}").replace("\r", " ")
    return value
