"""The tables on searching inside the database of docs/postgresql.md."""

from __future__ import annotations

from benchmarks.common import kept_results, read_results, table
from benchmarks.refusals import wilson

_WAYS = {
    "index files": "index files (`flat`) on this machine",
    "database, all compared": "database, every vector compared",
    "database, graph": "database, by the graph",
}

_MODES = {"folder": "a folder", "latest": "PostgreSQL, `latest`", "bounded": "PostgreSQL, `bounded:2s`"}


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


def published() -> str:
    """What a new machine takes by published index files and by templates, and what publishing takes."""
    results = read_results("postgresql_published")
    rows = []
    for kind, found in results["kinds"].items():
        for way, name in (("fetching", "taking published files"), ("filling", "building its own")):
            took = found[way]
            rows.append((f"`{kind}`", name, f"{took['seconds']:.1f}", f"{took['peak_mb_answered']:,.0f}"))
    columns = ("index", f"a new machine, {results['templates']:,} templates", "seconds to the first answer", "MB")
    published = "; ".join(
        f"`{kind}`: {found['publish_seconds']:.0f} s, {_megabytes(found['published_bytes'])} MB, "
        f"{found['publish_again_seconds']:.0f} s where nothing has changed"
        for kind, found in results["kinds"].items()
    )
    return table(columns, rows) + (
        f"\nPublishing takes, of files that are there, {published}. Medians; server and machines shared the cores of "
        f"one computer, at a load of {results['load'][0]:.0f}.\n"
    )


def two_servers() -> str:
    """What questions take on two servers while a third process enrols, and when they know of it."""
    rows = []
    for name in ("two_servers", "two_servers_million"):
        results = kept_results(name)
        for mode, shown in _MODES.items() if results else ():
            found = results[mode]
            rows.append(
                (
                    f"{results['templates']:,}",
                    shown,
                    f"{found['questions']:,}",
                    f"{found['ms_median']:.1f} / {found['ms_p99']:.1f}",
                    f"{found['visible_after_ms_median']} / {found['visible_after_ms_most']}",
                    f"{found['wrong']} of {found['seen']:,}",
                    f"{found['peak_mb']:,}",
                )
            )
    columns = ("templates", "asked of", "questions", "median / 99th percentile, ms")
    return table((*columns, "an enrolment is seen after, ms: median / most", "named wrongly", "MB of a server"), rows)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f}"
