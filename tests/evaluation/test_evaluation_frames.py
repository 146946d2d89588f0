"""Runs as data frames."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pandas as pd

from facesearch.evaluation.frames import runs_frame
from facesearch.evaluation.results import save_run
from facesearch.report.texts import runs_csv

from .run_samples import full_row, full_run


def test_a_frame_has_the_rows_and_columns_of_the_csv() -> None:
    pairs = replace(full_row(index="flat"), protocol="pairs", top1=None, top1_ci=None, paired=None, operating_points=())
    runs = [full_run("20261124T010203Z-0123abcd"), full_run("20261125T010203Z-0123abcd", full_row(), pairs)]
    frame = runs_frame(*runs)
    lines = list(csv.reader(io.StringIO(runs_csv(runs))))
    assert frame.columns.tolist() == lines[0]
    assert len(frame) == len(lines) - 1 == 3
    assert frame["run"].tolist() == [runs[0].id, runs[1].id, runs[1].id]
    assert frame["top1"].dtype == np.float64
    assert frame["top1"].tolist()[:2] == [0.875, 0.875]
    assert np.isnan(frame["top1"].iloc[2])
    assert frame["fnir_at_fpir_0.1"].iloc[0] == 0.2
    best = frame.sort_values("bytes_per_template").groupby("index")["top1"].max()
    assert best["pq64"] == 0.875


def test_without_runs_all_that_are_stored_are_taken() -> None:
    assert runs_frame().empty
    for run_id in ("20261125T010203Z-0123abcd", "20261124T010203Z-0123abcd"):
        save_run(full_run(run_id))
    assert runs_frame()["run"].tolist() == ["20261124T010203Z-0123abcd", "20261125T010203Z-0123abcd"]


def test_names_that_are_not_utf_8_are_written_out() -> None:
    odd = replace(full_row(), dataset="a\udce9b")
    assert runs_frame(full_run("20261124T010203Z-0123abcd", odd))["dataset"].tolist() == ["a\\udce9b"]


def test_a_run_without_rows_gives_an_empty_frame() -> None:
    frame = runs_frame(replace(full_run(), rows=()))
    assert isinstance(frame, pd.DataFrame)
    assert frame.empty
