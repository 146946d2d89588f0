"""What larger galleries take, from what was measured of one in shards.

Each figure is a sum of measured parts: a search by one thread in time of the processor, which a quiet machine takes on
the wall, too; the rest in time on the wall, of messages and the database the fastest tenth, as other programs disturb.
They grow with the templates of a shard (what a search and an index take), with all templates (what the database reads
for a shard) or with the number of shards (messages, merging). What is assumed beyond that: each shard has a machine of
its own, as fast as this one, and one thread searches it; messages take what they take on loopback, and a network's own
time comes on top; the database reads from memory as it does here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

GALLERIES = (10**7, 10**8, 10**9)
MEMORY = 64 * 2**30  # bytes of a server
USABLE = 0.75  # of its memory; the rest is the system's
WITHIN_MS = 200.0


def extrapolated(results: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each kind and size: with the fewest servers by memory, and with the fewest that answer in time."""
    rows = []
    for kind, measured in results["kinds"].items():
        parts = fitted(results, measured)
        for templates in GALLERIES:
            by_memory = math.ceil(templates * parts["bytes_per_template"] / (USABLE * MEMORY - parts["resident_bytes"]))
            in_time = _in_time(parts, templates, by_memory)
            for why, servers in (("memory", by_memory), ("time", in_time))[: 1 + (in_time > by_memory)]:
                rows.append({"kind": kind, "templates": templates, "why": why, **predicted(parts, templates, servers)})
    return rows


def fitted(results: dict[str, Any], measured: dict[str, Any]) -> dict[str, float]:
    """The parts: slopes and constants of least squares over the shards that were measured."""
    held, searched, filled, resident, restarts = [], [], [], [], []
    for each in measured["shards"].values():
        held.append(float(np.mean(each["templates"])))
        searched.append(each["search_cpu_ms"])
        restarts.append(each["restart_seconds"])
        filled.append(max(0.0, each["fill_seconds"] - measured["scan_seconds"]))
        resident.append(float(np.mean(each["resident_bytes"])))
    per_template, constant = line(held, searched)
    shards = sorted(map(int, measured["shards"]))
    per_shard, message = line(shards, [measured["shards"][str(count)]["ping_ms"]["p10_ms"] for count in shards])
    counts = sorted(map(int, results["merge_ms"]))
    merging, merged = line(counts, [results["merge_ms"][str(count)] for count in counts])
    return {
        "search_ms_per_million": 1e6 * per_template,
        "search_ms": constant,
        "message_ms_per_shard": per_shard,
        "message_ms": message,
        "merge_ms_per_shard": merging,
        "merge_ms": merged,
        "database_ms": measured["database_ms"]["p10_ms"],
        "fill_seconds_per_million": 1e6 * float(np.sum(filled) / np.sum(held)),
        "scan_seconds_per_million": 1e6 * measured["scan_seconds"] / results["templates"],
        "train_seconds": measured["train_seconds"],
        "start_seconds": float(np.mean(restarts)),
        "bytes_per_template": measured["whole"]["index_bytes"] / results["templates"],
        "resident_bytes": line(held, resident)[1],
        "database_bytes_per_template": results["database_bytes"] / results["templates"],
    }


def line(given: Sequence[float], found: Sequence[float]) -> tuple[float, float]:
    """Slope and constant of least squares, neither of them negative: through the origin, or level, where one were."""
    x, y = np.array(given, np.float64), np.array(found, np.float64)
    slope, constant = (float(each) for each in np.polyfit(x, y, 1))
    if slope < 0:
        return 0.0, float(y.mean())
    return (slope, constant) if constant >= 0 else (float(x @ y / (x @ x)), 0.0)


def predicted(parts: dict[str, float], templates: int, servers: int) -> dict[str, Any]:
    """What a gallery of so many templates takes on so many servers of shards."""
    share = templates / servers
    search = parts["search_ms"] + parts["search_ms_per_million"] * share / 1e6
    messages = parts["message_ms"] + parts["message_ms_per_shard"] * servers
    merge = parts["merge_ms"] + parts["merge_ms_per_shard"] * servers
    build = (parts["fill_seconds_per_million"] * share + parts["scan_seconds_per_million"] * templates) / 1e6
    return {
        "servers": servers,
        "bytes": parts["bytes_per_template"] * templates,
        "database_bytes": parts["database_bytes_per_template"] * templates,
        "shard_bytes": parts["bytes_per_template"] * share,
        "search_ms": search,
        "messages_ms": messages,
        "merge_ms": merge,
        "database_ms": parts["database_ms"],
        "question_ms": search + messages + merge + parts["database_ms"],
        "build_seconds": parts["start_seconds"] + parts["train_seconds"] + build,
        "restart_seconds": parts["start_seconds"],
    }


def _in_time(parts: dict[str, float], templates: int, servers: int) -> int:
    """The fewest servers, beginning with so many, that answer within `WITHIN_MS`, or are fastest."""
    best = servers
    while predicted(parts, templates, best)["question_ms"] > WITHIN_MS:
        more = math.ceil(best * 1.05)
        if predicted(parts, templates, more)["question_ms"] >= predicted(parts, templates, best)["question_ms"]:
            break
        best = more
    return best
