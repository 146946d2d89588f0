"""What a protocol measures above all: one rate with its 95 % interval, for charts, summaries and comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from facesearch.evaluation.results import Interval, OperatingPoint, Row

FMR_DECIMALS = 3  # of a false match rate in percent
_PREFERRED_FPIR = 0.01


@dataclass(frozen=True, slots=True)
class Measure:
    """The rate by which rows are compared; more is better, but for FMR. fpir: of a TPIR, else None. normalised: of an
    FMR, by normalised scores. decimals: that it is written with, in percent."""

    name: str
    meaning: str
    protocol: str
    fpir: float | None = None
    normalised: bool = False
    decimals: int = 2

    def value(self, row: Row) -> float | None:
        """The rate (0..1) of a row; None where it was not measured."""
        if self.fpir is not None:
            point = operating_point(row, self.fpir)
            return None if point is None or point.fnir is None else 1 - point.fnir
        if self.protocol == "false-match":
            return None if not row.groups else row.groups[0].fmr_normalised if self.normalised else row.groups[0].fmr
        return row.accuracy if self.protocol == "pairs" else row.top1

    def interval(self, row: Row) -> Interval | None:
        """The 95 % interval of `value`."""
        if self.fpir is not None:
            point = operating_point(row, self.fpir)
            return None if point is None or point.fnir_ci is None else (1 - point.fnir_ci[1], 1 - point.fnir_ci[0])
        if self.protocol == "false-match":
            everyone = row.groups[0] if row.groups else None
            return None if everyone is None else everyone.fmr_normalised_ci if self.normalised else everyone.fmr_ci
        return row.accuracy_ci if self.protocol == "pairs" else row.top1_ci


def measure_of(rows: Sequence[Row]) -> Measure:
    """The measure of rows of one protocol: accuracy of pairs, TPIR of an open set, FMR of false matches, else top-1.

    The TPIR is taken at FPIR 0.01 where all rows can show it, else at the least FPIR that all can.
    """
    protocol = rows[0].protocol
    if protocol == "pairs":
        return Measure("accuracy", "pairs told right, same person or not", protocol)
    if protocol == "false-match":
        normalised = all(row.groups and row.groups[0].fmr_normalised is not None for row in rows)
        name = "FMR, normalised" if normalised else "FMR, cosine"
        meaning = "pairs of two people that match at the default threshold"
        return Measure(name, meaning, protocol, normalised=normalised, decimals=FMR_DECIMALS)
    if protocol == "open-set":
        shown = [{point.fpir for point in row.operating_points if point.fnir is not None} for row in rows]
        common = set.intersection(*shown)
        if common:
            fpir = _PREFERRED_FPIR if _PREFERRED_FPIR in common else min(common)
            return Measure(f"TPIR at FPIR {fpir:g}", "enrolled people found above the threshold", protocol, fpir)
    return Measure("top-1", "searches with the right person first", protocol)


def operating_point(row: Row, fpir: float) -> OperatingPoint | None:
    return next((point for point in row.operating_points if point.fpir == fpir), None)


def encoders_of(row: Row) -> str:
    """The encoder of a row, with that of the probes where it is another one."""
    return f"{row.encoder} (probes by {row.probe_encoder})" if row.probe_encoder else row.encoder


def difference_interval(before: float, before_ci: Interval, after: float, after_ci: Interval) -> Interval:
    """95 % interval of `after` − `before` from the intervals of both, as if they were independent.

    Method of variance estimates recovery: Zou & Donner, Statistics in Medicine 27 (2008), 1693. Where both were
    measured on the same searches, the true interval is narrower.
    """
    delta = after - before
    down = math.hypot(after - after_ci[0], before_ci[1] - before)
    up = math.hypot(after_ci[1] - after, before - before_ci[0])
    return delta - down, delta + up
