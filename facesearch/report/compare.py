"""Two runs row by row: what changed, with intervals, and what only one of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facesearch.errors import UsageError
from facesearch.evaluation.results import Interval, Row, Run
from facesearch.report.matrix_cells import probe_ms
from facesearch.report.measures import Measure, difference_interval, encoders_of, measure_of
from facesearch.report.printable import Printable, TextTable
from facesearch.report.texts import tables_markdown
from facesearch.text import figures
from facesearch.text.spreadsheets import csv_text


@dataclass(frozen=True, slots=True)
class Change:
    """The same encoder and index in both runs. difference: after − before; None where one was not measured."""

    before: Row
    after: Row
    difference: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows of both runs, rows of only one, and what a reader has to know."""

    before: Run
    after: Run
    measure: Measure
    changes: tuple[Change, ...]
    only_before: tuple[Row, ...]
    only_after: tuple[Row, ...]

    @property
    def remarks(self) -> list[str]:
        told = []
        if self.before.dataset.sha256 != self.after.dataset.sha256:
            told.append("The runs measured different data: differences may come from the data.")
        elif any(change.interval for change in self.changes):
            told.append("Intervals are as of two independent runs; on the same data the true ones are narrower.")
        if self.before.machine != self.after.machine:
            told.append("The runs were made on different machines: do not compare their milliseconds.")
        return told


def compare_runs(before: Run, after: Run) -> Comparison:
    """Raises `UsageError` where the protocols differ, as then nothing can be compared."""
    if before.protocol != after.protocol:
        protocols = f"{before.protocol} and {after.protocol}"
        raise UsageError(f"runs {before.id} and {after.id} have different protocols ({protocols}): nothing to compare")
    measure = measure_of([*before.rows, *after.rows])
    old, new = ({_combination(row): row for row in run.rows} for run in (before, after))
    return Comparison(
        before,
        after,
        measure,
        tuple(_change(old[key], new[key], measure) for key in old if key in new),
        tuple(row for key, row in old.items() if key not in new),
        tuple(row for key, row in new.items() if key not in old),
    )


def _combination(row: Row) -> tuple[str, str, str | None]:
    return row.encoder, row.index, row.probe_encoder


def _change(before: Row, after: Row, measure: Measure) -> Change:
    old, new = measure.value(before), measure.value(after)
    if old is None or new is None:
        return Change(before, after, None, None)
    intervals = measure.interval(before), measure.interval(after)
    if intervals[0] is None or intervals[1] is None:
        return Change(before, after, new - old, None)
    return Change(before, after, new - old, difference_interval(old, intervals[0], new, intervals[1]))


def printable_comparison(comparison: Comparison) -> Printable:
    """A comparison in every form."""
    return Printable(
        tables=lambda wide: _tables(comparison, wide=wide),
        document=lambda: _document(comparison),
        csv=lambda: csv_text(_records(comparison)),
        markdown=lambda: tables_markdown(_tables(comparison, wide=True)),
    )


def _tables(comparison: Comparison, *, wide: bool) -> Sequence[TextTable]:
    measure = comparison.measure
    columns = ["encoder", "index", "before %", "after %", "points", "95 %"]
    if wide:
        columns += ["bytes before", "bytes after", "ms before", "ms after"]
    heading = f"{comparison.before.dataset.name}, {comparison.before.protocol}: {measure.name}, "
    heading += f"before: {comparison.before.id}, after: {comparison.after.id}"
    rows = [_cells(change, measure, wide=wide) for change in comparison.changes]
    tables = [TextTable(heading, columns, columns[2:], rows)] if rows else []
    rate = f"{measure.name} %"
    for run, rest in ((comparison.before, comparison.only_before), (comparison.after, comparison.only_after)):
        if rest:
            cells = [[encoders_of(row), row.index, _percent(measure, row)] for row in rest]
            tables.append(TextTable(f"only in {run.id}", ["encoder", "index", rate], [rate], cells))
    return tables


def _cells(change: Change, measure: Measure, *, wide: bool) -> list[str]:
    before, after = change.before, change.after
    difference = "–" if change.difference is None else figures.signed(100 * change.difference, measure.decimals)
    interval = "–" if change.interval is None else figures.interval(*change.interval, measure.decimals)
    cells = [
        encoders_of(before),
        before.index,
        _percent(measure, before),
        _percent(measure, after),
        difference,
        interval,
    ]
    if wide:
        cells += [figures.size(before.bytes_per_template), figures.size(after.bytes_per_template)]
        cells += [figures.milliseconds(probe_ms(before)), figures.milliseconds(probe_ms(after))]
    return cells


def _percent(measure: Measure, row: Row) -> str:
    share = measure.value(row)
    return "–" if share is None else figures.percent(share, measure.decimals)


def _document(comparison: Comparison) -> dict[str, Any]:
    return {
        "before": comparison.before.id,
        "after": comparison.after.id,
        "protocol": comparison.before.protocol,
        "measure": comparison.measure.name,
        "same_data": comparison.before.dataset.sha256 == comparison.after.dataset.sha256,
        "rows": [record for record in _records(comparison) if record["in"] == "both"],
        "only_before": [_named(row) for row in comparison.only_before],
        "only_after": [_named(row) for row in comparison.only_after],
    }


def _records(comparison: Comparison) -> list[dict[str, Any]]:
    measure = comparison.measure
    records: list[dict[str, Any]] = []
    for change in comparison.changes:
        low, high = change.interval or (None, None)
        records.append(
            {
                "in": "both",
                **_named(change.before),
                "measure": measure.name,
                "before": measure.value(change.before),
                "after": measure.value(change.after),
                "difference": change.difference,
                "difference_low": low,
                "difference_high": high,
                "bytes_per_template_before": change.before.bytes_per_template,
                "bytes_per_template_after": change.after.bytes_per_template,
                "ms_before": probe_ms(change.before),
                "ms_after": probe_ms(change.after),
            }
        )
    for place, rest in (("before", comparison.only_before), ("after", comparison.only_after)):
        for row in rest:
            records.append({"in": place, **_named(row), "measure": measure.name, place: measure.value(row)})
    return records


def _named(row: Row) -> dict[str, Any]:
    return {"encoder": row.encoder, "index": row.index, "probe_encoder": row.probe_encoder}
