"""The tables of docs/research/sharding.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.common import read_results, table
from benchmarks.sharding_model import MEMORY, WITHIN_MS


def questions() -> str:
    """The same questions asked of index files of all, and of shards."""
    results = read_results("sharding")
    rows = []
    for kind, measured in results["kinds"].items():
        for way, found in measured["answers"].items():
            asked = "index files of all" if way == "whole" else f"{way} shard{'' if way == '1' else 's'}"
            rows.append(
                (
                    f"`{kind}`",
                    asked,
                    f"{found['same_as_whole']} of {found['questions']}",
                    f"{found['median_ms']:.1f} / {found['p99_ms']:.0f}",
                )
            )
    return table(("index", "asked of", "same answers", "median / 99th percentile, ms"), rows)


def parts() -> str:
    """What one shard takes, by itself."""
    results = read_results("sharding")
    rows = []
    for kind, measured in results["kinds"].items():
        for count, each in measured["shards"].items():
            rows.append(
                (
                    f"`{kind}`",
                    count,
                    f"{max(each['templates']):,}",
                    _two(each["one_ms"]),
                    f"{each['search_cpu_ms']:.2f}",
                    _two(each["ping_ms"]),
                    f"{each['fill_seconds']:.1f}",
                    f"{max(each['start_seconds']):.1f} / {each['restart_seconds']:.1f}",
                    f"{max(each['resident_bytes']) / 1e6:.0f} / {max(each['peak_bytes']) / 1e6:.0f}",
                )
            )
    columns = (
        *(
            "index",
            "shards",
            "templates of one",
            "one asked alone, ms",
            "its search, processor, ms",
            "messages to all without a search, ms",
        ),
        *("filling one, s", "start: builds / has its files, s", "memory: now / at most, MB"),
    )
    return table(columns, rows) + "\n" + " ".join(_sentences(results)) + "\n"


def _sentences(results: dict[str, Any]) -> Iterator[str]:
    merging = ", ".join(f"{took:.2f} ms of {count}" for count, took in results["merge_ms"].items())
    yield f"Milliseconds: medians / 99th percentiles. Merging the replies takes {merging} (medians)."
    for kind, measured in results["kinds"].items():
        asked = measured["database_ms"]["median_ms"]
        yield (
            f"`{kind}`: the database takes {asked:.1f} ms of a question (median); training takes "
            f"{measured['train_seconds']:.1f} s; reading all templates for a shard that has hardly any of them takes "
            f"the database {measured['scan_seconds']:.2f} s."
        )
    yield f"The machine's load average was {results['load']:.0f} when all was measured."
    each = results["database_bytes"] / results["templates"]
    yield f"The database takes {each:,.0f} bytes for each of {results['templates']:,} templates."


def larger() -> str:
    """Larger galleries, extrapolated."""
    results = read_results("sharding")
    rows = []
    for row in results["extrapolated"]:
        rows.append(
            (
                f"`{row['kind']}`",
                f"10{_raised(row['templates'])}",
                f"{row['bytes'] / 1e9:,.0f} / {row['database_bytes'] / 1e9:,.0f}",
                f"{row['servers']:,}" + (" (by memory)" if row["why"] == "memory" else " (by time)"),
                f"{row['shard_bytes'] / 1e9:,.1f}",
                " + ".join(f"{row[f'{part}_ms']:,.1f}" for part in ("search", "messages", "merge", "database")),
                f"{row['question_ms']:,.0f}",
                f"{row['build_seconds'] / 60:,.1f} min",
                f"{row['restart_seconds']:,.0f} s",
            )
        )
    columns = (
        *("index", "templates", "index / database, GB", "servers", "GB of each"),
        *("search + messages + merging + database, ms", "a question, ms"),
        *("to build a shard, or to replace a lost one", "to start where its files are"),
    )
    note = (
        f"\nServers have {MEMORY / 2**30:.0f} GiB each. By time: the fewest that answer within {WITHIN_MS:.0f} ms with "
        "one thread each or, where more servers cost more in messages than they save, the fastest. Measured with "
        f"{results['templates']:,} templates; all of this table is extrapolated.\n"
    )
    return table(columns, rows) + note


def _two(spread: dict[str, float]) -> str:
    return f"{spread['median_ms']:.2f} / {spread['p99_ms']:.1f}"


def _raised(count: int) -> str:
    return str(len(str(count)) - 1).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
