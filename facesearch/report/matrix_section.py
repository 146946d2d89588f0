"""The part of the page about one data set and protocol: charts of the matrix, and the matrix itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from facesearch.evaluation.results import Row
from facesearch.report.axes import Axis, linear_axis, log_axis
from facesearch.report.curves import Curve, Stop, curves
from facesearch.report.frame import DESK, PHONE, Size
from facesearch.report.looks import Looks, key_mark
from facesearch.report.markup import Markup, escaped, joined, tag, unbroken
from facesearch.report.matrix_cells import Column, MatrixTable, probe_ms
from facesearch.report.measures import Measure, encoders_of, measure_of
from facesearch.report.scatter import Point, scatter
from facesearch.report.texts import counts
from facesearch.text import figures

MEANINGS = {
    "leave-one-out": "Every image is searched among all others. The answer is right if its first person is.",
    "gallery-probe": "The first image of each person is enrolled, the others are searched: how often the right person "
    "is first, or among the first few.",
    "open-set": "Half of the people are not enrolled. FNIR: enrolled people missed. FPIR: strangers taken for somebody "
    "else. Each threshold trades one for the other.",
    "pairs": "Two photos: the same person or not? Threshold chosen on nine tenths, measured on the tenth, in turn.",
    "false-match": "Every image is compared with those of all other people, in total and within groups: how often two "
    "people match at the encoder's default threshold.",
    "cross-precision": "The gallery is enrolled with one precision of a model and searched with another.",
}


def matrix_section(matrix: MatrixTable, number: int) -> Markup:
    """Heading, key, charts, table."""
    looks = Looks.of(matrix.rows)
    measure = measure_of(matrix.rows)
    figures = [
        _bytes_figure(matrix, looks, measure, number),
        _time_figure(matrix, looks, measure, number),
        _cmc_figure(matrix, looks, number),
        _det_figure(matrix, looks, number),
    ]
    drawn = [figure for figure in figures if figure]
    return tag(
        "section",
        tag("h2", f"{matrix.protocol.capitalize()}, ", tag("bdi", matrix.dataset)),
        tag("p", unbroken(MEANINGS.get(matrix.protocol, "")), class_="muted"),
        tag("p", unbroken(counts(matrix)), class_="facts"),
        _key(looks) if drawn else "",
        tag("div", *drawn, class_="figures") if drawn else "",
        _tools(number),
        _table(matrix, number),
        class_="matrix",
        id=f"m{number}",
    )


def row_name(number: int, row: int) -> str:
    """What marks and table rows have in common."""
    return f"{number}-{row}"


def _key(looks: Looks) -> Markup:
    colours = [tag("li", key_mark(0, colour % 8), escaped(name)) for colour, name in enumerate(looks.colour_names)]
    if looks.by_model:
        colours.append(tag("li", key_mark(0, None, hollow=True), "hollow: below FP32"))
    shapes = [tag("li", key_mark(shape, None), escaped(name)) for shape, name in enumerate(looks.indexes)]
    return joined((tag("ul", *colours, class_="key"), tag("ul", *shapes, class_="key")))


def _figure(title: str, note: str, draw: Callable[[Size], Markup]) -> Markup:
    caption = tag("figcaption", tag("h3", title), tag("p", unbroken(note)))
    return tag("figure", caption, draw(PHONE), draw(DESK))


def _bytes_figure(matrix: MatrixTable, looks: Looks, measure: Measure, number: int) -> Markup | None:
    shown = [row.bytes_per_template for row in matrix.rows if measure.value(row) is not None]
    if not shown:
        return None
    x = log_axis(shown, title="bytes per template (log scale)", base=2)
    note = f"{measure.meaning.capitalize()}, against the size of a template. Bars: 95 % intervals."
    return _scatter(matrix, looks, measure, number, x, lambda row: row.bytes_per_template, ("bytes", note))


def _time_figure(matrix: MatrixTable, looks: Looks, measure: Measure, number: int) -> Markup | None:
    """Against the whole time of a probe; where all rows have one encoder, against that of the search alone."""
    only_search = len(looks.encoders) == 1
    cost = _search_ms if only_search else probe_ms
    shown = [cost(row) for row in matrix.rows if measure.value(row) is not None and cost(row) > 0]
    if not shown:
        return None
    title = "milliseconds per search" if only_search else "milliseconds per probe"
    if max(shown) > 8 * min(shown):
        x = log_axis(shown, title=f"{title} (log scale)")
    else:
        x = linear_axis([*shown, *((0.0,) if only_search else ())], title=title, least=0.25 * max(shown))
    spent = "time of a search" if only_search else "time to encode a crop and search; detection is not included"
    note = f"{measure.meaning.capitalize()}, against the {spent}. Bars: 95 % intervals."
    return _scatter(matrix, looks, measure, number, x, cost, ("milliseconds", note))


def _search_ms(row: Row) -> float:
    return row.search_ms


def _scatter(
    matrix: MatrixTable,
    looks: Looks,
    measure: Measure,
    number: int,
    x: Axis,
    cost: Callable[[Row], float],
    texts: tuple[str, str],
) -> Markup:
    points = []
    for place, row in enumerate(matrix.rows):
        value, interval = measure.value(row), measure.interval(row)
        if value is None:
            continue
        points.append(
            Point(
                cost(row),
                100 * value,
                None if interval is None else (100 * interval[0], 100 * interval[1]),
                looks.of_row(row),
                row.index,
                _tells(row, measure),
                row_name(number, place),
            )
        )
    ends = [end for point in points for end in (point.y, *(point.interval or ()))]
    y = linear_axis(ends, title=f"{measure.name}, %", least=1.0, bounds=(0.0, 100.0))
    quantity, note = texts
    title = f"{measure.name} against {quantity}"
    description = f"{title}, {len(points)} combinations of encoder and index; the values are in the table below."
    return _figure(title[0].upper() + title[1:], note, lambda size: scatter(points, x, y, size, description))


def _tells(row: Row, measure: Measure) -> str:
    interval = measure.interval(row)
    told = f" (95 % {figures.interval(*interval, measure.decimals)})" if interval else ""
    costs = f"{figures.size(row.bytes_per_template)} bytes, {figures.milliseconds(probe_ms(row))} ms"
    return (
        f"{_who(row)}: {measure.name} {figures.percent(measure.value(row) or 0.0, measure.decimals)} %{told}, {costs}"
    )


def _cmc_figure(matrix: MatrixTable, looks: Looks, number: int) -> Markup | None:
    lines = []
    for place, row in enumerate(matrix.rows):
        if len(row.cmc) < 2:
            continue
        points = tuple((float(point.rank), 100 * point.rate) for point in row.cmc)
        marked = [point for point in row.cmc if point.rank in (1, 5, 10, 20, 50)]
        stops = tuple(
            Stop(point.rank, 100 * point.rate, None, f"{_who(row)}: top-{point.rank} {figures.percent(point.rate)} %")
            for point in marked
        )
        lines.append(Curve(points, stops, looks.of_row(row), _who(row), row_name(number, place)))
    if not lines:
        return None
    x = log_axis([x for line in lines for x, _ in line.points], title="rank (log scale)")
    rates = [y for line in lines for _, y in line.points]
    y = linear_axis(rates, title="right person among the first, %", least=1.0, bounds=(0.0, 100.0))
    title = "Identification rate against rank"
    note = "CMC: searches with the right person among the first 1, 5, 10, … candidates, without a threshold."
    return _figure(title, note, lambda size: curves(lines, x, y, size, f"{title} (CMC), {len(lines)} curves."))


def _det_figure(matrix: MatrixTable, looks: Looks, number: int) -> Markup | None:
    lines = []
    for place, row in enumerate(matrix.rows):
        points = sorted((100 * point.fpir, 100 * point.fnir) for point in row.det if point.fpir > 0)
        if len(points) < 2:
            continue
        stops = tuple(
            Stop(
                100 * point.observed_fpir,
                100 * point.fnir,
                None if point.fnir_ci is None else (100 * point.fnir_ci[0], 100 * point.fnir_ci[1]),
                f"{_who(row)}: FNIR {figures.percent(point.fnir)} % at FPIR {point.fpir:g}",
            )
            for point in row.operating_points
            if point.fnir is not None and point.observed_fpir
        )
        look = looks.of_row(row)
        lines.append(Curve(tuple(points), stops, look, _who(row), row_name(number, place), stepped=True))
    if not lines:
        return None
    x = log_axis([x for line in lines for x, _ in line.points], title="FPIR, % of searches of strangers (log scale)")
    errors = _positive([y for line in lines for _, y in line.points])
    y = log_axis(errors, title="FNIR, % of searches of the enrolled (log scale)")
    title = "Misses against false alarms"
    note = "DET: lower and further left is better. A curve on the bottom line has no misses left. Bars: 95 % intervals."
    return _figure(title, note, lambda size: curves(lines, x, y, size, f"{title} (DET), {len(lines)} curves."))


def _positive(values: Sequence[float]) -> list[float]:
    return [value for value in values if value > 0] or [1.0]


def _who(row: Row) -> str:
    return f"{encoders_of(row)}, {row.index}"


def _tools(number: int) -> Markup:
    search = tag("input", type="search", placeholder="int8 pq", aria_controls=f"t{number}", autocomplete="off")
    return tag(
        "div",
        tag("label", "Filter", search, class_="filter", hidden=True),
        tag("label", tag("input", type="checkbox", class_="all"), "all columns"),
        tag("output", aria_live="polite"),
        class_="tools",
    )


def _table(matrix: MatrixTable, number: int) -> Markup:
    columns = matrix.columns()
    head = tag("tr", *(_head(column) for column in columns))
    body = [_line(columns, row, row_name(number, place)) for place, row in enumerate(matrix.rows)]
    label = f"Table of {matrix.protocol}"
    table = tag("table", tag("thead", head), tag("tbody", *body), id=f"t{number}")
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=label)


def _head(column: Column) -> Markup:
    return tag("th", column.title, scope="col", title=column.meaning, class_=_classes(column))


def _line(columns: Sequence[Column], row: Row, name: str) -> Markup:
    parts = []
    for place, column in enumerate(columns):
        value = column.value(row)
        sortable = "" if value is None else value if isinstance(value, str) else repr(float(value))
        text: object = column.text(row)
        if isinstance(value, str):
            text = _breakable(str(text))
        element = "th" if place == 0 else "td"
        scope = "row" if place == 0 else None
        parts.append(tag(element, text, scope=scope, class_=_classes(column), data_value=sortable))
    return tag("tr", *parts, data_row=name)


def _classes(column: Column) -> str | None:
    classes = [] if column.right else ["words"]
    if column.title.startswith("95 %"):
        classes.append("soft")
    if column.level > 1:
        classes.append("detail")
    return " ".join(classes) or None


def _breakable(name: str) -> Markup:
    """On a phone, a name of an encoder is broken before its precision and nowhere else."""
    model, colon, rest = name.partition(":")
    if not colon:
        return escaped(name)
    return joined((tag("span", model, class_="whole"), tag("wbr"), tag("span", f":{rest}", class_="whole")))
