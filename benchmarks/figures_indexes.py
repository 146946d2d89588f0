"""The tables and the chart of the pages on indexes (docs/reference, docs/research), and a row of README.md."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.chart import COLOURS, Chart
from benchmarks.common import read_results, table
from indexes.families import FAMILIES
from indexes.kinds import parse_kind

MILLION = 1_000_000
PROJECTED = 10_000_000

Row = dict[str, Any]


def kinds() -> str:
    """The grammar's codes: bytes, training, removal, what they are exact to."""
    rows = []
    for family in FAMILIES:
        training = f"{family.training_size} templates" if family.training_size else "none"
        sizes = [f"{family.bytes_per_vector(d, _example(family.form, d)):g}" for d in (128, 512)]
        removal = "yes" if family.removes else "wiped and skipped; rebuilt once a fifth is gone"
        name = family.form if _example(family.form, 512) == 0 else f"{family.form}, as {_named(family.form, 512)}"
        rows.append((f"`{name}`", family.summary, " / ".join(sizes), training, removal, family.exact_to))
    return table(("code", "what", "bytes, 128-d / 512-d", "training", "removal", "exact to"), rows)


def million() -> str:
    """All kinds that were measured with the largest gallery."""
    rows = _rows()
    largest = max(row["templates"] for row in rows)
    columns = (
        "kind",
        "bytes",
        "memory, bytes per template",
        "top-1",
        "one query, ms",
        "against flat",
        "100 queries, ms",
        "against flat",
        "against matrix products",
        "to open, s",
        "to build, CPU s",
    )
    products = next(
        row["batch_products_ms"] for row in rows if row["templates"] == largest and "batch_products_ms" in row
    )
    lines = []
    for row in rows:
        if row["templates"] != largest:
            continue
        lines.append(
            (
                f"`{row['kind']}`",
                f"{row['bytes_per_template']:g}",
                f"{row['peak_rss_per_template']:.0f}",
                f"{row['top1']:.4f} (flat {row['top1_flat']:.4f}; {row['probes']:,} probes)",
                f"{row['query_ms']:.1f}",
                _times(row["query_times_faster_ms"]),
                f"{row['batch_ms']:.0f}",
                _times(row["batch_times_faster_ms"]),
                _times(products / row["batch_ms"]),
                f"{row['open_ms'] / 1000:.2f}",
                f"{row['build_cpu_s']:.0f}",
            )
        )
    return table(columns, lines)


def growth() -> str:
    """Milliseconds of one query, memory and time to build by size; the last column is computed, not measured."""
    rows = _rows()
    sizes = sorted({row["templates"] for row in rows})
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        by_size = {row["templates"]: row for row in rows if row["kind"] == kind}
        cells = [_cell(by_size.get(size)) for size in sizes]
        lines.append((f"`{kind}`", *cells, _projection(by_size)))
    heads = [f"10{_exponent(size)}" for size in sizes]
    return table(("kind", *heads, f"10{_exponent(PROJECTED)}, projected"), lines)


def groups() -> str:
    """Searches among some people of a million, beside the same search among all."""
    return table(
        ("index", "people in the group", "ms", "ms among all", "exact"),
        [
            (
                f"`{row['index']}`",
                f"{row['people']:,}" + (", least like the probes" if row["group"] == "least like" else ""),
                f"{row['among_ms']:.3g}",
                f"{row['everyone_ms']:.3g}",
                f"{row['exact']:.2f}",
            )
            for row in read_results("groups")
        ],
    )


def overview_rows() -> list[tuple[str, str]]:
    """What README.md says of it."""
    results, rows = read_results("million"), _rows()
    largest = max(row["templates"] for row in rows)
    found = {row["kind"]: row for row in rows if row["templates"] == largest}
    reranked, compact = found[results["reranked"]], found[results["compact"]]
    return [
        (
            f"{largest:,} templates of 512 components on two cores, `{reranked['kind']}`",
            f"one query {reranked['query_ms']:.1f} ms, {_times(reranked['query_times_faster_ms'])} as fast as `flat`; "
            f"top-1 {reranked['top1']:.4f} (`flat` {reranked['top1_flat']:.4f}); "
            f"{reranked['peak_rss_per_template']:.0f} bytes of memory per template, with `{compact['kind']}` "
            f"{compact['peak_rss_per_template']:.0f} (top-1 {compact['top1']:.4f})",
        )
    ]


def chart() -> str:
    """Milliseconds of one query against the size of the gallery, both on logarithmic scales, as SVG."""
    rows = _rows()
    sizes = sorted({row["templates"] for row in rows})
    times = [row["query_ms"] for row in rows]
    drawn = Chart(
        "Milliseconds of one query by templates in the gallery",
        (math.log10(sizes[0]), math.log10(max(sizes[-1], sizes[0] * 10))),
        (min(times), max(times)),
        " ms",
    )
    for number, name in enumerate(dict.fromkeys(row["kind"] for row in rows)):
        colour = COLOURS[number % len(COLOURS)]
        points = sorted((math.log10(row["templates"]), row["query_ms"]) for row in rows if row["kind"] == name)
        drawn.line(points, colour)
        drawn.dots(points, colour)
        drawn.name(name, colour)
    return drawn.svg([(math.log10(size), f"10{_exponent(size)}") for size in sizes], "templates")


def _rows() -> list[Row]:
    rows: list[Row] = read_results("million")["rows"]
    return rows


def _cell(row: Row | None) -> str:
    if row is None:
        return "–"
    return f"{row['query_ms']:.3g} ms, {_bytes(row['file_bytes'])}, {row['build_cpu_s']:.3g} s"


def _projection(by_size: dict[int, Row]) -> str:
    """The last two sizes continued in a straight line: every kind but the graph looks at a fixed part of the rows."""
    if MILLION not in by_size or len(by_size) < 2:
        return "–"
    size, smaller = sorted(by_size, reverse=True)[:2]
    a, b = by_size[smaller], by_size[size]

    def continued(name: str) -> float:
        slope = (b[name] - a[name]) / (size - smaller)
        return float(b[name] + slope * (PROJECTED - size))

    ms, content, seconds = (continued(name) for name in ("query_ms", "file_bytes", "build_cpu_s"))
    return f"{ms:.3g} ms, {_bytes(content)}, {seconds:.3g} s"


def _times(ratio: float) -> str:
    return f"{ratio:.3g}×"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _exponent(size: int) -> str:
    return "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(round(math.log10(size))))


def _example(form: str, dimension: int) -> int:
    """A usual parameter of a code's form, 0 where it takes none."""
    if "<M>" in form:
        return 16
    return dimension // 8 if "<m>" in form else 0


def _named(form: str, dimension: int) -> str:
    name = form.replace("<m>", str(_example(form, dimension))).replace("<M>", "16")
    return str(parse_kind(name))
