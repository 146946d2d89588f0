"""The tables of docs/research/sharing.md: what changes cost, and how a shared gallery fares."""

from __future__ import annotations

from typing import Any

from benchmarks.common import read_results, table

_OPERATIONS = {
    "enrol": "enrol (3 templates)",
    "rename": "rename",
    "merge": "merge two",
    "forget_new": "forget, not in a file yet",
    "forget": "forget",
    "search": "search",
    "search_after": "search after enrolment",
}


def changes() -> str:
    """Median milliseconds of each operation, a column for each size of gallery."""
    rows: list[dict[str, Any]] = read_results("change_cost")["changes"]
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        of_kind = [row for row in rows if row["kind"] == kind]
        for name, shown in _OPERATIONS.items():
            lines.append((f"`{kind}`", shown, *(f"{row['ms'][name]:,.1f}" for row in of_kind)))
        written = (f"{row['kilobytes_written']['forget'] / 1024:,.1f}" for row in of_kind)
        lines.append((f"`{kind}`", "megabytes that forgetting writes", *written))
        lines.append((f"`{kind}`", "index files", *(str(row["index_files"]) for row in of_kind)))
        unknown = (f"{row['unknown_name_ms']:,.0f}" for row in of_kind)
        lines.append((f"`{kind}`", "a name that nobody has", *unknown))
        for command in ("forget", "enroll"):
            found = (row[f"{command}_from_the_shell"] for row in of_kind)
            cells = (f"{each['s']:.1f} s, {each['peak_mb']} MB" for each in found)
            lines.append((f"`{kind}`", f"`{command}` from the shell", *cells))
    sizes = [f"{size:,}" for size in dict.fromkeys(row["templates"] for row in rows)]
    return table(("kind", "milliseconds of", *sizes), lines)


def crowds() -> str:
    """Milliseconds of a search, by how many nearly identical templates the person found has."""
    rows: list[dict[str, Any]] = read_results("change_cost")["crowds"]
    counts = list(rows[0]["ms_by_crowd"])
    lines = [(f"`{row['kind']}`", *(f"{row['ms_by_crowd'][count]:.1f}" for count in counts)) for row in rows]
    return table(("kind", *(f"{int(count):,} templates" for count in counts)), lines)


def latency() -> str:
    """Median and 99th percentile with and without a process that enrols."""
    found = read_results("shared_latency")
    lines = []
    for row in found["rows"]:
        alone, enrolling = row["alone"], row["enrolling"]
        asked = f"{row['transactions']} / {row['statements']}"
        cells = (alone["p50_ms"], alone["p99_ms"], enrolling["p50_ms"], enrolling["p99_ms"], row["p99_ratio"])
        lines.append((f"`{row['kind']}`", *(f"{value:.1f}" for value in cells), asked))
    columns = ("p50 alone", "p99 alone", "p50 enrolling", "p99 enrolling", "ratio of p99", "transactions / statements")
    return table(("kind", *columns), lines)


def threads() -> str:
    """Median milliseconds of a search with one thread and with all."""
    lines = []
    for row in read_results("threads_of_one_probe")["rows"]:
        idle, busy = row["idle"], row["busy"]
        cells = (idle["one_ms"], idle["all_ms"], idle["ratio"], busy["one_ms"], busy["all_ms"], busy["ratio"])
        lines.append((f"`{row['kind']}`", *(f"{value:.2f}" for value in cells)))
    columns = ("one, idle", "all, idle", "ratio", "one, busy", "all, busy", "ratio")
    return table(("kind", *columns), lines)


def soak() -> str:
    """What happened in the soak."""
    found = read_results("soak")
    done = ", ".join(f"{count} × {action}" for action, count in sorted(found["changes"].items()))
    memory = "; ".join(f"{early >> 20} → {late >> 20}" for early, late in found["memory_bytes"])
    descriptors = "; ".join(f"{early} → {late}" for early, late in found["descriptors"])
    lines = [
        ("duration", f"{found['seconds']:g} seconds, about {found['people']} people"),
        ("kinds of index", ", ".join(f"`{kind}`" for kind in found["kinds"])),
        ("changes", done),
        ("questions", f"{found['questions']:,}"),
        ("wrong answers", str(found["wrong"])),
        ("exceptions, processes that died", f"{found['failed']}, {len(found['died'])}"),
        ("`check` at the end", "clean" if not found["check"] and found["counts_agree"] else "not clean"),
        ("memory of those who ask, MB, a quarter of the time → end", memory),
        ("descriptors, a quarter of the time → end", descriptors),
    ]
    return table(("what", "found"), lines)
