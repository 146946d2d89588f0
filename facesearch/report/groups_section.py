"""False match rates within groups: one line for each encoder and group, as text and on the page."""

from __future__ import annotations

from facesearch.evaluation.results import GroupRate, Interval
from facesearch.report.markup import Markup, tag
from facesearch.report.matrix_cells import MatrixTable
from facesearch.report.measures import FMR_DECIMALS, encoders_of
from facesearch.report.printable import TextTable
from facesearch.text import figures

_HEADING = "false matches by group, % of pairs at the default threshold"
_COLUMNS = ("group", "photos", "pairs", "by cosine", "95 %", "normalised", "95 % of it", "× all")


def groups_table(matrix: MatrixTable) -> TextTable | None:
    """None where photos have no labels. × all: how many times the rate of all photos, by what galleries decide by."""
    rows = [
        [encoders_of(row), row.index, *_cells(group, row.groups[0])]
        for row in matrix.rows
        if len(row.groups) > 1
        for group in row.groups
    ]
    if not rows:
        return None
    return TextTable(_HEADING, ("encoder", "index", *_COLUMNS), _COLUMNS[1:], rows)


def groups_section(matrix: MatrixTable) -> Markup | None:
    """The same on the page."""
    table = groups_table(matrix)
    if table is None:
        return None
    words = len(table.columns) - len(table.right)
    head = tag("tr", *(_cell("th", text, place < words, "col") for place, text in enumerate(table.columns)))
    body = []
    for row in table.rows:
        rest = (_cell("td", text, place < words) for place, text in enumerate(row[1:], start=1))
        body.append(tag("tr", _cell("th", row[0], True, "row"), *rest))
    shown = tag("table", tag("thead", head), tag("tbody", *body))
    title = f"{_HEADING[0].upper()}{_HEADING[1:]}"
    scroll = tag("div", shown, class_="scroll", tabindex="0", role="region", aria_label=title)
    return tag("section", tag("h2", title), scroll)


def _cell(element: str, text: str, words: bool, scope: str | None = None) -> Markup:
    return tag(element, text, scope=scope, class_="words" if words else None)


def _cells(group: GroupRate, everyone: GroupRate) -> list[str]:
    times = "–" if everyone.decided == 0 else figures.fixed(group.decided / everyone.decided, 1)
    return [
        group.name,
        f"{group.photos:,}",
        f"{group.pairs:,}",
        *_rate(group.fmr, group.fmr_ci),
        *_rate(group.fmr_normalised, group.fmr_normalised_ci),
        times,
    ]


def _rate(rate: float | None, interval: Interval | None) -> tuple[str, str]:
    return (
        "–" if rate is None else figures.percent(rate, FMR_DECIMALS),
        "–" if interval is None else figures.interval(*interval, FMR_DECIMALS),
    )
