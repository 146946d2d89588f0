"""The matrix as columns: what is shown of a row, by protocol, as text and as a value to sort by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from facesearch.evaluation.results import GroupRate, Interval, Row, Run
from facesearch.report.measures import FMR_DECIMALS, operating_point
from facesearch.text import figures

Value = float | str | None
T = TypeVar("T", int, float)

_SHOWN_FPIR = 0.01
_TELLING = 100  # pairs, from which on a group may be called the worst


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, what it means, the value of a row and how that is written (None: a dash).

    level: 0 is always shown, 1 on the page, 2 where all is asked for. kept: also where no row has a value.
    """

    title: str
    meaning: str
    value: Callable[[Row], Value]
    written: Callable[[Row], str]
    right: bool = True
    level: int = 0
    kept: bool = False

    def text(self, row: Row) -> str:
        return "–" if self.value(row) is None else self.written(row)


@dataclass(frozen=True, slots=True)
class MatrixTable:
    """All rows of one data set and protocol, and the runs that they are from (one for each row)."""

    dataset: str
    protocol: str
    rows: tuple[Row, ...]
    runs: tuple[Run, ...]

    def columns(self, level: int = 2) -> list[Column]:
        """The columns up to a level that some row has a value for, and those that are missed where there is none."""
        return [
            column
            for column in _columns(self.rows)
            if column.level <= level and (column.kept or any(column.value(row) is not None for row in self.rows))
        ]


def matrices(runs: Iterable[Run]) -> list[MatrixTable]:
    """The rows of all runs by data set, protocol and probes, in the order of their first appearance.

    Of rows with the same encoder and index only the last is taken: the newest, if the runs are by age.
    """
    found: dict[tuple[object, ...], dict[tuple[object, ...], tuple[Row, Run]]] = {}
    for run in runs:
        for row in run.rows:
            labels = tuple(dict.fromkeys(group.label for group in row.groups))
            searches = (row.dataset, row.protocol, run.dataset.sha256, row.images, row.probes, row.non_mated, labels)
            combination = (row.encoder, row.probe_encoder, row.index)
            found.setdefault(searches, {})[combination] = (row, run)
    return [
        MatrixTable(
            next(iter(cells.values()))[0].dataset,
            next(iter(cells.values()))[0].protocol,
            tuple(row for row, _ in cells.values()),
            tuple(run for _, run in cells.values()),
        )
        for cells in found.values()
    ]


def _columns(rows: Sequence[Row]) -> list[Column]:
    columns = [
        _words("encoder", "model:precision@backend of the gallery", lambda row: row.encoder),
        _words("probes by", "encoder of the probes, where it is another one", lambda row: row.probe_encoder),
        _words("index", "kind of index, how templates are stored", lambda row: row.index),
    ]
    columns += _accuracy_columns(rows)
    columns += [
        Column(
            "vs FP32",
            "difference to FP32 and flat on the same searches, in points (hundredths)",
            _delta,
            lambda row: figures.signed(100 * (_delta(row) or 0.0), 2),
            level=1 if rows[0].protocol == "open-set" else 0,
        ),
        Column(
            "95 % of it",
            "interval of that difference, in points",
            lambda row: row.paired.delta if row.paired else None,
            lambda row: figures.interval(*row.paired.delta_ci) if row.paired else "",
            level=1,
        ),
        _number("cosine enc.", "mean cosine of the encoder to itself in FP32", _encoder_cosine, 4, level=2),
        _number("cosine codec", "mean cosine of stored templates to exact ones", _codec_cosine, 4, level=2),
        Column(
            "bytes",
            "per template, shared codebooks shared out",
            lambda row: row.bytes_per_template,
            lambda row: figures.size(row.bytes_per_template),
        ),
        Column(
            "saved %",
            "of the bytes of an FP32 template",
            lambda row: row.storage_saving,
            lambda row: figures.percent(row.storage_saving, 1),
            level=1,
        ),
        Column(
            "ms",
            "per probe, encode + search, detection not included",
            probe_ms,
            lambda row: figures.milliseconds(probe_ms(row)),
        ),
        _time("encode ms", "one crop in one thread, median", lambda row: row.encode_ms, 1),
        _time("search ms", "one query in one thread, median", lambda row: row.search_ms, 1),
        _time("p95 ms", "95 of 100 searches take no longer", lambda row: row.search_ms_p95, 2),
        _bytes("encoder file", "bytes of the encoder's file", lambda row: row.encoder_bytes, 1),
        _bytes("gallery", "database and index file of a real gallery", lambda row: row.gallery_bytes, 2),
        _bytes("memory", "peak of the process", lambda row: row.peak_memory_bytes, 2),
    ]
    return columns


