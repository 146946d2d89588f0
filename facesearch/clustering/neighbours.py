"""Which templates are alike: for each the nearest ones, found by comparing all with all.

Half of all pairs are compared, a block of rows with a block of rows at a time, and those that are alike enough are
kept. Where these become many, only the nearest of each row stay, and what was found then is the bar for the rest: the
memory depends on how many neighbours are wanted and not on how alike the templates are.

Templates hardly vary in most directions: first their *shadows* are compared, which have the few components that hold
nearly everything and one more, the length of the rest. The product of two shadows is never below that of the
templates, so that nothing is missed. For a hundred thousand templates that is faster than the kinds of index that do
not look at everything, which serve probes that come one by one, and exact (docs/research/clustering.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_ROWS, _COLUMNS = 512, 2048  # of a block: its products stay in the processor's cache
_FEWEST_KEPT = 1 << 20  # pairs, before the first look at which of them are the nearest
_HELD = 0.99  # part of the templates' squares that shadows hold
_WORTH = 0.75  # part of the components from which on shadows save nothing
_SAMPLED = 1 << 14  # templates that the directions are learnt from
_ROUNDING = 1e-5  # of the products of shadows
_GATHERED = 1 << 14  # pairs whose templates are compared at a time


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of rows: first (p,) < second (p,), similarity (p,) float32; no pair twice, in ascending order."""

    first: Ints
    second: Ints
    similarity: Floats


def nearest_pairs(templates: Floats, neighbours: int, least_similarity: float) -> Pairs:
    """The pairs of templates (n, d) of which one is among the nearest of the other, and at least so alike.

    neighbours: of each template, at least 1. Of neighbours that are equally alike, those in the first rows count.
    """
    n = len(templates)
    shadows = _shadows(templates)  # (n, s)
    found, bars = _none(), np.full(n, least_similarity, np.float32)
    waiting, most = list[Pairs](), max(_FEWEST_KEPT, 2 * neighbours * n)
    count = 0
    for top in range(0, n, _ROWS):
        for left in range(top - top % _COLUMNS, n, _COLUMNS):
            columns = shadows[left : left + _COLUMNS]
            products = shadows[top : top + _ROWS] @ columns.T  # (r, c)
            bar = min(bars[top : top + _ROWS].min(), bars[left : left + _COLUMNS].min())
            one, other = np.divmod(np.flatnonzero(products >= bar - _ROUNDING), len(columns))
            pairs = _exact(templates, one + top, other + left, bars)
            waiting.append(pairs)
            count += len(pairs.first)
            if count > most:
                found, bars = _nearest(_joined([found, *waiting]), neighbours, bars)
                waiting, count = [], 0
    return _nearest(_joined([found, *waiting]), neighbours, bars)[0]


def _shadows(templates: Floats) -> Floats:
    """Of templates (n, d) what holds nearly all of them, (n, s) with s < d, or the templates where nothing does."""
    n, d = templates.shape
    sample = templates[:: max(1, n // _SAMPLED)].astype(np.float64)
    held, directions = np.linalg.eigh(sample.T @ sample)  # ascending
    parts = np.cumsum(held[::-1]) / held.sum()
    kept = int(np.searchsorted(parts, _HELD)) + 1
    if kept + 1 > _WORTH * d:
        return templates
    shadows = np.empty((n, kept + 1), np.float32)
    np.matmul(templates, directions[:, : -kept - 1 : -1].astype(np.float32), out=shadows[:, :kept])
    squares = np.vecdot(templates, templates) - np.vecdot(shadows[:, :kept], shadows[:, :kept])
    shadows[:, kept] = np.sqrt(np.maximum(squares, 0))
    return shadows


def _exact(templates: Floats, one: Ints, other: Ints, bars: Floats) -> Pairs:
    """Those of pairs of rows, one < other, whose templates reach the bar of either row."""
    half = one < other
    one, other = one[half], other[half]
    similarity = np.empty(len(one), np.float32)
    for start in range(0, len(one), _GATHERED):
        some = slice(start, start + _GATHERED)
        similarity[some] = np.vecdot(templates[one[some]], templates[other[some]])
    alike = similarity >= np.minimum(bars[one], bars[other])
    return Pairs(one[alike], other[alike], similarity[alike])


def _nearest(pairs: Pairs, neighbours: int, bars: Floats) -> tuple[Pairs, Floats]:
    """The pairs that are among the nearest of one of their rows, and for each row what others have to reach."""
    ends = np.concatenate([pairs.first, pairs.second])
    others = np.concatenate([pairs.second, pairs.first])
    similarity = np.concatenate([pairs.similarity, pairs.similarity])
    order = np.lexsort((others, -similarity, ends))
    starts = np.searchsorted(ends[order], np.arange(len(bars)))
    places = np.arange(len(order)) - starts[ends[order]]  # of a pair among those of its row
    near = np.zeros(len(ends), np.bool_)
    near[order] = places < neighbours
    last = order[places == neighbours - 1]
    bars = bars.copy()
    bars[ends[last]] = np.nextafter(similarity[last], np.float32(2))  # later ones have to be more alike
    half = len(pairs.first)
    kept = np.flatnonzero(near[:half] | near[half:])
    kept = kept[np.lexsort((pairs.second[kept], pairs.first[kept]))]
    return Pairs(pairs.first[kept], pairs.second[kept], pairs.similarity[kept]), bars


def _joined(parts: list[Pairs]) -> Pairs:
    return Pairs(
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.second for part in parts]),
        np.concatenate([part.similarity for part in parts]),
    )


def _none() -> Pairs:
    return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
