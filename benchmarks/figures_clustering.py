"""The tables of docs/research/clustering.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common import read_results, table

_PARAMETERS = {"own": "its own", "usual": "usual", "chosen": "chosen elsewhere"}


def lfw() -> str:
    return _compared("LFW")


def noise() -> str:
    """LFW with the faces of UTKFace, each of another person."""
    return _compared("LFW + UTKFace")


def grown() -> str:
    """A hundred thousand faces."""
    rows = [row for row in read_results("clustering")["rows"] if row["set"] == "grown"]
    return table(
        ("encoder", "faces", "pairwise P / R / F", "BCubed P / R / F", "CPU s", "s", "peak MiB"),
        [(f"`{row['encoder']}`", f"{row['faces']:,}", *_measures(row)) for row in rows],
    )


def photos() -> str:
    """What it brings to know which faces are in one photo."""
    return table(
        ("encoder", "faces in one photo", "pairwise P / R / F", "BCubed P / R / F"),
        [
            (f"`{row['encoder']}`", row["photos"], _three(row["pairwise"]), _three(row["bcubed"]))
            for row in read_results("clustering")["photos"]
        ],
    )


def growing() -> str:
    """What stays together when as many faces again are added."""
    return table(
        ("encoder", "clusters of half the faces", "of them whole among all", "pairs still together"),
        [
            (f"`{row['encoder']}`", f"{row['clusters']:,}", f"{row['whole']:,}", f"{row['pairs_kept']:.4f}")
            for row in read_results("clustering")["growing"]
        ],
    )


def _compared(name: str) -> str:
    rows = [row for row in read_results("clustering")["rows"] if row["set"] == name]
    return table(
        ("way", "parameter", "encoder", "pairwise P / R / F", "BCubed P / R / F", "CPU s", "s", "peak MiB"),
        [
            (
                row["method"],
                f"{_PARAMETERS[row['parameter']]}: {row['value']:g}",
                f"`{row['encoder']}`",
                *_measures(row),
            )
            for row in rows
        ],
    )


def _measures(row: Any) -> tuple[str, ...]:
    return (
        _three(row["pairwise"]),
        _three(row["bcubed"]),
        f"{row['cpu_seconds']:.1f}",
        f"{row['seconds']:.1f}",
        f"{row['peak_mib']:,}",
    )


def _three(scores: Any) -> str:
    return f"{scores['precision']:.4f} / {scores['recall']:.4f} / {scores['f']:.4f}"
