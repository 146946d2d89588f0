"""The tables of the LFW matrix, from runs that are made up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from benchmarks import figures_evaluation
from benchmarks.lfw_matrix import PROTOCOLS, summary

from .run_samples import full_row, full_run


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for protocol in PROTOCOLS:
        row = full_row()
        points = tuple(replace(row.operating_points[0], fpir=rate) for rate in (0.1, 0.01, 0.003, 0.001))
        row = replace(row, protocol=protocol, operating_points=points if protocol == "open-set" else ())
        if protocol != "open-set":
            row = replace(row, non_mated=None)
        rates = tuple(replace(row.accept_rates[0], far=far) for far in (0.1, 0.01, 0.001))
        ranks = tuple(replace(row.cmc[0], rank=rank) for rank in (1, 5, 10, 20, 50))
        row = replace(row, accept_rates=rates if protocol == "pairs" else (), cmc=ranks)
        runs.append(summary(replace(full_run("20261124T010203Z-0123abcd", row), protocol=protocol), 1.0))
    written: Any = json.loads(json.dumps({"runs": runs}))
    monkeypatch.setattr(figures_evaluation, "read_results", lambda name: written)


@pytest.mark.parametrize(
    "name, cell",
    [
        ("data", "| open-set | 10 | 4 | 9 | 8 | 100 | 1 |"),
        ("identification", "| `dlib-resnet:fp32@onnx` | `pq64` | 0.8750 | 0.5000–1.0000 | -10.00 (-20.00 to +0.00) |"),
        ("closed_set", "| 0.8750 | 0.8750 |"),
        ("open_set", "| 0.2000 (0.100–0.300) |"),
        ("pairs", "| 0.9900 ± 0.0100 |"),
        ("cross_precision", "| `dlib-resnet:fp32@onnx` | `dlib-resnet:int8@onnx` | `pq64` |"),
    ],
)
def test_every_table_shows_what_its_run_found(name: str, cell: str) -> None:
    table = getattr(figures_evaluation, name)()
    assert cell in table
    head, rule, *rows = table.splitlines()
    assert {line.count("|") for line in (head, rule, *rows)} == {head.count("|")}


def test_results_name_nobody() -> None:
    row = full_row()
    written = json.dumps(summary(full_run("20261124T010203Z-0123abcd", row), 1.0))
    for error in row.hardest:
        assert error.probe not in written
        assert error.found not in written
