"""The page in a real browser: phones and desks, light and dark, on paper, with and without scripts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from facesearch.report.page import html_page
from facesearch.report.pictures import picture
from scripts.chromium import Page, find_chromium, open_page

from .report_samples import HOSTILE, sample_run, sample_runs

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: install it (apt-get install chromium) or set FACESEARCH_CHROMIUM"
)
PHONE: dict[str, Any] = {"width": 360, "height": 740, "mobile": True}
DESK: dict[str, Any] = {"width": 1280, "height": 900}

# Boxes of all texts of the charts that are shown: [chart, text, left, top, right, bottom]
TEXTS = """
[...document.querySelectorAll('svg.chart')].filter(chart => chart.getClientRects().length).flatMap((chart, number) =>
  [...chart.querySelectorAll('text')].map(text => {
    const box = text.getBoundingClientRect();
    return [number, text.textContent, box.left, box.top, box.right, box.bottom];
  }))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    assert CHROMIUM is not None
    with open_page(CHROMIUM) as page:
        yield page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All protocols; one picture among the hardest errors."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "Nils").mkdir()
    Image.new("RGB", (200, 200), (200, 120, 90)).save(folder / "Nils" / "Nils_1.jpg")
    runs = [replace(run, dataset=replace(run.dataset, folder=str(folder))) for run in sample_runs()]
    path = folder / "report.html"
    path.write_text(html_page(runs, picture=picture), encoding="utf-8")
    return path


