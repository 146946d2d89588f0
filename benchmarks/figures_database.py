"""The tables on searching inside the database of docs/postgresql.md."""

from __future__ import annotations

from benchmarks.common import read_results, table
from benchmarks.refusals import wilson

_WAYS = {
    "index files": "index files (`flat`) on this machine",
    "database, all compared": "database, every vector compared",
    "database, graph": "database, by the graph",
}


def search() -> str:
    """How often the right person comes first, and how long that takes, by each way."""
    results = read_results("database_search")
    rows = []
    for way, name in _WAYS.items():
        found = results["ways"][way]
        low, high = wilson(found["right"], results["probes"])
        rows.append(
            (
                name,
                f"{found['top1']:.3f} ({low:.3f}–{high:.3f})",
                f"{found['median_ms']:.1f} / {found['p99_ms']:.0f}",
            )
        )
    lower = results["ways"]["database, graph"]["others_lower"]
    return table(("searched in", "right person first", "median / 99th percentile, ms"), rows) + (
        "\nBy the graph, the mean similarity of the five people after the first is lower by "
        f"{lower['median']:.3f} (median), {lower['p95']:.3f} (95th percentile), {lower['most']:.3f} (most): by so "
        "much, normalised scores can be higher.\n"
    )


def cost() -> str:
    """Bytes, and seconds to build."""
    results = read_results("database_search")
    held, took, added = results["bytes"], results["build_seconds"], results["add_ms"]
    rows = [
        ("templates in the database", _megabytes(held["templates"]), ""),
        ("index files (`flat`), on each machine", _megabytes(held["index_files"]), f"{took['index_files']:.0f}"),
        ("vectors in the database", _megabytes(held["vectors"]), f"{took['vectors']:.0f}"),
        ("their graph", _megabytes(held["graph"]), f"{took['graph']:.0f}"),
    ]
    return table(("what", "MB", "seconds to build"), rows) + (
        f"\nAdding a template takes {added['without_vectors']:.0f} ms without and {added['with_vectors']:.0f} ms with "
        "vectors and graph (medians).\n"
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f}"
