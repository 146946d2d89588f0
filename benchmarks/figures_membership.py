"""The tables of docs/research/indexes.md on what is learnt from people, and on the ranges of scalar codes."""

from __future__ import annotations

from benchmarks.common import read_results, table

MODELS = ("mobilefacenet",)
_RANGES = {
    "gallery": "learnt from the gallery",
    "drawn": "learnt from drawn vectors",
    "fixed": "fixed, as galleries do",
}


def membership() -> str:
    """AUC of telling members from others, and top-1, of what is learnt from the gallery and from nobody."""
    columns = (
        "model, kind",
        "templates",
        "AUC, learnt from the gallery",
        "AUC, as galleries do",
        "AUC, without statistics",
        "top-1, exact",
        "learnt from the gallery",
        "as galleries do",
        "without statistics",
    )
    return table(
        columns,
        [
            (
                f"{model}, `{row['kind']}`",
                f"{row['size']:,}",
                *(f"{row[f'auc_{name}']:.2f}" for name in ("members", "drawn", "directions")),
                *(f"{row[f'top1_{name}']:.4f}" for name in ("exact", "members", "drawn", "directions")),
            )
            for model in MODELS
            for row in read_results(f"membership_{model}")["rows"]
        ],
    )


def scalar() -> str:
    """Top-1 and errors of scores of scalar codes by where their ranges come from."""
    rows = read_results("scalar_ranges")["rows"]
    groups = ("lfw", "children", "alike")
    columns = (
        "model, code",
        "ranges",
        "top-1 (exact)",
        *("error of scores, LFW", "children under five", "vectors alike, of no face"),
        *("clipped, LFW", "children under five", "vectors alike"),
    )
    return table(
        columns,
        [
            (
                f"{row['model']}, `sq{row['bits']}`",
                _RANGES[row["ranges"]],
                f"{row['top1']:.4f} ({row['top1_exact']:.4f})",
                *(f"{row[name]['rms']:.4f}, at most {row[name]['greatest']:.3f}" for name in groups),
                *(f"{100 * row[name]['clipped']:.2g} %" for name in groups),
            )
            for row in rows
        ],
    )
