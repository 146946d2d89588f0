"""The tables of docs/research/scores.md."""

from __future__ import annotations

from benchmarks.common import read_results, table


def by_age() -> str:
    """False matches within age groups, by cohort."""
    found = read_results("normalised_scores")[0]["fmr_percent_by_age"]
    groups = list(found["people"])
    rows = [
        (cohort, *(f"{rates[group]:.2f} %" for group in groups))
        for cohort, rates in found.items()
        if cohort != "people"
    ]
    return table(("cohort", *(f"ages {group} ({found['people'][group]})" for group in groups)), rows)


def on_lfw() -> str:
    """FNIR at FPIR, by cohort."""
    found = read_results("normalised_scores")[0]["fnir"]
    rows = [
        (cohort, *(f"{rate:.4f}" for rate in rates.values()))
        for cohort, rates in found.items()
        if isinstance(rates, dict)
    ]
    return table(("cohort", "FNIR at FPIR 0.1", "0.01", "0.003"), rows)