def _accuracy_columns(rows: Sequence[Row]) -> list[Column]:
    match rows[0].protocol:
        case "pairs":
            fars = _distinct(rate.far for row in rows for rate in row.accept_rates)
            return [
                *_rate("accuracy %", "pairs told right", lambda row: row.accuracy, lambda row: row.accuracy_ci),
                *(_tar_column(far) for far in fars),
            ]
        case "open-set":
            fpirs = _distinct(point.fpir for row in rows for point in row.operating_points)
            return [
                *(column for fpir in fpirs for column in _fnir_columns(fpir, shown=fpir in shown_fpirs(rows))),
                *_decided_columns(),
                *_top1(levels=(2, 2)),
            ]
        case "false-match":
            return _false_match_columns()
        case _:
            ranks = _distinct(point.rank for row in rows for point in row.cmc if point.rank in (5, 10))
            return [*_top1(), *(_rank_column(rank) for rank in reversed(ranks))]


def _top1(*, levels: tuple[int, int] = (0, 0)) -> tuple[Column, Column]:
    meaning = "searches with the right person first"
    return _rate("top-1 %", meaning, lambda row: row.top1, lambda row: row.top1_ci, levels=levels)


def _rate(
    title: str,
    meaning: str,
    value: Callable[[Row], float | None],
    interval: Callable[[Row], Interval | None],
    *,
    levels: tuple[int, int] = (0, 0),
) -> tuple[Column, Column]:
    """A rate in percent, and its interval."""

    def width(row: Row) -> float | None:
        found = interval(row)
        return None if found is None else found[1] - found[0]

    def written(row: Row) -> str:
        return figures.interval(*(interval(row) or (0.0, 0.0)))

    return (
        Column(title, meaning, value, lambda row: figures.percent(value(row) or 0.0), level=levels[0]),
        Column("95 %", f"interval of {title.removesuffix(' %')}; sorted by its width", width, written, level=levels[1]),
    )


def shown_fpirs(rows: Sequence[Row]) -> tuple[float, ...]:
    """FPIR 0.01, of which FNIR is always shown; where no row can show it, also the least that some row can."""
    able = {point.fpir for row in rows for point in row.operating_points if point.fnir is not None}
    return (_SHOWN_FPIR,) if _SHOWN_FPIR in able or not able else (_SHOWN_FPIR, min(able))


def _fnir_columns(fpir: float, *, shown: bool) -> tuple[Column, Column, Column]:
    def value(row: Row) -> float | None:
        point = operating_point(row, fpir)
        return point.fnir if point else None

    def interval(row: Row) -> Interval | None:
        point = operating_point(row, fpir)
        return point.fnir_ci if point else None

    def by_normalised(row: Row) -> float | None:
        return next((point.fnir for point in row.normalised_points if point.fpir == fpir), None)

    meaning = f"enrolled people missed at FPIR {fpir:g}"
    rate, spread = _rate(f"FNIR@{fpir:g} %", meaning, value, interval, levels=(0, 0) if shown else (1, 2))
    title, level = f"normalised @{fpir:g} %", 0 if shown else 1
    normalised = _share(title, f"{meaning}, by normalised scores", by_normalised, level=level)
    return replace(rate, kept=shown), spread, normalised


def _decided_columns() -> list[Column]:
    """FPIR and FNIR at the default threshold, by each score."""

    def of(score: str, rate: str) -> Callable[[Row], float | None]:
        def value(row: Row) -> float | None:
            return next((getattr(each, rate) for each in row.decided if each.score == score), None)

        return value

    columns = []
    for score in ("cosine", "normalised"):
        meaning = f"at the encoder's default threshold, by {score} scores"
        columns += [
            _share(f"FPIR {score} %", f"strangers taken for somebody {meaning}", of(score, "fpir"), level=2),
            _share(f"FNIR {score} %", f"enrolled people missed {meaning}", of(score, "fnir"), level=2),
        ]
    return columns


