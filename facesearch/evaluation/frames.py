"""What evaluations found as a data frame: a row for each encoder and index, every single value a column of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from facesearch.evaluation.results import Run, stored_runs

if TYPE_CHECKING:
    import pandas as pd


def runs_frame(*runs: Run) -> pd.DataFrame:
    """The rows of runs, by default of all that are stored, oldest first: the columns of `facesearch report --csv`.

    Curves, histograms and the hardest errors are left out: they are in the runs themselves.
    """
    import pandas as pd  # only what needs a frame waits for it

    records = row_records(runs or stored_runs())
    columns = list(dict.fromkeys(key for record in records for key in record))
    values = {column: [record[column] for record in records] for column in columns}
    return pd.DataFrame({column: _column(each) for column, each in values.items()})


def row_records(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A record for each row of runs, all with the same keys: nested ones joined by an underscore, of an interval `_low`
    and `_high`; None where a row has no such value."""
    records = [_flat({"run": run.id, **row.document(curves=False)}) for run in runs for row in run.rows]
    columns = list(dict.fromkeys(key for record in records for key in record))
    # what has parts in one row and is missing in another is told by its parts
    whole = {key for key in columns if any(other.startswith((f"{key}_low", f"{key}_baseline")) for other in columns)}
    return [{key: record.get(key) for key in columns if key not in whole} for record in records]


def _column(values: Sequence[Any]) -> Sequence[Any]:
    """Text that can be kept in a frame: halves of surrogate pairs, from names that are not UTF-8, are written out."""
    return [
        each.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(each, str) else each for each in values
    ]


def _flat(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by an underscore; a pair becomes `_low` and `_high`; other lists are left out."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat.update(_flat(value, f"{name}_"))
        elif isinstance(value, list | tuple):
            if len(value) == 2 and all(isinstance(each, float | int) for each in value):
                flat[f"{name}_low"], flat[f"{name}_high"] = value
        else:
            flat[name] = value
    return flat
