"""Runs as text for other programs: JSON documents, CSV, Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from facesearch.evaluation.frames import row_records
from facesearch.evaluation.results import Run
from facesearch.evaluation.statistics import RULE_OF_THREE
from facesearch.report.groups_section import groups_table
from facesearch.report.matrix_cells import MatrixTable, matrices, shown_fpirs
from facesearch.report.printable import Printable, TextTable
from facesearch.text.figures import counted
from facesearch.text.spreadsheets import csv_text

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~])")


def printable(runs: Sequence[Run]) -> Printable:
    """Runs in every form."""
    return Printable(
        tables=lambda wide: runs_tables(runs, wide=wide),
        document=lambda: runs_document(runs),
        csv=lambda: runs_csv(runs),
        markdown=lambda: tables_markdown(runs_tables(runs, wide=True)),
    )


def runs_document(runs: Sequence[Run], *, curves: bool = True) -> dict[str, Any]:
    """What `--json` prints: all rows, and what each run was; without `curves`, no CMC, DET, histograms and errors."""
    return {
        "rows": [{"run": run.id, **row.document(curves=curves)} for run in runs for row in run.rows],
        "runs": [
            {
                "run": run.id,
                "created_at": run.created_at,
                "command": run.command,
                "protocol": run.protocol,
                "dataset": run.dataset.name,
                "dataset_sha256": run.dataset.sha256,
                "seed": run.seed,
                "seconds": run.seconds,
                "cpu": run.machine.cpu,
                "cores": run.machine.cores,
                "versions": {each.name: each.version for each in run.versions},
                "failures": [{"path": failure.path, "reason": failure.reason} for failure in run.failures],
            }
            for run in runs
        ],
    }


def runs_csv(runs: Sequence[Run]) -> str:
    """A line for each row, every single value a column of its own."""
    return csv_text(row_records(runs))


def runs_tables(runs: Sequence[Run], *, wide: bool) -> list[TextTable]:
    """A table for each data set and protocol; `wide`: with all columns."""
    tables = []
    for matrix in matrices(runs):
        columns = matrix.columns(2 if wide else 0)
        titles = [column.title for column in columns]
        right = [column.title for column in columns if column.right]
        rows = [[column.text(row) for column in columns] for row in matrix.rows]
        tables.append(TextTable(heading(matrix), titles, right, rows))
        groups = groups_table(matrix)
        if groups is not None:
            tables.append(groups)
    return tables


def tables_markdown(tables: Sequence[TextTable]) -> str:
    """Tables with their headings."""
    return "\n".join(f"### {markdown_cell(table.heading)}\n\n{markdown_table(table)}" for table in tables)


def markdown_table(table: TextTable) -> str:
    """A table as GitHub reads it."""
    lines = [[markdown_cell(column) for column in table.columns]]
    lines.append(["---:" if column in table.right else "---" for column in table.columns])
    lines += [[markdown_cell(cell) for cell in row] for row in table.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def markdown_cell(text: str) -> str:
    """Text that stays text, and one cell, in a Markdown table."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def heading(matrix: MatrixTable) -> str:
    """One line: data set, protocol, how much was searched for among how many."""
    return f"{matrix.dataset}, {matrix.protocol}: {counts(matrix)}"


def counts(matrix: MatrixTable) -> str:
    """How much was searched for among how many."""
    row = matrix.rows[0]
    parts = [f"{counted(row.images, 'image')} of {counted(row.identities, 'person', 'people')}"]
    if row.protocol != "pairs":
        parts.append(f"{counted(row.gallery_size, 'template')} searched")
    failed = max(each.failed_to_enrol for each in matrix.rows)
    if row.groups:
        parts.append(f"{counted(row.groups[0].pairs, 'pair')} of two people")
    else:
        parts.append(counted(row.probes, "pair" if row.protocol == "pairs" else "probe"))
    if row.non_mated and not row.groups:
        parts.append(f"{counted(row.non_mated, 'search', 'searches')} of strangers")
    if failed:
        parts.append(f"{failed:,} failed to enrol")
    if row.protocol == "open-set" and row.non_mated and len(fpirs := shown_fpirs(matrix.rows)) > 1:
        parts.append(f"too few to show FPIR {fpirs[0]:g}: {RULE_OF_THREE / fpirs[0]:.0f} searches of strangers can")
    return ", ".join(parts)
