"""The figures of one cell of the matrix under a protocol that identifies: everything but `pairs`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facesearch.evaluation import metrics, statistics
from facesearch.evaluation.datasets import Dataset
from facesearch.evaluation.extraction import DatasetTemplates
from facesearch.evaluation.protocols import Plan
from facesearch.evaluation.results import Decided, DetPoint, HardError, Interval, OperatingPoint, Paired, RankRate
from facesearch.evaluation.searching import Filled, GalleryTemplates, Probes, Searches, search
from facesearch.evaluation.statistics import Resamples
from facesearch.gallery.scoring import COSINE, NORMALISED, Rule

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

RANKS = (1, 5, 10, 20, 50)
FPIRS = (0.1, 0.01, 0.003, 0.001)
_HARDEST = 20


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """What a plan enrols of an encoder's templates: their places in the data set and the gallery to search."""

    places: Ints
    gallery: GalleryTemplates

    @staticmethod
    def of(plan: Plan, templates: DatasetTemplates) -> Enrolled:
        """Images that failed to enrol are left out."""
        places = plan.gallery[templates.found[plan.gallery]]
        return Enrolled(places, GalleryTemplates(templates.values[places], plan.identity[places]))


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The searches of a plan in one index: the mated ones, and the first candidate's score of the non-mated ones."""

    mated: Searches
    non_mated: Searches


@dataclass(frozen=True, slots=True)
class Identified:
    """Figures of a row; `OperatingPoint`s and DET only where there are non-mated searches."""

    top1: float
    top1_ci: Interval
    cmc: tuple[RankRate, ...]
    non_mated: int | None
    fpir_floor: float | None
    operating_points: tuple[OperatingPoint, ...]
    det: tuple[DetPoint, ...]
    normalised_points: tuple[OperatingPoint, ...]
    decided: tuple[Decided, ...]


def run_searches(plan: Plan, enrolled: Enrolled, filled: Filled, templates: DatasetTemplates) -> Found:
    """Every search of the plan, with the probes' own templates."""
    row_of = np.full(len(plan.identity), -1, np.int64)
    row_of[enrolled.places] = np.arange(len(enrolled.places))

    def probes(places: Ints) -> Probes:
        own = row_of[places] if plan.leave_out else np.full(len(places), -1, np.int64)
        return Probes(templates.values[places], plan.identity[places], own, templates.found[places])

    return Found(
        search(filled, enrolled.gallery, probes(plan.mated)), search(filled, enrolled.gallery, probes(plan.non_mated))
    )


@dataclass(frozen=True, slots=True)
class Deciding:
    """How an encoder's candidates are decided on: its default threshold, and the rule of normalised scores, if any."""

    threshold: float
    rule: Rule

    def scores(self) -> dict[str, Callable[[Searches], Floats]]:
        """Of each score its name, and how the first candidate's (m,) follows from searches."""
        ways: dict[str, Callable[[Searches], Floats]] = {COSINE: lambda searches: searches.score}
        if self.rule.score == NORMALISED:
            ways[NORMALISED] = self._normalised
        return ways

    def _normalised(self, searches: Searches) -> Floats:
        taken = self.rule.taken(searches.probes, searches.nearest[:, 1:], searches.others)
        return np.asarray(searches.score - taken, np.float32)


def identified(plan: Plan, found: Found, deciding: Deciding) -> Identified:
    """Rates with their intervals."""
    mated, owners = found.mated, owners_of(plan.identity[plan.mated])
    people = int(owners.max()) + 1
    resamples = Resamples.draw(people)
    first = mated.first
    row = Identified(
        top1=float(first.mean()),
        top1_ci=statistics.share_interval(resamples.means(first.astype(np.float64), owners), people),
        cmc=metrics.identification_rates(mated.rank, RANKS),
        non_mated=None,
        fpir_floor=None,
        operating_points=(),
        det=(),
        normalised_points=(),
        decided=tuple(_decided(found, name, way, deciding.threshold) for name, way in deciding.scores().items()),
    )
    return _with_open_set(plan, found, row, deciding) if len(plan.non_mated) else row


def _decided(found: Found, name: str, score: Callable[[Searches], Floats], threshold: float) -> Decided:
    foreign = score(found.non_mated)
    fpir = metrics.share_at_or_above(foreign, threshold) if len(foreign) else None
    fnir = metrics.false_negative_rate(score(found.mated), found.mated.first, threshold)
    return Decided(name, threshold, fpir, fnir)


def _with_open_set(plan: Plan, found: Found, row: Identified, deciding: Deciding) -> Identified:
    points = {
        name: _operating_points(plan, found.mated.first, score(found.mated), score(found.non_mated))
        for name, score in deciding.scores().items()
    }
    mated, foreign = found.mated, found.non_mated.score
    return replace(
        row,
        non_mated=len(foreign),
        fpir_floor=metrics.fpir_floor(len(foreign)),
        operating_points=points[COSINE],
        det=metrics.det(mated.score, mated.first, foreign),
        normalised_points=points.get(NORMALISED, ()),
    )


def _operating_points(plan: Plan, first: Bools, mated: Floats, foreign: Floats) -> tuple[OperatingPoint, ...]:
    """FNIR at each FPIR. first, mated: whether the first candidate of mated searches (m,) is right, and its score;
    foreign: that of non-mated searches."""
    right = np.where(first, mated, -np.inf).astype(np.float32)
    floor = metrics.fpir_floor(len(foreign))
    possible = [rate for rate in FPIRS if rate >= floor]
    intervals = statistics.fnir_intervals(
        right,
        owners_of(plan.identity[plan.mated]),
        foreign,
        owners_of(plan.identity[plan.non_mated]),
        possible,
    )
    spans = dict(zip(possible, intervals, strict=True))
    points = []
    for rate in FPIRS:
        if rate not in spans:
            points.append(OperatingPoint(rate, None, None, None, None))
            continue
        threshold = metrics.threshold_at(foreign, rate)
        fnir = metrics.false_negative_rate(mated, first, threshold)
        observed = metrics.share_at_or_above(foreign, threshold)
        points.append(OperatingPoint(rate, threshold, fnir, spans[rate], observed))
    return tuple(points)


def against(baseline: str, plan: Plan, before: Bools, after: Bools) -> Paired:
    """The paired difference in top-1 on the mated searches of the plan."""
    owners = owners_of(plan.identity[plan.mated])
    return statistics.paired(baseline, before, after, owners, Resamples.draw(int(owners.max()) + 1))


def hardest_errors(dataset: Dataset, plan: Plan, enrolled: Enrolled, found: Searches) -> tuple[HardError, ...]:
    """The mated searches whose wrong first candidate leads most over the right one."""
    wrong = np.flatnonzero((found.rank != 1) & (found.row >= 0))
    lead = found.score[wrong] - np.maximum(found.right[wrong], -1)
    errors = []
    for search_number in wrong[np.argsort(-lead, kind="stable")][:_HARDEST]:
        probe = dataset.samples[plan.mated[search_number]]
        other = dataset.samples[enrolled.places[found.row[search_number]]]
        right = float(found.right[search_number])
        errors.append(
            HardError(
                probe=probe.path,
                identity=probe.identity,
                found=other.path,
                found_identity=other.identity,
                similarity=float(found.score[search_number]),
                right_similarity=right if np.isfinite(right) else None,
            )
        )
    return tuple(errors)


def owners_of(identity: Ints) -> Ints:
    """Numbers 0, 1, 2, … of the people that occur, (n,)."""
    owners: Ints = np.unique(identity, return_inverse=True)[1].astype(np.int64)
    return owners
