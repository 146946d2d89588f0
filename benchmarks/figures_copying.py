"""The table of docs/how-to/backup.md."""

from __future__ import annotations

from benchmarks.common import read_results, table
from benchmarks.copying import DIMENSION, WAYS


def copying() -> str:
    """Seconds that copies of a gallery take, medians of so many turns."""
    rows = [
        (
            f"{each['templates']:,} of {DIMENSION} components as {each['codec'].upper()}",
            f"{each['database_bytes'] / 1e6:.0f} MB",
            str(each["turns"]),
            *(f"{each['seconds'][way]:.0f} s" for way in WAYS),
        )
        for each in read_results("copying")
    ]
    return table(("templates", "database", "turns", *WAYS), rows)
