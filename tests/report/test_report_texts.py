"""CSV, JSON and Markdown of runs: complete, and safe in a spreadsheet and in a document."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesearch.report.texts import markdown_cell, printable, runs_csv, runs_document
from facesearch.text.spreadsheets import csv_text

from .report_samples import FORMULA, sample_run, sample_runs


def test_csv_has_a_line_for_each_row_and_a_column_for_each_value() -> None:
    runs = sample_runs()
    records = list(csv.DictReader(io.StringIO(runs_csv(runs))))
    assert len(records) == sum(len(run.rows) for run in runs)
    first = records[0]
    assert (first["run"], first["encoder"], first["index"]) == (runs[0].id, "dlib-resnet:fp32@onnx", "flat")
    assert float(first["top1"]) == 0.95
    assert (float(first["top1_ci_low"]), float(first["top1_ci_high"])) == (0.94, 0.958)
    open_set = next(record for record in records if record["protocol"] == "open-set")
    assert float(open_set["fnir_at_fpir_0.1"]) == pytest.approx(0.05)
    assert open_set["fnir_at_fpir_0.001"] == ""


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum(A1)", "\t=1", " =1", "\r=1", "＝1"])
def test_a_name_that_a_spreadsheet_would_run_is_quoted(name: str) -> None:
    ((cell,),) = list(csv.reader(io.StringIO(csv_text([{"identity": name}]).partition("\n")[2])))
    assert cell == f"'{name}".replace("\r", " ")


def test_negative_numbers_stay_numbers() -> None:
    assert csv_text([{"delta": -0.25}]) == "delta\n-0.25\n"


def test_a_data_set_named_like_a_formula_is_quoted_in_the_csv_of_runs() -> None:
    run = sample_run("leave-one-out")
    rows = tuple(replace(row, dataset=FORMULA) for row in run.rows)
    for record in csv.DictReader(io.StringIO(runs_csv([replace(run, rows=rows)]))):
        assert record["dataset"] == f"'{FORMULA}"


@given(st.lists(st.fixed_dictionaries({"a": st.text(max_size=12), "b": st.integers()}), min_size=1, max_size=6))
def test_csv_of_any_text_is_read_back_in_as_many_rows(records: list[dict[str, object]]) -> None:
    text = csv_text(records)
    text.encode("utf-8")
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(read) == len(records)
    assert not any(record["a"].startswith(("=", "+", "-", "@", "\t", "\r")) for record in read)


def test_json_is_the_contracts_rows_and_what_each_run_was() -> None:
    document = runs_document(sample_runs())
    json.dumps(document, allow_nan=False)
    row = document["rows"][0]
    wanted = {"dataset", "protocol", "encoder", "index", "images", "identities", "probes", "failed_to_enrol", "top1"}
    wanted |= {"top1_ci", "top1_delta_vs_fp32", "cosine_fidelity_encoder", "cosine_fidelity_codec"}
    wanted |= {"bytes_per_template", "storage_saving", "encode_ms", "search_ms", "encoder_bytes"}
    assert wanted <= set(row)
    by_protocol = {each["protocol"]: each for each in document["rows"]}
    assert set(by_protocol["open-set"]["fnir_at_fpir"]) == {"0.1", "0.01", "0.001"}
    assert by_protocol["open-set"]["fnir_at_fpir"]["0.001"] is None
    assert {"accuracy", "tar_at_far"} <= set(by_protocol["pairs"])
    assert document["runs"][0]["versions"] == {"facesearch": "0.1.0", "numpy": "2.4.6"}


def test_markdown_has_a_table_for_each_protocol_with_numbers_to_the_right() -> None:
    text = printable(sample_runs()).markdown()
    assert text.count("### ") == 4
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines[0].startswith("| encoder | index | top-1 % | 95 % |")
    assert lines[1].startswith("| --- | --- | ---: | ---: |")
    assert lines[2].startswith("| dlib-resnet:fp32@onnx | flat | 95.00 | 94.00…95.80 |")


@given(st.text())
def test_a_cell_of_markdown_is_one_cell_whatever_it_holds(text: str) -> None:
    cell = markdown_cell(text)
    assert "\n" not in cell
    unescaped = cell.replace("\\\\", "").replace("\\|", "")
    assert "|" not in unescaped
    assert "<" not in unescaped.replace("\\<", "")