@pytest.mark.parametrize("window", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_loads_alone_without_a_complaint_and_without_sideways_scrolling(
    window: dict[str, Any], dark: bool, browser: Page, report: Path
) -> None:
    browser.view(**window, dark=dark)
    browser.requests.clear()
    browser.messages.clear()
    browser.open(report)
    assert browser.evaluate("document.documentElement.scrollWidth") == window["width"]
    assert browser.evaluate("document.querySelectorAll('img').length") > 0
    assert browser.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert browser.evaluate("getComputedStyle(document.querySelector('.page')).maxWidth") == "1180px"
    assert browser.messages == []
    assert {url for url in browser.requests if not url.startswith("data:image/jpeg;base64,")} == {
        report.resolve().as_uri()
    }


@pytest.mark.parametrize("window", [PHONE, DESK], ids=["phone", "desk"])
def test_no_two_texts_of_a_chart_overlap_and_none_is_cut_off(
    window: dict[str, Any], browser: Page, report: Path
) -> None:
    browser.view(**window, dark=False)
    browser.open(report)
    texts = browser.evaluate(TEXTS)
    assert len(texts) > 100
    for number, (chart, text, left, top, right, bottom) in enumerate(texts):
        assert left >= -0.5, text
        assert right <= window["width"] + 0.5, text
        assert bottom - top >= 10, f"{text} is too small to read"
        for other_chart, other, *box in texts[number + 1 :]:
            if chart == other_chart:
                across = min(right, box[2]) - max(left, box[0])
                down = min(bottom, box[3]) - max(top, box[1])
                assert across <= 1 or down <= 2, f"{text} and {other} overlap"


def test_a_table_sorts_by_a_click_on_a_heading(browser: Page, report: Path) -> None:
    browser.view(**DESK, dark=False)
    browser.open(report)
    headings = browser.evaluate("[...document.querySelectorAll('#t0 thead th')].map(head => head.textContent)")
    place = headings.index("top-1 %")
    column = f"[...document.querySelectorAll('#t0 tbody tr')].map(row => row.cells[{place}].textContent)"
    click = f"document.querySelectorAll('#t0 thead button')[{place}].click()"
    before = browser.evaluate(column)
    browser.evaluate(click)
    assert browser.evaluate(column) == sorted(before, key=float, reverse=True)
    assert browser.evaluate(f"document.querySelectorAll('#t0 thead th')[{place}].ariaSort") == "descending"
    browser.evaluate(click)
    assert browser.evaluate(column) == sorted(before, key=float)
    browser.evaluate("document.querySelectorAll('#t0 thead button')[1].click()")
    kinds = browser.evaluate("[...document.querySelectorAll('#t0 tbody tr')].map(row => row.cells[1].textContent)")
    assert kinds == sorted(kinds)
    assert browser.evaluate("document.querySelectorAll('#t0 [aria-sort]').length") == 1


def test_a_filter_leaves_the_rows_with_all_its_words(browser: Page, report: Path) -> None:
    browser.view(**DESK, dark=False)
    browser.open(report)
    assert browser.evaluate("document.querySelector('#m0 output').textContent") == "9 rows"
    browser.evaluate(
        "const field = document.querySelector('#m0 input[type=search]'); field.value = 'INT8 sq8';"
        "field.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    shown = browser.evaluate(
        "[...document.querySelectorAll('#t0 tbody tr')].filter(row => row.getClientRects().length)"
        ".map(row => row.cells[0].textContent)"
    )
    assert shown == ["dlib-resnet:int8@onnx"]
    assert browser.evaluate("document.querySelector('#m0 output').textContent") == "1 of 9 rows"


def test_all_columns_are_there_when_they_are_asked_for(browser: Page, report: Path) -> None:
    browser.view(**DESK, dark=False)
    browser.open(report)
    shown = "[...document.querySelectorAll('#t0 thead th')].filter(head => head.getClientRects().length).length"
    few = browser.evaluate(shown)
    browser.evaluate("document.querySelector('#m0 .all').click()")
    assert browser.evaluate(shown) > few


def test_pointing_at_a_row_picks_its_marks(browser: Page, report: Path) -> None:
    browser.view(**DESK, dark=False)
    browser.open(report)
    browser.evaluate(
        "document.querySelector('#t0 tbody tr:nth-child(2)').dispatchEvent(new Event('pointerover', {bubbles: true}))"
    )
    picked = browser.evaluate("[...document.querySelectorAll('#m0 .picked')].map(each => each.dataset.row)")
    assert len(picked) > 4
    assert set(picked) == {"0-1"}


def test_without_scripts_it_is_a_plain_table_with_every_row(browser: Page, report: Path) -> None:
    browser.view(**DESK, dark=False)
    browser.open(report, scripts=False)
    seen = io.BytesIO(browser.screenshot(whole=True))
    assert browser.evaluate("document.querySelectorAll('#t0 tbody tr').length") == 9
    assert browser.evaluate("document.querySelectorAll('thead button').length") == 0
    assert browser.evaluate("document.querySelector('#m0 .filter').getClientRects().length") == 0
    assert Image.open(seen).height > 2000


def test_light_and_dark_are_drawn_and_differ(browser: Page, report: Path) -> None:
    papers = []
    for dark in (False, True):
        browser.view(**DESK, dark=dark)
        browser.open(report)
        browser.evaluate("document.querySelector('#m0').scrollIntoView({behavior: 'instant'})")
        image = Image.open(io.BytesIO(browser.screenshot())).convert("RGB")
        colours = image.getcolors(1 << 24)
        assert colours is not None
        assert len(colours) > 200  # it is not blank
        papers.append(max(colours)[1])
    light, dark_paper = papers
    assert isinstance(light, tuple)
    assert isinstance(dark_paper, tuple)
    assert min(light) > 240
    assert max(dark_paper) < 40


def test_it_prints_on_pages_of_paper(browser: Page, report: Path) -> None:
    browser.view(**DESK, dark=True)
    browser.open(report)
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert 2 <= pdf.count(b"/Type /Page\n") <= 20


def test_a_name_that_is_a_script_is_shown_and_does_not_run(browser: Page, tmp_path: Path) -> None:
    name = f"{HOSTILE}<img src=x onerror=alert(1)>"
    run = sample_run("leave-one-out")
    error = replace(run.rows[0].hardest[0], identity=name, probe=name)
    rows = tuple(replace(row, hardest=(error,), dataset=name) for row in run.rows)
    path = tmp_path / "hostile.html"
    path.write_text(html_page([replace(run, rows=rows, command=f"facesearch evaluate {name}")]), encoding="utf-8")
    browser.messages.clear()
    browser.requests.clear()
    browser.view(**PHONE, dark=False)
    browser.open(path)
    assert browser.evaluate("document.querySelector('.errors bdi').textContent") == name
    assert browser.evaluate("[document.scripts.length, document.images.length]") == [1, 0]
    assert browser.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert browser.messages == []
    assert set(browser.requests) == {path.resolve().as_uri()}


def test_code_that_is_not_the_pages_own_may_not_run(browser: Page, report: Path, tmp_path: Path) -> None:
    path = tmp_path / "changed.html"
    text = report.read_text(encoding="utf-8")
    path.write_text(text.replace("</main>", "<script>document.title = 'taken'</script></main>"), encoding="utf-8")
    browser.open(path)
    assert browser.evaluate("document.title") != "taken"
    assert any("Content Security Policy" in message for message in browser.messages)
    browser.messages.clear()
