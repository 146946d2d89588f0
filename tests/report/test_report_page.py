"""The page: one file, nothing from outside, names are names, every value of the matrix in a table."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from facesearch.evaluation.results import Run
from facesearch.report.errors_section import hardest
from facesearch.report.markup import escaped
from facesearch.report.matrix_cells import matrices
from facesearch.report.page import html_page
from facesearch.report.pictures import picture

from .report_samples import ERRORS, HOSTILE, sample_run, sample_runs


@pytest.fixture(scope="module")
def page() -> str:
    return html_page(sample_runs())


def test_only_the_style_and_the_script_of_the_page_may_run(page: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in html.unescape(policy[1]).split(";"))
    assert rules["default-src"] == "'none'"
    for name in ("style", "script"):
        (code,) = re.findall(f"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{digest}'"
    assert set(rules) == {"default-src", "style-src", "script-src", "base-uri", "form-action"}


def test_nothing_is_asked_of_any_network(page: str) -> None:
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|<iframe|srcset", page.partition("<body>")[2])
    assert set(re.findall(r'href="([^"]*)"', page)) == {"#m0", "#m1", "#m2", "#m3", "#provenance"}
    assert " style=" not in page
    assert " src=" not in page


def test_names_of_people_are_harmless(page: str) -> None:
    assert HOSTILE not in page
    assert escaped(HOSTILE) in page
    assert page.count("<script>") == 1
    page.encode("utf-8")


def test_every_row_of_every_run_is_in_a_table(page: str) -> None:
    runs = sample_runs()
    assert page.count("<tr data-row=") == sum(len(run.rows) for run in runs)
    assert "94.00…95.80" in page


def test_charts_have_a_description_and_a_version_for_phones(page: str) -> None:
    charts = re.findall(r'<svg class="chart (\w+)"[^>]*role="img"><title>([^<]+)</title>', page)
    sizes = [size for size, _ in charts]
    assert sizes.count("narrow") == sizes.count("wide") > 8
    assert page.count('class="chart') == len(charts)
    assert any("(CMC)" in text for _, text in charts)
    assert any("(DET)" in text for _, text in charts)
    assert any(text.startswith("Histogram of encoder dlib-resnet:int8@onnx") for _, text in charts)
    assert any(text.startswith("Bytes on disk") for _, text in charts)


def test_where_a_run_came_from_is_told(page: str) -> None:
    for text in ("facesearch evaluate people --protocol pairs", "ab" * 32, "a processor, 2 cores", "numpy 2.4.6"):
        assert text in page
    assert "1 photo gave no template" in page


def test_a_run_with_next_to_nothing_still_makes_a_page() -> None:
    run = sample_run("leave-one-out")
    bare = replace(
        run.rows[0],
        top1=None,
        top1_ci=None,
        hardest=(),
        paired=None,
        database_bytes=None,
        index_bytes=None,
        gallery_bytes=None,
        peak_memory_bytes=None,
    )
    text = html_page([replace(run, rows=(bare,), failures=())])
    assert "Nothing could be measured" in text
    assert "templates: 999.5 KB" in text


def test_many_encoders_are_told_apart_by_model_and_fill() -> None:
    run = sample_run("leave-one-out")
    names = [
        f"{model}:{precision}@{backend}" for model in ("a", "b") for precision in ("fp32", "int8") for backend in "xyz"
    ]
    rows = tuple(replace(run.rows[0], encoder=name) for name in names)
    text = html_page([replace(run, rows=rows)])
    assert "hollow: below FP32" in text
    hollow = re.findall(r'<path class="mark c(\d) hollow"[^>]*><title>(\w+):(\w+)', text)
    assert set(hollow) == {("0", "a", "int8"), ("1", "b", "int8")}


def test_the_hardest_errors_are_those_that_most_rows_make() -> None:
    (matrix,) = matrices([sample_run("leave-one-out")])
    found = hardest(matrix)
    assert [each.error.probe for each in found] == [error.probe for error in ERRORS]
    assert [each.rows for each in found] == [9, 9, 6]
    assert len(hardest(matrix, count=1)) == 1


def people_run(folder: Path) -> Run:
    run = sample_run("leave-one-out")
    return replace(run, dataset=replace(run.dataset, folder=str(folder)))


def test_pictures_are_there_only_where_they_are_asked_for(tmp_path: Path) -> None:
    for path in ("Nils/Nils_1.jpg", "Edda/Edda_2.jpg"):
        (tmp_path / path).parent.mkdir()
        Image.new("RGB", (500, 400), (200, 30, 30)).save(tmp_path / path)
    run = people_run(tmp_path)
    assert "data:image" not in html_page([run])
    text = html_page([run], picture=picture)
    sources = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"', text)
    assert len(sources) == 2
    assert all(len(base64.b64decode(source)) < 10_000 for source in sources)
    assert "img-src data:" in text


def test_no_picture_is_taken_from_outside_the_data_set(tmp_path: Path) -> None:
    Image.new("RGB", (50, 50)).save(tmp_path / "outside.jpg")
    inside = tmp_path / "people"
    inside.mkdir()
    Image.new("RGB", (50, 50)).save(inside / "in.jpg")
    (inside / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    assert picture(str(inside), "in.jpg") is not None
    for path in ("../outside.jpg", str(tmp_path / "outside.jpg"), "link.jpg", "missing.jpg", ".", "bad\0name"):
        assert picture(str(inside), path) is None
