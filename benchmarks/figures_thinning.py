"""The tables of docs/research/thinning.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.common import read_results, table

_KEEP = ("1", "3", "5", "10")
_METHODS = (
    "random",
    "first",
    "best quality",
    "most central",
    "farthest points",
    "k-medoids",
    "covering",
    "gallery thin",
    "mean",
    "mean and gallery thin",
)
_RULES = ("mean of the best two", "mean of all", "fused")
_SHOWN = "20"  # least photos of the people in the table of methods


def drawn() -> str:
    """FNIR of each method on people who do not exist, with 3, 5 and 10 templates each."""
    results = read_results("thinning_drawn")
    rows = [("all", *(f"{kind['all']['0']['fnir']:.3f}" for kind in results.values()))]
    rows += [
        (method, *(", ".join(f"{kind[method][keep]['fnir']:.3f}" for keep in _KEEP[1:]) for kind in results.values()))
        for method in _METHODS
    ]
    return table(("kept", *results), rows)


def methods() -> str:
    """FNIR of each method on LFW, as a difference to keeping all."""
    rows = []
    for encoder, results in read_results("thinning").items():
        ways = results["kept"][_SHOWN]["ways"]
        rows.append((encoder, "all", *[f"{100 * ways['all']['fnir']:.2f}"] * len(_KEEP)))
        rows += [(encoder, method, *(_change(ways[f"{method}, {keep}"]) for keep in _KEEP)) for method in _METHODS]
    return table(("encoder", "kept", *(f"N = {keep}" for keep in _KEEP)), rows)


def thinned() -> str:
    """What `gallery thin` costs people with at least 10, 20 and 50 photos."""
    rows = []
    for encoder, results in read_results("thinning").items():
        for least, group in results["kept"].items():
            for keep in ("all", *_KEEP[::-1]):
                way = group["ways"]["all" if keep == "all" else f"gallery thin, {keep}"]
                rows.append(
                    (
                        encoder,
                        f"{least}: {group['people']}, {group['searches']:,}",
                        keep,
                        f"{way['templates']:,}",
                        f"{100 * way['top1']:.2f} {_interval(way['top1_ci'])}",
                        f"{100 * way['fnir']:.2f} {_interval(way['fnir_ci'])}",
                        "" if keep == "all" else _change(way),
                    )
                )
    columns = ("encoder", "photos: people, searches", "kept", "templates", "top-1, %", "FNIR, %", "FNIR, difference")
    return table(columns, rows)


def rules() -> str:
    """Other scores of a person than that of the best template, all templates kept."""
    rows = []
    for encoder, results in read_results("thinning").items():
        for least, group in results["kept"].items():
            ways = group["ways"]
            best = f"{100 * ways['all']['top1']:.2f}, {100 * ways['all']['fnir']:.2f}"
            rows.append((encoder, least, best, *(_both(ways[rule]) for rule in _RULES)))
    return table(("encoder", "photos", "best template: top-1, FNIR, %", *_RULES), rows)


def gallery() -> str:
    """What thinning frees and saves."""
    rows = []
    for encoder, results in read_results("thinning").items():
        for keep, row in results["gallery"].items():
            rows.append(
                (
                    encoder,
                    keep,
                    _pair(f"{each:,}" for each in row["templates"]),
                    *(_pair(f"{each / 1e6:.2f}" for each in row[f"{part}_bytes"]) for part in ("database", "index")),
                    f"{row['freed_bytes'][1] / 1e6:.2f}",
                    _pair(f"{each:.1f}" for each in row["ms per search"]),
                )
            )
    columns = ("encoder", "N", "templates", "database, MB", "index, MB", "freed, MB", "ms per search")
    return table(columns, rows)


def _pair(values: Iterable[str]) -> str:
    return " → ".join(values)


def _change(way: Mapping[str, Any]) -> str:
    return f"{100 * way['fnir_delta']:+.2f} {_interval(way['fnir_delta_ci'])}"


def _both(way: Mapping[str, Any]) -> str:
    return f"{100 * way['top1_delta']:+.2f} {_interval(way['top1_delta_ci'])}, {_change(way)}"


def _interval(ends: Any) -> str:
    return f"[{100 * ends[0]:.2f}, {100 * ends[1]:.2f}]"
