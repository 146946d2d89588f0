"""What the first stages of several indexes propose, ranked as one index of all of them ranks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexes.codes import Floats
from indexes.row_search import FURTHER, least_proposed, settled


@dataclass(frozen=True, slots=True, eq=False)
class Proposed:
    """Proposals for m queries: rough scores, best first, scores and ids, each (m, f), −inf and −1 for none.

    rows: how many there were to be found.
    """

    rough: Floats
    scores: Floats
    ids: NDArray[np.int64]
    rows: int


def first_proposed(k: int) -> int:
    """How many proposals are asked for at first, for the k best."""
    return least_proposed(k)


def more_proposed(count: int) -> int:
    """How many are asked for next, where so many were too few."""
    return FURTHER * count


def best_proposed(parts: Sequence[Proposed], count: int, k: int) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """The k best of what several indexes of one kind and one training propose, of whom each was asked for `count`.

    Returns scores (m, k), ids (m, k), and the numbers (u,) of queries for which more has to be asked for.
    """
    rows = sum(part.rows for part in parts)
    asked = min(count, rows)
    rough = np.concatenate([part.rough for part in parts], axis=1)
    every = np.concatenate([part.scores for part in parts], axis=1)
    names = np.concatenate([part.ids for part in parts], axis=1)
    order = np.argsort(-rough, axis=1, kind="stable")[:, :asked]
    rough, every, names = (np.take_along_axis(each, order, 1) for each in (rough, every, names))
    scores = np.full((len(rough), k), -np.inf, np.float32)
    ids = np.full((len(rough), k), -1, np.int64)
    unsettled = []
    for query in range(len(rough) if asked else 0):
        kept = settled(rough[query], names[query], k, rows, precise=False)
        if kept is None:
            unsettled.append(query)
            continue
        found, known = every[query][kept], names[query][kept]
        best = np.lexsort((known, -found))[:k]  # best score first, then lowest id
        scores[query, : best.size], ids[query, : best.size] = found[best], known[best]
    return scores, ids, np.array(unsettled, np.int64)
