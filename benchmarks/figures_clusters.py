"""The tables of docs/how-to/sort-photos.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common import read_results, table


def _results() -> Any:
    return read_results("cluster_folder")


def folder() -> str:
    """How right the clusters of known people are."""
    rows = [
        (
            f"{row['people']} {'people of LFW' if row['photos of'] == 'LFW' else row['photos of']}",
            f"{row['photos']:,}",
            f"{row['threshold']:.2f}",
            f"{row['people whole and apart']}",
            f"{row['precision']:.4f}",
            f"{row['recall']:.4f}",
        )
        for row in _results()["right"]
    ]
    return table(("photos of", "photos", "threshold", "people with exactly one cluster", "precision", "recall"), rows)


def cost() -> str:
    """Photos per second and memory."""
    speed, many = _results()["speed"], _results()["many"]
    return (
        f"{speed['photos']:,} photos of LFW with {speed['faces']:,} faces take {speed['core_seconds_per_photo']:.2f} s "
        f"of a core each ({speed['photos_per_second']:.1f} photos per second on two cores with other work), at "
        f"most {speed['peak_mib']:,} MiB of memory, and {speed['peak_mib_of_a_worker']:,} MiB in each of two worker "
        f"processes. {many['faces']:,} faces of 192 components are grouped in {many['core_seconds_to_group']:.0f} s of "
        f"a core; the process takes {many['peak_mib']:,} MiB at most.\n"
    )
