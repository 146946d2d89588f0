"""The tables of docs/research/compact.md, from results/compact_templates.json."""

from __future__ import annotations

from typing import Any

from benchmarks.common import read_results, table

_MEGABYTE = 1e6


def loss() -> str:
    """Top-1 on LFW per kind, by bytes per template, for EdgeFace-XS."""
    part = read_results("compact_templates")["edgeface-xs"]
    rows = sorted(part["rows"], key=lambda row: (-row["bytes_per_template"], -row["top1"]))
    return table(
        ("bytes", "saved", "kind", "top-1", "to exact, points (95 %)", "lost / gained", "both coded, points", "cosine"),
        [_loss(row) for row in rows],
    )


def others() -> str:
    """The same for the other encoders, in short."""
    found = []
    for model, part in read_results("compact_templates").items():
        if model == "edgeface-xs":
            continue
        ordered = sorted(part["rows"], key=lambda row: (-row["bytes_per_template"], -row["top1"]))
        found += [(f"`{model}`", *_loss(row)) for row in ordered]
    return table(
        ("encoder", "bytes", "saved", "kind", "top-1", "to exact (95 %)", "lost / gained", "coded", "cosine"), found
    )


def whole() -> str:
    """Bytes on disk of a real gallery folder of all LFW templates."""
    part = read_results("compact_templates")["edgeface-xs"]
    rows = [row for row in part["rows"] if "database_bytes" in row]
    rows.sort(key=lambda row: -row["bytes_per_template"])
    exact = next(_whole(row) for row in rows if row["kind"] == "flat")
    return table(
        ("kind", "bytes per template", "index, MB", "database, MB", "whole gallery, MB", "per template", "saved"),
        [
            (
                f"`{row['kind']}`",
                str(row["bytes_per_template"]),
                f"{row['index_bytes'] / _MEGABYTE:.2f}",
                f"{row['database_bytes'] / _MEGABYTE:.2f}",
                f"{_whole(row) / _MEGABYTE:.2f}",
                f"{_whole(row) / part['photos']:.0f}",
                f"{1 - _whole(row) / exact:.1%}",
            )
            for row in rows
        ],
    )


def _whole(row: dict[str, Any]) -> int:
    return int(row["index_bytes"]) + int(row["database_bytes"])


def _loss(row: dict[str, Any]) -> tuple[str, ...]:
    points = f"{row['points']:+.2f} ({row['points_low']:+.2f} to {row['points_high']:+.2f})"
    exact = row["kind"] == "flat"
    full = row["bytes_per_template"] / row["full_bytes"]
    return (
        str(row["bytes_per_template"]),
        f"{1 - full:.1%}",
        f"`{row['kind']}`",
        f"{row['top1']:.4f}",
        "–" if exact else points,
        "–" if exact else f"{row['lost']} / {row['gained']}",
        "–" if exact else f"{row['points_coded']:+.2f}",
        f"{row['cosine']:.4f}",
    )
