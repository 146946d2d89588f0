"""The table of docs/research/indexes.md on membership, from results/membership.json."""

from __future__ import annotations

from benchmarks.common import read_results, table


def membership() -> str:
    """AUC of telling members from others, and top-1, of what is learnt from the gallery and from nobody."""
    rows = read_results("membership")["rows"]
    columns = (
        "kind",
        "templates",
        "AUC, learnt from the gallery",
        "AUC, as galleries do",
        "top-1, exact",
        "learnt from the gallery",
        "as galleries do",
    )
    return table(
        columns,
        [
            (
                f"`{row['kind']}`",
                f"{row['size']:,}",
                f"{row['auc_members']:.2f}",
                f"{row['auc_nobody']:.2f}",
                *(f"{row[f'top1_{name}']:.4f}" for name in ("exact", "members", "nobody")),
            )
            for row in rows
        ],
    )
