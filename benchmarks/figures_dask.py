"""The table of docs/how-to/enrol-on-a-cluster.md."""

from __future__ import annotations

import statistics

from benchmarks.common import read_results, table


def enrolment() -> str:
    """Photos per second on one machine and on a cluster of the same cores."""
    results = read_results("dask_enrolment")
    rates, ratios = results["rates"], results["ratios"]
    rows = [
        (name, f"{statistics.median(each):.1f}", f"{ratios[name]:.2f}" if name in ratios else "")
        for name, each in rates.items()
    ]
    killed, photos = results["killed"], results["photos"]
    return table(("who looks at the photos", "photos per second", "against as many processes"), rows) + (
        f"\nOf {photos:,} photos {killed['expected']:,} can be enrolled. With one of two workers killed half-way, "
        f"{killed['in the gallery']:,} are: {killed['lost']} lost, {killed['doubled']} doubled.\n"
    )
