"""What larger galleries take, from what was measured of one in shards.

Each figure is a sum of measured parts, grown with the templates of a shard (what a search and an index take), with all
templates (what the database reads for a shard) or with the number of shards (messages, merging). What is assumed beyond
that: each shard has a machine of its own, as fast as this one, and one thread searches it; messages take what they take
on loopback, and a network's own time comes on top; the database reads from memory as it does here.
"""

from __future__ import annotations

import math
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
            by_memory = math.ceil(templates * parts["bytes_per_template"] / (USABLE * MEMORY))
            for why, servers in (("memory", by_memory), ("time", _in_time(parts, templates, by_memory))):
                rows.append({"kind": kind, "templates": templates, "why": why, **predicted(parts, templates, servers)})
    return rows


def fitted(results: dict[str, Any], measured: dict[str, Any]) -> dict[str, float]:
    """The parts: slopes and constants of least squares over the shards that were measured."""
    held, searched, started, resident = [], [], [], []
    for each in measured["shards"].values():
        held.append(float(np.mean(each["templates"])))
        searched.append(each["one_ms"]["median_ms"])
        started.append(float(np.mean(each["start_seconds"])) - each["restart_seconds"])
        resident.append(float(np.mean(each["resident_bytes"])))
    search_slope, search_constant = np.polyfit(held, searched, 1)
    build_slope, build_constant = np.polyfit(held, started, 1)
    memory_slope, memory_constant = np.polyfit(held, resident, 1)
    shards = sorted(map(int, measured["shards"]))
    pings = [measured["shards"][str(count)]["ping_ms"]["median_ms"] for count in shards]
    ping_slope, ping_constant = np.polyfit(shards, pings, 1)
    counts = sorted(map(int, results["merge_ms"]))
    merge_slope, merge_constant = np.polyfit(counts, [results["merge_ms"][str(count)] for count in counts], 1)
    return {
        "search_ms_per_million": 1e6 * float(search_slope),
        "search_ms": max(0.0, float(search_constant)),
        "message_ms_per_shard": max(0.0, float(ping_slope)),
        "message_ms": max(0.0, float(ping_constant)),
        "merge_ms_per_shard": float(merge_slope),
        "merge_ms": max(0.0, float(merge_constant)),
        "database_ms": measured["database_ms"]["median_ms"],
        "build_seconds_per_million": 1e6 * float(build_slope),
        "read_seconds_per_million": 1e6 * max(0.0, float(build_constant)) / results["templates"],
        "start_seconds": float(np.mean([each["restart_seconds"] for each in measured["shards"].values()])),
        "bytes_per_template": measured["whole"]["index_bytes"] / results["templates"],
        "resident_bytes_per_template": float(memory_slope),
        "resident_bytes": float(memory_constant),
        "database_bytes_per_template": results["database_bytes"] / results["templates"],
    }


def predicted(parts: dict[str, float], templates: int, servers: int) -> dict[str, Any]:
    """What a gallery of so many templates takes on so many servers of shards."""
    share = templates / servers
    search = parts["search_ms"] + parts["search_ms_per_million"] * share / 1e6
    messages = parts["message_ms"] + parts["message_ms_per_shard"] * servers
    merge = parts["merge_ms"] + parts["merge_ms_per_shard"] * servers
    build = (parts["build_seconds_per_million"] * share + parts["read_seconds_per_million"] * templates) / 1e6
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
        "build_seconds": parts["start_seconds"] + build,
        "lost_seconds": parts["start_seconds"] + build,
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
