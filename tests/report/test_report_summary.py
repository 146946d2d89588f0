"""Sentences say what the rows say, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facesearch.evaluation.results import GroupRate, Run
from facesearch.report.compare import compare_runs, printable_comparison
from facesearch.report.matrix_cells import matrices
from facesearch.report.measures import difference_interval, measure_of
from facesearch.report.page import html_page
from facesearch.report.summary import summary
from facesearch.report.texts import runs_csv, runs_tables

from .report_samples import sample_row, sample_run


def sentences(run: Run) -> list[str]:
    (matrix,) = matrices([run])
    return summary(matrix)


def test_identification_is_told_with_its_interval_and_its_count() -> None:
    told = sentences(sample_run("leave-one-out"))
    assert told[0] == (
        "edgeface-xs:fp32@onnx with flat puts the right person first in 99.0 % (95 % 98.0…99.8) of 2,000 searches."
    )


def test_lower_precision_is_told_by_what_it_costs_saves_and_gains() -> None:
    run = sample_run("leave-one-out")
    rows = tuple(
        replace(row, paired=replace(row.paired, delta=-0.004, delta_ci=(-0.007, -0.001)))
        if row.paired and row.encoder == "dlib-resnet:int8@onnx"
        else row
        for row in run.rows
    )
    assert (
        "INT8 of dlib-resnet on onnx costs 0.4 points of top-1 (95 % −0.7…−0.1); its file is 75 % smaller, "
        "and it encodes 2.0× faster."
    ) in sentences(replace(run, rows=rows))


def test_a_loss_whose_interval_holds_zero_could_be_chance() -> None:
    run = sample_run("leave-one-out")
    rows = tuple(
        replace(row, paired=replace(row.paired, delta=-0.004, delta_ci=(-0.009, 0.001))) if row.paired else row
        for row in run.rows
    )
    assert any(
        "costs 0.4 points of top-1 (95 % −0.9…0.1, could be chance)" in each
        for each in sentences(replace(run, rows=rows))
    )


def test_the_smallest_kind_that_surely_costs_little_is_named_and_the_smallest_of_all() -> None:
    told = " ".join(sentences(sample_run("open-set")))
    assert "No small kind is surely within 0.5 points of exact search: sq8 stores 128 bytes" in told
    run = sample_run("leave-one-out")
    paired = {"sq8": (-0.001, (-0.003, 0.001)), "pq32": (-0.02, (-0.022, -0.018))}
    rows = tuple(
        replace(
            row,
            paired=replace(row.paired, baseline="edgeface-xs:fp32@onnx flat", delta=delta, delta_ci=ci),
        )
        for row in run.rows
        if row.encoder == "edgeface-xs:fp32@onnx" and row.paired
        for delta, ci in [paired.get(row.index, (0.0, (0.0, 0.0)))]
    )
    told = " ".join(sentences(replace(run, rows=rows)))
    assert (
        "Of the small kinds, sq8 stores 128 bytes per template instead of 512 (saves 75 %) and costs 0.1 points" in told
    )
    assert "The smallest, pq32 stores 32 bytes per template instead of 512 (saves 93 %), costs 2.0 points" in told


def test_an_open_set_is_told_at_the_fpir_that_can_be_shown() -> None:
    told = sentences(sample_run("open-set"))
    assert told[0].startswith("edgeface-xs:fp32@onnx with flat finds 98.0 % (95 % 97.0…99.0)")
    assert "at most 1 % of strangers are taken for somebody" in told[0]
    assert told[-1] == "900 searches of strangers cannot show an FPIR below 0.0033: nothing is said about 0.001."


def test_pairs_failures_and_ceilings_are_told() -> None:
    told = sentences(sample_run("pairs"))
    assert told[0] == "edgeface-xs:fp32@onnx with flat tells 99.0 % (95 % 98.5…99.5) of 2,000 pairs right."
    assert "3 photos failed to enrol; among the probes, these count as misses." in told
    capped = sample_run("leave-one-out")
    capped = replace(capped, rows=tuple(replace(row, top1_ceiling=0.6925) for row in capped.rows))
    assert "No encoder could exceed 69.2 %: some people have a single photo." in sentences(capped)


def test_where_nothing_was_measured_nothing_is_claimed() -> None:
    run = sample_run("leave-one-out")
    told = sentences(replace(run, rows=(replace(run.rows[0], top1=None, top1_ci=None),)))
    assert told == ["Nothing could be measured: no probe has a right answer in the gallery."]


def test_false_matches_are_told_on_the_whole_and_in_the_worst_group() -> None:
    groups = (
        GroupRate("all", "", 100, 4950, 0.05, 0.001),
        GroupRate("age", "0-4", 20, 190, 0.75, 0.002),
        GroupRate("age", "60+", 10, 45, 0.01, 0.004),
    )
    run = sample_run("leave-one-out")
    row = replace(run.rows[0], protocol="false-match", top1=None, top1_ci=None, groups=groups)
    (told,) = sentences(replace(run, protocol="false-match", rows=(row,)))
    assert "takes 5.000 % by the cosine, by normalised scores 0.100 % of 4,950 pairs for one person" in told
    assert "of 190 pairs of age 0-4, where it is worst, 75.000 % by the cosine, by normalised scores 0.200 %" in told
    (alone,) = sentences(replace(run, protocol="false-match", rows=(replace(row, groups=groups[:1]),)))
    assert "where it is worst" not in alone


def test_false_matches_have_a_line_for_each_group_and_can_be_compared() -> None:
    groups = (
        GroupRate("all", "", 100, 4950, 0.05, 0.001, (0.04, 0.06), (0.0, 0.002)),
        GroupRate("age", "0-4", 20, 190, 0.75, 0.002, (0.5, 1.0), (0.0, 0.004)),
    )
    run = sample_run("leave-one-out")
    row = replace(run.rows[0], protocol="false-match", top1=None, top1_ci=None, groups=groups)
    run = replace(run, protocol="false-match", rows=(row,))
    matrix, by_group = runs_tables([run], wide=False)
    assert matrix.rows[0][2:6] == ["5.000", "0.100", "age 0-4", "0.200"]
    assert by_group.rows[1][2:] == ["age 0-4", "20", "190", "75.000", "50.000…100.000", "0.200", "0.000…0.400", "2.0"]
    assert "75.000" in html_page([run])
    better = replace(groups[0], fmr_normalised=0.0005, fmr_normalised_ci=(0.0, 0.001))
    other = replace(run, id="20261125T010203Z-0123abcd", rows=(replace(row, groups=(better,)),))
    comparison = compare_runs(run, other)
    (change,) = comparison.changes
    assert comparison.measure.name == "FMR, normalised"
    assert change.difference == pytest.approx(-0.0005)
    assert change.interval is not None
    assert "fmr_normalised_age 0-4" in runs_csv([run]).splitlines()[0]
    other_groups = replace(run, id=other.id, rows=(replace(row, groups=(groups[0], replace(groups[1], label="team"))),))
    assert len(matrices([run, other_groups])) == 2
    (table,) = printable_comparison(comparison).tables(False)
    assert table.rows[0][2:5] == ["0.100", "0.050", "−0.050"]


def test_the_measure_of_an_open_set_is_one_that_every_row_can_show() -> None:
    rows = [sample_row("open-set", "dlib-resnet:fp32@onnx", index) for index in ("flat", "sq8")]
    assert measure_of(rows).name == "TPIR at FPIR 0.01"
    without = tuple(replace(point, fnir=None) if point.fpir == 0.01 else point for point in rows[0].operating_points)
    assert measure_of([replace(rows[0], operating_points=without), rows[1]]).name == "TPIR at FPIR 0.1"
    assert measure_of([replace(row, operating_points=()) for row in rows]).name == "top-1"


def test_intervals_of_differences_add_like_independent_errors() -> None:
    low, high = difference_interval(0.5, (0.47, 0.53), 0.6, (0.56, 0.64))
    assert low == pytest.approx(0.05)
    assert high == pytest.approx(0.15)


def test_of_many_encoders_only_the_first_get_a_sentence() -> None:
    run = sample_run("leave-one-out")
    exact = [row for row in run.rows if row.index == "flat"]
    rows = [replace(exact[1], encoder=f"dlib-resnet:w{bits}a8@onnx") for bits in range(2, 9)]
    told = sentences(replace(run, rows=(exact[0], *rows)))
    assert sum("of dlib-resnet on onnx" in each for each in told) == 4
    assert "3 more encoders below FP32 are in the table." in told
