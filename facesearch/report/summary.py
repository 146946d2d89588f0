"""What a matrix says in plain sentences, computed from its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from facesearch.encoders.spec import EncoderSpec
from facesearch.evaluation.results import GroupRate, Interval, Row
from facesearch.report.matrix_cells import MatrixTable, worst_group
from facesearch.report.measures import FMR_DECIMALS, Measure, difference_interval, encoders_of, measure_of
from facesearch.text import figures

BEARABLE = 0.005  # the loss, as a share, that a small kind may have at the worse end of its interval
_SAID = 4  # encoders below FP32 that get a sentence
_EXACT = "flat"  # the kind that stores and compares FP32


def summary(matrix: MatrixTable) -> list[str]:
    """A few sentences: the best, what lower precision costs, what smaller templates cost, what was missed and why."""
    if matrix.protocol == "false-match":
        return [_false_matches(row) for row in matrix.rows if row.groups]
    measure = measure_of(matrix.rows)
    measured = [row for row in matrix.rows if measure.value(row) is not None]
    if not measured:
        return ["Nothing could be measured: no probe has a right answer in the gallery."]
    best = max(measured, key=lambda row: (measure.value(row) or 0.0, row.index == _EXACT, -row.bytes_per_template))
    sentences = [_best(best, measure)]
    precisions = list(_precisions(measured, measure))
    sentences += precisions[:_SAID]
    if len(precisions) > _SAID:
        sentences.append(f"{len(precisions) - _SAID} more encoders below FP32 are in the table.")
    sentences += _kinds(measured, best, measure)
    sentences += _doubts(best)
    return sentences


def _false_matches(row: Row) -> str:
    """How often two people match, on the whole and in the group where it is worst."""
    everyone, worst = row.groups[0], worst_group(row)

    def rates(group: GroupRate) -> str:
        after = group.fmr_normalised
        by_score = "" if after is None else f", by normalised scores {figures.percent(after, FMR_DECIMALS)} %"
        return f"{figures.percent(group.fmr, FMR_DECIMALS)} % by the cosine{by_score}"

    sentence = f"{encoders_of(row)} with {row.index} takes {rates(everyone)} of {everyone.pairs:,} pairs for one person"
    if worst is None:
        return f"{sentence}."
    return f"{sentence}; of {worst.pairs:,} pairs of {worst.name}, where it is worst, {rates(worst)}."


def _best(row: Row, measure: Measure) -> str:
    rate = f"{figures.percent(measure.value(row) or 0.0, 1)} %"
    with_interval = f"{rate}{_in_brackets(measure.interval(row))}"
    who = f"{encoders_of(row)} with {row.index}"
    if measure.protocol == "pairs":
        return f"{who} tells {with_interval} of {row.probes:,} pairs right."
    if measure.fpir is not None:
        alarms = f"{figures.percent(measure.fpir, 1).removesuffix('.0')} % of strangers are taken for somebody"
        return f"{who} finds {with_interval} of {row.probes:,} enrolled people's probes where at most {alarms}."
    return f"{who} puts the right person first in {with_interval} of {row.probes:,} searches."


def _precisions(rows: Sequence[Row], measure: Measure) -> Iterable[str]:
    """A sentence for each encoder below FP32, in exact search, against the same model in FP32."""
    exact = [row for row in rows if row.index == _EXACT and row.probe_encoder is None]
    for row in exact:
        spec = EncoderSpec.parse(row.encoder)
        if spec.precision == "fp32":
            continue
        full = _full_precision(exact, spec)
        if full is None:
            continue
        sentence = f"{spec.precision.upper()} of {spec.model} on {spec.backend} {_costs(full, row, measure)}"
        if row.encoder_bytes < full.encoder_bytes:
            sentence += f"; its file is {_share(1 - row.encoder_bytes / full.encoder_bytes)} smaller"
        yield f"{sentence}, {_speed(full.encode_ms, row.encode_ms)}."


def _full_precision(rows: Sequence[Row], spec: EncoderSpec) -> Row | None:
    """The model in FP32: on the same backend, else on any."""
    specs = [(EncoderSpec.parse(row.encoder), row) for row in rows]
    full = [(each, row) for each, row in specs if (each.model, each.precision) == (spec.model, "fp32")]
    same = [(each, row) for each, row in full if each.backend == spec.backend]
    return next((row for _, row in same or full), None)


def _speed(before: float, after: float) -> str:
    if before <= 0 or after <= 0 or 0.95 < after / before < 1.05:
        return "and it is as fast"
    if after < before:
        return f"and it encodes {before / after:.1f}× faster"
    return f"and it encodes {after / before:.1f}× slower"


def _kinds(rows: Sequence[Row], best: Row, measure: Measure) -> Iterable[str]:
    """The smallest kind of index that costs little, and the smallest of all, for the best encoder."""
    same = [row for row in rows if (row.encoder, row.probe_encoder) == (best.encoder, best.probe_encoder)]
    exact = next((row for row in same if row.index == _EXACT), None)
    smaller = [row for row in same if exact and row.bytes_per_template < exact.bytes_per_template]
    if exact is None or not smaller:
        return
    smallest = min(smaller, key=lambda row: row.bytes_per_template)
    good = [row for row in smaller if _loss_at_most(exact, row, measure)]
    if good:
        chosen = min(good, key=lambda row: row.bytes_per_template)
        yield f"Of the small kinds, {_stores(chosen, exact)} and {_costs(exact, chosen, measure)}."
        if chosen is not smallest:
            yield f"The smallest, {_stores(smallest, exact)}, {_costs(exact, smallest, measure)}."
    else:
        least = max(smaller, key=lambda row: measure.value(row) or 0.0)
        bound = f"No small kind is surely within {figures.percent(BEARABLE, 1)} points of exact search"
        yield f"{bound}: {_stores(least, exact)} and {_costs(exact, least, measure)}."


def _stores(row: Row, exact: Row) -> str:
    size, instead = figures.size(row.bytes_per_template), figures.size(exact.bytes_per_template)
    sizes = f"{size} bytes per template instead of {instead}"
    return f"{row.index} stores {sizes} (saves {_share(row.storage_saving)})"


def _loss_at_most(exact: Row, row: Row, measure: Measure) -> bool:
    interval = _difference(exact, row, measure)[1]
    return interval is not None and interval[0] >= -BEARABLE


def _costs(before: Row, after: Row, measure: Measure) -> str:
    """ "costs 0.1 points (95 % −0.2…0.0)"; points are hundredths of the measure."""
    delta, interval = _difference(before, after, measure)
    points = figures.fixed(abs(100 * delta), 1)
    told = _in_brackets(interval)
    if points == "0.0":
        return f"costs nothing measurable{told}"
    if interval is not None and interval[0] <= 0 <= interval[1]:
        told = told.removesuffix(")") + ", could be chance)"
    unit = "point" if points == "1.0" else "points"
    return f"{'costs' if delta < 0 else 'gains'} {points} {unit} of {measure.name}{told}"


def _difference(before: Row, after: Row, measure: Measure) -> tuple[float, Interval | None]:
    """after − before; with the paired interval where the run has it, else the wider one of two independent rates."""
    paired = after.paired
    if measure.fpir is None and paired and paired.baseline == f"{before.encoder} {before.index}":
        return paired.delta, paired.delta_ci
    low, high = measure.value(before) or 0.0, measure.value(after) or 0.0
    intervals = measure.interval(before), measure.interval(after)
    if intervals[0] is None or intervals[1] is None:
        return high - low, None
    return high - low, difference_interval(low, intervals[0], high, intervals[1])


def _in_brackets(interval: Interval | None) -> str:
    return f" (95 % {figures.interval(*interval, 1)})" if interval else ""


def _share(share: float) -> str:
    """Rounded down, so that it never promises more than there is."""
    return f"{int(100 * share + 1e-9)} %"


def _doubts(row: Row) -> Iterable[str]:
    """Failures, ceilings and floors that a reader has to know."""
    if row.failed_to_enrol:
        failed = figures.counted(row.failed_to_enrol, "photo")
        yield f"{failed} failed to enrol; among the probes, these count as misses."
    if row.top1_ceiling is not None and row.top1_ceiling < 1:
        yield f"No encoder could exceed {figures.percent(row.top1_ceiling, 1)} %: some people have a single photo."
    if row.non_mated and row.fpir_floor is not None:
        hidden = [point.fpir for point in row.operating_points if point.fnir is None]
        if hidden:
            names = ", ".join(f"{fpir:g}" for fpir in hidden)
            least = f"{row.non_mated:,} searches of strangers cannot show an FPIR below {row.fpir_floor:.2g}"
            yield f"{least}: nothing is said about {names}."
