"""The tables and the chart of docs/research/low-bit.md: few bits, and INT8 with the same balancing."""

from __future__ import annotations

from typing import Any

from benchmarks.chart import COLOURS, Chart
from benchmarks.common import kept_results, read_results, table
from benchmarks.figures_int8 import lfw_row, lfw_table

_MODELS = ("edgeface-xs", "edgeface-xxs", "dlib-resnet")
_FULL = "w4a4"
_CHARTED = "edgeface-xs"
_MEBIBYTE = 2**20


def accuracy() -> str:
    """LFW at every precision, all ideas together."""
    rows: list[tuple[str, ...]] = []
    for model in _MODELS:
        if (found := _results(model)) is None:
            continue
        plain = found["fp32"]
        rows.append((f"`{model}`", "fp32", "", "32 / 32", _megabytes(plain["bytes"]), *_shares(plain), "", "", ""))
        rows += [_accuracy_row(row) for row in found["rows"] if " " not in row["row"]]
    columns = ("encoder", "precision", "steps", "bits: weights / activations", "file", "pairs", "top-1")
    return table((*columns, "pairs, to FP32", "top-1, to FP32", "cosine to FP32"), rows)


def ablation() -> str:
    """Methods at four bits, and each part left out."""
    rows: list[tuple[str, ...]] = []
    for model in _MODELS:
        if (found := _results(model)) is not None:
            some = [_ablation_row(row) for row in found["rows"] if row["row"].split(" ")[0] == _FULL]
            rows += [(f"`{model}`" if not number else "", *row) for number, row in enumerate(some)]
    columns = (
        "encoder",
        "method",
        "steps",
        "bits",
        "of FP32",
        "added operations",
        "cosine",
        "pairs",
        "top-1",
        "top-1, to FP32",
    )
    return table((*columns, "top-1, to quantface"), rows)


def int8() -> str:
    """INT8 that runs, with channels balanced before it."""
    rows = []
    for row in read_results("int8_balancing")["rows"]:
        measured_on_lfw = "accuracy" in row
        rows.append(
            (
                f"`{row['model']}`",
                row["backend"],
                row["recipe"],
                row["balancing"],
                f"{row['of_fp32']:.1%}",
                f"{row['utkface_cosine_mean']:.4f}",
                f"{row['utkface_cosine_p1']:.4f}",
                *((_points(row["against_fp32"], key) for key in ("accuracy", "top1")) if measured_on_lfw else ("", "")),
            )
        )
    columns = ("encoder", "runtime", "recipe", "balancing", "of FP32", "cosine to FP32", "p1")
    return table((*columns, "pairs, to FP32", "top-1, to FP32"), rows)


def weights() -> str:
    """Four-bit weights that run as they are, float activations."""
    rows = read_results("lfw_w4")["rows"]
    plain = rows[0]
    files = [f"{_megabytes(row['file_bytes'])}, {row['file_bytes'] / plain['file_bytes']:.1%}" for row in rows]
    return lfw_table("file", [lfw_row(row, plain, file) for row, file in zip(rows, files, strict=True)])


def chart() -> str:
    """What a budget of bits costs in identity similarity: lines with bits allocated, dots with the same everywhere."""
    curves = next(row for row in _results(_CHARTED)["rows"] if row["row"] == _FULL)["pareto"]
    values = [value for points in curves.values() for _, *both in points for value in both if value]
    budgets = range(3, 9)
    drawn = Chart("Loss of identity similarity by average bits", (budgets[0], budgets[-1]), (min(values), max(values)))
    for (side, points), colour in zip(curves.items(), COLOURS[::2], strict=False):
        drawn.line([(bits, shared) for bits, shared, _ in points], colour)
        drawn.dots([(bits, same) for bits, _, same in points if same is not None], colour)
        drawn.name(side, colour)
    return drawn.svg([(bits, str(bits)) for bits in budgets], "average bits")


def _accuracy_row(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        "",
        row["row"],
        str(row["steps"] or ""),
        f"{row['weight_bits']:.2f} / {row['activation_bits']:.2f}",
        f"{_megabytes(row['file_bytes'])}, {row['of_fp32']:.1%}",
        *_shares(row),
        _points(row["against_fp32"], "accuracy"),
        _points(row["against_fp32"], "top1"),
        f"{row['cosine_mean']:.4f}",
    )


def _ablation_row(row: dict[str, Any]) -> tuple[str, ...]:
    name = row["row"].removeprefix(_FULL).strip() or "**quantface**"
    other = row.get("against_w4a4")
    return (
        name,
        str(row["steps"] or ""),
        f"{row['weight_bits']:.2f} / {row['activation_bits']:.2f}",
        f"{row['of_fp32']:.1%}",
        f"{row['added_operations']:.1%}",
        f"{row['cosine_mean']:.4f}",
        *_shares(row),
        _points(row["against_fp32"], "top1"),
        _points(other, "top1") if other else "",
    )


def _shares(row: dict[str, Any]) -> tuple[str, str]:
    return f"{row['accuracy']:.2%}", f"{row['top1']:.2%}"


def _points(difference: dict[str, Any], key: str) -> str:
    """A difference in percentage points with its interval."""
    low, high = difference[f"{key}_interval"]
    return f"{100 * difference[key]:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def _megabytes(count: int) -> str:
    return f"{count / _MEBIBYTE:.2f} MiB"


def _results(model: str) -> Any:
    return kept_results(f"low_bit_{model.replace('-', '_')}")