def _false_match_columns() -> list[Column]:
    """False match rates among all photos, and in the group where they are worst; groups have a table of their own."""

    def of(rate: str, group: Callable[[Row], GroupRate | None]) -> Callable[[Row], float | None]:
        def found(row: Row) -> float | None:
            each = group(row)
            return None if each is None else getattr(each, rate)

        return found

    meaning = "pairs of two people that match at the default threshold"
    by_score = "by what galleries decide by"
    return [
        _share("FMR cosine %", f"{meaning}, by the cosine", of("fmr", _everyone), decimals=FMR_DECIMALS),
        _share(
            "FMR normalised %",
            f"{meaning}, by normalised scores",
            of("fmr_normalised", _everyone),
            decimals=FMR_DECIMALS,
        ),
        _words("worst group", f"with the highest rate, {by_score}", _worst_name),
        _share(
            "FMR of it %", f"{meaning}, of that group, {by_score}", of("decided", worst_group), decimals=FMR_DECIMALS
        ),
    ]


def _everyone(row: Row) -> GroupRate | None:
    return row.groups[0] if row.groups else None


def worst_group(row: Row) -> GroupRate | None:
    """The group with the highest false match rate by what galleries decide by, of those with enough pairs to say; None
    where none is above the rate of all."""
    told = [group for group in row.groups[1:] if group.pairs >= _TELLING and group.decided > row.groups[0].decided]
    return max(told, key=lambda group: group.decided, default=None)


def _worst_name(row: Row) -> str | None:
    worst = worst_group(row)
    return None if worst is None else worst.name


def _share(
    title: str, meaning: str, value: Callable[[Row], float | None], *, level: int = 0, decimals: int = 2
) -> Column:
    """A rate in percent without an interval."""
    return Column(title, meaning, value, lambda row: figures.percent(value(row) or 0.0, decimals), level=level)


def _tar_column(far: float) -> Column:
    def value(row: Row) -> float | None:
        return next((rate.tar for rate in row.accept_rates if rate.far == far), None)

    meaning = f"pairs of one person accepted at FAR {far:g}"
    return Column(f"TAR@{far:g} %", meaning, value, lambda row: figures.percent(value(row) or 0.0), level=2)


def _rank_column(rank: int) -> Column:
    def value(row: Row) -> float | None:
        return next((point.rate for point in row.cmc if point.rank == rank), None)

    meaning = f"searches with the right person among the first {rank}"
    return Column(f"top-{rank} %", meaning, value, lambda row: figures.percent(value(row) or 0.0), level=2)


def _words(title: str, meaning: str, value: Callable[[Row], str | None]) -> Column:
    return Column(title, meaning, value, lambda row: value(row) or "", right=False)


def _number(title: str, meaning: str, value: Callable[[Row], float | None], decimals: int, *, level: int = 0) -> Column:
    return Column(title, meaning, value, lambda row: figures.fixed(value(row) or 0.0, decimals), level=level)


def _time(title: str, meaning: str, value: Callable[[Row], float], level: int) -> Column:
    return Column(title, meaning, value, lambda row: figures.milliseconds(value(row)), level=level)


def _bytes(title: str, meaning: str, value: Callable[[Row], int | None], level: int) -> Column:
    return Column(title, meaning, value, lambda row: figures.bytes_in_words(value(row) or 0), level=level)


def _distinct(values: Iterable[T]) -> list[T]:
    """Each value once, greatest first."""
    return sorted(set(values), reverse=True)


def _delta(row: Row) -> float | None:
    """Of what the protocol compares: accuracy of pairs, else top-1."""
    return row.paired.delta if row.paired else row.top1_delta_vs_fp32


def _encoder_cosine(row: Row) -> float | None:
    return row.cosine_fidelity_encoder


def _codec_cosine(row: Row) -> float:
    return row.cosine_fidelity_codec


def probe_ms(row: Row) -> float:
    """Milliseconds for one probe from crop to answer."""
    return row.encode_ms + row.search_ms
