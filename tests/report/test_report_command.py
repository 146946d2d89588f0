"""facesearch report: which runs, in which form, and what is wrong usage."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Command

from facesearch.evaluation.results import find_run, save_run

from .report_samples import sample_run


def test_the_latest_run_is_shown_as_a_table(stored: list[str], facesearch: Command) -> None:
    outcome = facesearch("report")
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].startswith("people, pairs: 2,000 images of 500 people, 2,000 pairs")
    assert lines[1].split() == ["encoder", "index", "accuracy", "%", "95", "%", "vs", "FP32", "bytes", "ms"]
    assert lines[2].split() == ["dlib-resnet:fp32@onnx", "flat", "95.00", "94.50…95.50", "0.00", "512", "4.50"]
    assert len(lines) == 2 + 9


@pytest.mark.parametrize("protocol", ["leave-one-out", "gallery-probe", "open-set", "pairs"])
def test_a_table_fits_eighty_columns_and_verbose_shows_all(
    protocol: str, stored: list[str], facesearch: Command
) -> None:
    name = next(name for name in stored if find_run(name).protocol == protocol)
    narrow = facesearch("report", "--run", name).out.splitlines()[1:]
    assert max(len(line.rstrip()) for line in narrow) <= 80
    wide = facesearch("report", "--run", name, "-v").out.splitlines()[1:]
    assert "cosine codec" in wide[0]
    assert "search ms" in wide[0]


def test_runs_are_chosen_by_id_by_its_beginning_or_all(stored: list[str], facesearch: Command) -> None:
    assert facesearch("report", "--run", stored[0]).out.startswith("people, leave-one-out")
    assert facesearch("report", "--run", stored[1][:15]).out.startswith("people, gallery-probe")
    both = facesearch("report", "--run", stored[3], "--run", stored[0], "--json")
    assert [run["run"] for run in json.loads(both.out)["runs"]] == [stored[0], stored[3]]
    everything = facesearch("report", "--all").out
    assert len(everything.split("\n\n")) == 4


def test_all_shows_the_newest_figures_of_a_combination(stored: list[str], facesearch: Command) -> None:
    newer = sample_run("leave-one-out", 8)
    rows = tuple(replace(row, top1=0.5) for row in newer.rows if row.index == "flat")
    save_run(replace(newer, rows=rows))
    table = facesearch("report", "--all").out.split("\n\n")[0]
    assert len(table.splitlines()) == 2 + 9
    assert table.count(" 50.00 ") == 3
    assert len(json.loads(facesearch("report", "--all", "--json").out)["rows"]) == 4 * 9 + 3


def test_runs_are_listed(stored: list[str], facesearch: Command) -> None:
    lines = facesearch("report", "--list").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == stored
    assert [each["run"] for each in json.loads(facesearch("report", "--list", "--json").out)["runs"]] == stored


def test_every_form_holds_the_same_figures(stored: list[str], facesearch: Command) -> None:
    arguments = ("report", "--run", stored[0])
    rows = json.loads(facesearch(*arguments, "--json").out)["rows"]
    records = list(csv.DictReader(io.StringIO(facesearch(*arguments, "--csv").out)))
    assert [float(record["top1"]) for record in records] == [row["top1"] for row in rows]
    text = facesearch(*arguments, "--markdown").out
    for row in rows:
        assert f"| {row['encoder']} | {row['index']} | {100 * row['top1']:.2f} |" in text


def test_the_page_is_written_and_forms_for_programs_stay_clean(
    stored: list[str], facesearch: Command, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    outcome = facesearch("report", "--all", "--html", page)
    assert outcome.out.startswith(f"wrote {page}: 4 runs, ")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    outcome = facesearch("report", "--html", page, "--json")
    assert json.loads(outcome.out)["rows"]
    assert "wrote" in outcome.err


def test_two_runs_are_compared_row_by_row(stored: list[str], facesearch: Command) -> None:
    old = sample_run("leave-one-out")
    changed = [replace(row, top1=row.top1 - 0.05, top1_ci=(0.88, 0.92)) for row in old.rows[1:] if row.top1]
    extra = replace(old.rows[0], index="sq4")
    new = replace(sample_run("leave-one-out", 9), rows=(*changed, extra))
    save_run(new)
    outcome = facesearch("report", "--compare", stored[0], new.id, "--json")
    document = json.loads(outcome.out)
    assert len(document["rows"]) == 8
    first = document["rows"][0]
    assert (first["index"], first["difference"]) == ("sq8", pytest.approx(-0.05))
    assert first["difference_low"] < -0.05 < first["difference_high"] < 0
    assert [row["index"] for row in document["only_before"]] == ["flat"]
    assert [row["index"] for row in document["only_after"]] == ["sq4"]
    assert "as of two independent runs" in outcome.err
    table = facesearch("report", "--compare", stored[0], new.id).out
    assert "−5.00" in table
    assert f"only in {new.id}" in table
    assert "only in" in facesearch("report", "--compare", stored[0], new.id, "--markdown").out
    records = list(csv.DictReader(io.StringIO(facesearch("report", "--compare", stored[0], new.id, "--csv").out)))
    assert [record["in"] for record in records] == ["both"] * 8 + ["before", "after"]


def test_a_comparison_says_what_spoils_it(stored: list[str], facesearch: Command) -> None:
    new = sample_run("leave-one-out", 9)
    save_run(
        replace(new, dataset=replace(new.dataset, sha256="cd" * 32), machine=replace(new.machine, cpu="another one"))
    )
    told = facesearch("report", "--compare", stored[0], new.id).out
    assert "different data" in told
    assert "different machines" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--csv", "--json"), "--csv and --json do not go together"),
        (("--all", "--list"), "do not go together"),
        (("--pictures",), "--pictures belongs to a page"),
        (("--list", "--html", "x.html"), "--html shows runs"),
        (("--run", "1999"), "no stored run is named 1999"),
        (("--run", "2026"), "4 stored runs are named 2026"),
        (("--compare", "20261124T010200Z", "20261124T010203Z"), "different protocols"),
    ],
)
def test_wrong_usage_is_one_line(words: tuple[str, ...], message: str, stored: list[str], facesearch: Command) -> None:
    outcome = facesearch("report", *words)
    assert outcome.status == 2
    assert outcome.out == "" or outcome.json == {"error": outcome.err.removeprefix("error: ").rstrip()}
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_without_runs_it_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facesearch: Command
) -> None:
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path))
    for words in ((), ("--all",)):
        outcome = facesearch("report", *words)
        assert outcome.status == 2
        assert "facesearch evaluate" in outcome.err
    assert facesearch("report", "--list", "--json").out.split() == ["{", '"runs":', "[]", "}"]


def test_a_page_that_cannot_be_written_is_one_line(stored: list[str], facesearch: Command, tmp_path: Path) -> None:
    outcome = facesearch("report", "--html", tmp_path / "missing" / "page.html")
    assert outcome.status == 1
    assert len(outcome.err.splitlines()) == 1
