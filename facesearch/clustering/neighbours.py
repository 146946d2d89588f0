"""Which templates are alike: for each the nearest ones, found by comparing all with all.

Half of all pairs are compared, a block of rows with a block of rows at a time, and those that are alike enough are
kept. Where these become many, only the nearest of each row stay, and what was found then is the bar for the rest: the
memory depends on how many neighbours are wanted and not on how alike the templates are. For a hundred thousand
templates that is as fast as the approximate kinds of index, and exact (docs/research/clustering.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_ROWS, _COLUMNS = 1024, 4096  # of a block: its products stay in the processor's cache
_FEWEST_KEPT = 1 << 20  # pairs, before the first look at which of them are the nearest


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
    found, bars = _none(), np.full(n, least_similarity, np.float32)
    waiting, most = list[Pairs](), max(_FEWEST_KEPT, 2 * neighbours * n)
    count = 0
    for top in range(0, n, _ROWS):
        rows = templates[top : top + _ROWS]
        for left in range(top - top % _COLUMNS, n, _COLUMNS):
            columns = templates[left : left + _COLUMNS]
            alike = rows @ columns.T  # (r, c)
            bar = np.minimum(bars[top : top + _ROWS, None], bars[None, left : left + _COLUMNS])
            one, other = np.divmod(np.flatnonzero(alike >= bar), len(columns))
            similarity = alike[one, other]
            one, other = one + top, other + left
            half = one < other
            waiting.append(Pairs(one[half], other[half], similarity[half]))
            count += len(waiting[-1].first)
            if count > most:
                found, bars = _nearest(_joined([found, *waiting]), n, neighbours, bars)
                waiting, count = [], 0
    return _nearest(_joined([found, *waiting]), n, neighbours, bars)[0]


def _nearest(pairs: Pairs, n: int, neighbours: int, bars: Floats) -> tuple[Pairs, Floats]:
    """The pairs that are among the nearest of one of their rows, and for each row the similarity of its last one."""
    ends = np.concatenate([pairs.first, pairs.second])
    others = np.concatenate([pairs.second, pairs.first])
    similarity = np.concatenate([pairs.similarity, pairs.similarity])
    order = np.lexsort((others, -similarity, ends))
    starts = np.searchsorted(ends[order], np.arange(n))
    places = np.arange(len(order)) - starts[ends[order]]  # of a pair among those of its row
    near = np.zeros(len(ends), np.bool_)
    near[order] = places < neighbours
    last = order[places == neighbours - 1]
    bars = bars.copy()
    bars[ends[last]] = similarity[last]
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
