"""The tables of docs/research/postgresql-faults.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common import read_results, table

_COUNTS = ("confirmed", "lost", "wrong", "duplicates")
_HEAD = ("runs", "hit", "as before or after", "confirmed", "lost", "wrong answers", "twice")


def commands() -> str:
    """What servers that are killed leave of each command."""
    rows = [
        (f"`{row['command']}`", str(row["messages"]), *_cells([row["faults"]["server killed"]]))
        for row in _rows()
        if "server killed" in row["faults"]
    ]
    return table(("command", "messages", *_HEAD), rows)


def kinds() -> str:
    """The same for every kind of fault, over all commands."""
    rows = []
    for kind in dict.fromkeys(kind for row in _rows() for kind in row["faults"]):
        found = [row["faults"][kind] for row in _rows() if kind in row["faults"]]
        longest = max(each["longest_seconds"] for each in found)
        rows.append((kind, str(len(found)), *_cells(found), f"{longest:.0f}"))
    return table(("fault", "commands", *_HEAD, "longest, s"), rows)


def several() -> str:
    """Two machines that enrol at once, and a standby that takes over."""
    results = read_results("postgresql_faults")
    both, over = results["together"], results["failover"]
    return (
        f"Two machines that enrol the same {both['photos']} photos into a new gallery at once: both finished in "
        f"{both['finished']} of {both['runs']} runs, {both['missing']} templates missing, {both['duplicates']} twice, "
        f"{both['wrong']} wrong answers.\n\n"
        f"A primary killed under load ({over['writers']} processes enrol, {over['askers']} ask), a synchronous standby "
        f"promoted at once, {over['runs']} times: {over['confirmed']:,} templates confirmed, {over['lost']} lost, "
        f"{over['duplicates']} twice; {over['answers']:,} answers, {over['wrong']} wrong, {over['stale']} that lacked "
        "what had been confirmed a second before. Seconds until "
        f"the standby took changes: {_range(over['promoted_seconds'])}; until the first answer: "
        f"{_range(over['answer_seconds'])}; until the first enrolment: {_range(over['enrolment_seconds'])} (median, "
        "and from least to most).\n"
    )


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_results("postgresql_faults")["commands"]
    return rows


def _cells(found: Sequence[Mapping[str, int]]) -> tuple[str, ...]:
    return tuple(f"{sum(each[name] for each in found):,}" for name in ("runs", "hit", "survived", *_COUNTS))


def _range(seconds: Sequence[float]) -> str:
    return f"{sorted(seconds)[len(seconds) // 2]:.1f} ({min(seconds):.1f}–{max(seconds):.1f})"
