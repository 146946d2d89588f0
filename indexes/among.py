"""Searches among some of the rows: exactly where they are few, else by what the codes propose anyway.

Of few allowed rows each is compared with the query, and the time depends on how many there are, not on the size of the
index. Of many, codes that can leave rows out of a scan do so; the others are asked for as many more rows as are needed
to find enough allowed ones, and where that takes too many, the allowed rows are compared one by one all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexes.inputs import are_members

if TYPE_CHECKING:
    from indexes.codes import Floats, Mask, Rows, SearchedCodes

    Search = Callable[[Floats, int], tuple[Floats, Rows]]

_FEW = 2048  # rows that are compared one by one in any index
_FEW_PART = 32  # and of a large one, so many in one of all
_MORE = 1.5  # rows asked for, beyond what the allowed ones would be found among if they were spread evenly
_FURTHER = 8
_MOST_PART = 8  # of all rows at most one in so many is asked for
_SELECTED_PART = 4  # of all rows, up to one in so many is selected in a scan; of more, leaving out takes longer
_BLOCK = 1 << 22  # numbers per temporary array


@dataclass(frozen=True, eq=False)
class Allowed:
    """The rows (a,) that may be found, ascending, of an index of `size` rows; ids (a,) of the same."""

    rows: Rows
    ids: NDArray[np.int64]
    size: int

    @property
    def are_few(self) -> bool:
        return are_few_allowed(self.rows.size, self.size)

    @cached_property
    def by_id(self) -> Rows:
        """The same rows, in the order of their ids."""
        ascending = bool((np.diff(self.ids) > 0).all())
        return self.rows if ascending else self.rows[np.argsort(self.ids, kind="stable")]

    @cached_property
    def mask(self) -> Mask:
        """(size,) bool."""
        mask = np.zeros(self.size, np.bool_)
        mask[self.rows] = True
        return mask

    def without(self, passed: Rows | None) -> Allowed:
        """Less the rows passed (p,), ascending."""
        if passed is None or not passed.size:
            return self
        kept = ~are_members(self.rows, passed)
        return self if kept.all() else Allowed(self.rows[kept], self.ids[kept], self.size)


def are_few_allowed(allowed: int, size: int) -> bool:
    """Whether each of so many allowed rows is compared, of an index of so many in all."""
    return allowed <= max(_FEW, size // _FEW_PART)


def are_sparse(allowed: Mask) -> bool:
    """Whether a scan takes less time where it leaves out the rows that are not allowed."""
    return _SELECTED_PART * int(np.count_nonzero(allowed)) < allowed.size


def best_of(codes: SearchedCodes, coded: Floats, rows: Rows, count: int) -> tuple[Floats, Rows]:
    """The count best of rows (r,) for coded queries (m, c), compared one by one: scores and rows (m, count), best first
    and equal ones in the order of `rows`; −inf and −1 where there are no more."""
    m = len(coded)
    best = np.full((m, count), -np.inf, np.float32)
    found = np.full((m, count), -1, np.int64)
    step = max(1, _BLOCK // max(coded.shape[1], m))
    for start in range(0, rows.size if m else 0, step):
        here = rows[start : start + step]
        vectors = codes.decode(here)  # (b, c)
        # One product per row: unlike a matrix product, its last digit does not depend on its neighbours.
        scores = np.concatenate([best, np.stack([np.vecdot(vectors, query) for query in coded])], axis=1)
        places = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        best = np.take_along_axis(scores, places, 1)
        found = np.take_along_axis(np.concatenate([found, np.broadcast_to(here, (m, here.size))], 1), places, 1)
    return best, found


def sought(
    codes: SearchedCodes,
    search: Search,
    q: Floats,
    count: int,
    allowed: Mask,
    selected: Search | None = None,
) -> tuple[Floats, Rows]:
    """The count best allowed rows for q (m, d), by searches that leave none out: as `candidates`.

    search: (queries, how many) -> scores and rows, best first, of all rows. selected: the same of the allowed ones,
    where codes can do that, for what one search of all did not find.
    """
    size, there = len(codes), int(np.count_nonzero(allowed))
    scores = np.full((len(q), count), -np.inf, np.float32)
    rows = np.full((len(q), count), -1, np.int64)
    wanted = min(count, there)
    pending = np.arange(len(q) if wanted else 0)
    asked = int(_MORE * wanted * size / max(there, 1)) + 1
    while pending.size and asked <= max(size // _MOST_PART, _FEW):
        rough, found = search(q[pending], min(asked, size))  # (p, asked) twice
        inside = allowed[found] & (found >= 0)
        first = np.argsort(~inside, axis=1, kind="stable")[:, :wanted]
        full = np.count_nonzero(inside, axis=1) >= wanted
        scores[pending[full], :wanted] = np.take_along_axis(rough, first, 1)[full]
        rows[pending[full], :wanted] = np.take_along_axis(found, first, 1)[full]
        pending, asked = pending[~full], asked * _FURTHER
        if selected is not None:
            break
    if pending.size and selected is not None:
        scores[pending], rows[pending] = selected(q[pending], count)
    elif pending.size:
        coded = codes.coded_queries(q[pending])
        scores[pending, :wanted], rows[pending, :wanted] = best_of(codes, coded, np.flatnonzero(allowed), wanted)
    return scores, rows
