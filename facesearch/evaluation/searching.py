"""Searches of many probes in one index, with the rank of the right identity and the best candidate.

An *exhaustive* kind scores a query by its inner product with every vector as stored (`VectorIndex.reconstruct`), so
that thousands of searches are one matrix product, and what took long is kept. What `search` itself answers is compared
on a sample; kinds that do not look at every vector, or score otherwise, are asked one by one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.evaluation import result_cache
from facesearch.gallery.scoring import DEPTH
from indexes import VectorIndex, parse_kind
from indexes.threads import threads

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_BLOCK = 1024  # probes at once
_AGREE = 1e-3  # cosine
_DEPTH = 200  # candidates asked of a kind that does not look at every vector
_PATIENCE, _FEWEST_ROUNDS = 1.0, 15  # seconds of timing, but at least so many queries of each kind
_KEPT = ("rank", "row", "score", "right", "nearest")  # of `Searches`
_QUERY_DEPTH = 20  # templates that `facesearch query` asks for to name five people


@dataclass(frozen=True, slots=True, eq=False)
class GalleryTemplates:
    """Templates to search: vectors (n, d); identity (n,), numbers of people, ascending."""

    vectors: Floats
    identity: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """Templates to search with: vectors (m, d), zero where `found` (m,) is false: the search fails.

    identity: (m,), −1 or a number that is not in the gallery for people who are not enrolled.
    own: (m,) the gallery row that is the probe itself and is left out, −1 where there is none.
    """

    vectors: Floats
    identity: Ints
    own: Ints
    found: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """What every probe (m,) got.

    rank: of the right identity among identities, 0 where it is not there. row, score: of the first candidate; −1 and
    −inf where there is none. right: similarity of the best template of the right identity, −inf where there is none.
    probes: their templates (m, d). nearest: (m, `DEPTH`) of the most alike people, best first, −inf where there are
    fewer. others: how many templates a probe is compared with but one.
    """

    rank: Ints
    row: Ints
    score: Floats
    right: Floats
    nearest: Floats
    probes: Floats
    others: int

    @property
    def first(self) -> npt.NDArray[np.bool_]:
        """Whether the first candidate is the right identity, (m,)."""
        first: npt.NDArray[np.bool_] = self.rank == 1
        return first


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """An index with a gallery in it. stored: its vectors as it holds them (n, d)."""

    index: VectorIndex
    stored: Floats


def fill(index: VectorIndex, vectors: Floats) -> Filled:
    """Put vectors (n, d) into an empty index under the ids 0..n − 1."""
    index.add(np.arange(len(vectors)), vectors)
    return as_filled(index)


def as_filled(index: VectorIndex) -> Filled:
    """An index whose ids are 0..n − 1, with its vectors."""
    return Filled(index, index.reconstruct(index.ids))


def search(filled: Filled, gallery: GalleryTemplates, probes: Probes) -> Searches:
    """Search every probe; exact for exhaustive kinds. Equal scores go to the lowest row, as in the index."""
    if not (parse_kind(filled.index.kind).exhaustive and _agrees(filled, probes.vectors[probes.found][:8])):
        return _by_search(filled.index, gallery, probes)
    key = _key(filled.stored, gallery, probes)
    if known := result_cache.read(key):
        kept = known["rank"], known["row"], known["score"], known["right"], known["nearest"]
        return Searches(*kept, probes.vectors, _others(gallery, probes))
    started = time.perf_counter()
    found = _by_product(filled.stored, gallery, probes)
    if time.perf_counter() - started > result_cache.WORTH_KEEPING:
        result_cache.write(key, {name: getattr(found, name) for name in _KEPT})
    return found


def search_times(indexes: Sequence[VectorIndex], probes: Floats, rounds: int) -> list[npt.NDArray[np.float64]]:
    """Milliseconds per query of each index (rounds,), one query at a time, the indexes in turn; probes: (m, d).

    Where they are slow, a few rounds are enough.
    """
    times: list[list[float]] = [[] for _ in indexes]
    with threads(1):
        for index in indexes:
            index.search(probes[:1], _QUERY_DEPTH)
        began = time.perf_counter()
        for number in range(rounds):
            if number >= _FEWEST_ROUNDS and time.perf_counter() - began > _PATIENCE:
                break
            query = probes[number % len(probes)][None]
            for place, index in enumerate(indexes):
                start = time.perf_counter()
                index.search(query, _QUERY_DEPTH)
                times[place].append((time.perf_counter() - start) * 1000)
    return [np.array(each) for each in times]


def _key(stored: Floats, gallery: GalleryTemplates, probes: Probes) -> str:
    """What the answers of an exhaustive search depend on."""
    parts = (stored, gallery.identity, probes.vectors, probes.identity, probes.own, probes.found)
    return result_cache.key_of(f"searches 2, numpy {np.__version__}", *parts)


def _agrees(filled: Filled, queries: Floats) -> bool:
    if not len(queries) or not len(filled.stored):
        return True
    scores, _ = filled.index.search(queries, 1)
    return bool(np.allclose(scores[:, 0], (queries @ filled.stored.T).max(axis=1), atol=_AGREE))


def _by_product(stored: Floats, gallery: GalleryTemplates, probes: Probes) -> Searches:
    found = _nothing(gallery, probes)
    if not len(stored):
        return found
    people, starts = np.unique(gallery.identity, return_index=True)  # rows of one person stand together
    person = np.searchsorted(people, probes.identity)  # (m,)
    enrolled = (person < len(people)) & (people[np.minimum(person, len(people) - 1)] == probes.identity)
    ready = np.flatnonzero(probes.found)
    for start in range(0, len(ready), _BLOCK):
        block = ready[start : start + _BLOCK]
        scores = probes.vectors[block] @ stored.T  # (b, n)
        own = probes.own[block]
        scores[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
        rows = scores.argmax(axis=1)  # the lowest of equals
        found.row[block], found.score[block] = rows, np.take_along_axis(scores, rows[:, None], 1)[:, 0]
        of_people = np.maximum.reduceat(scores, starts, axis=1)  # (b, people)
        depth = min(DEPTH, len(people))
        found.nearest[block, :depth] = -np.sort(np.partition(-of_people, depth - 1, axis=1)[:, :depth], axis=1)
        mated = np.flatnonzero(enrolled[block])
        best = of_people[mated]  # (b', people)
        mine = person[block[mated]]
        right = np.take_along_axis(best, mine[:, None], 1)  # (b', 1)
        before = (best > right).sum(axis=1)
        level = (best == right) & (np.arange(len(people)) < mine[:, None])  # equals that stand further up
        found.right[block[mated]] = right[:, 0]
        found.rank[block[mated]] = np.where(np.isfinite(right[:, 0]), 1 + before + level.sum(axis=1), 0)
    found.row[~np.isfinite(found.score)] = -1
    return found


def _by_search(index: VectorIndex, gallery: GalleryTemplates, probes: Probes) -> Searches:
    found = _nothing(gallery, probes)
    ready = np.flatnonzero(probes.found)
    depth = min(_DEPTH, len(index))
    for start in range(0, len(ready) if depth else 0, _BLOCK):
        block = ready[start : start + _BLOCK]
        scores, rows = index.search(probes.vectors[block], depth)
        for place, probe in enumerate(block):
            kept = (rows[place] >= 0) & (rows[place] != probes.own[probe])
            mine, similarity = rows[place][kept], scores[place][kept]
            if not len(mine):
                continue
            found.row[probe], found.score[probe] = mine[0], similarity[0]
            owners = gallery.identity[mine]
            first = np.sort(np.unique(owners, return_index=True)[1])[:DEPTH]  # of each person, best first
            found.nearest[probe, : len(first)] = similarity[first]
            right = np.flatnonzero(owners == probes.identity[probe])
            if len(right):
                found.right[probe] = similarity[right[0]]
                found.rank[probe] = 1 + len(np.unique(owners[: right[0]]))
    return found


def _nothing(gallery: GalleryTemplates, probes: Probes) -> Searches:
    m = len(probes.vectors)
    none = np.full(m, -np.inf, np.float32)
    nearest = np.full((m, DEPTH), -np.inf, np.float32)
    rank, row = np.zeros(m, np.int64), np.full(m, -1, np.int64)
    return Searches(rank, row, none, none.copy(), nearest, probes.vectors, _others(gallery, probes))


def _others(gallery: GalleryTemplates, probes: Probes) -> int:
    left_out = bool((probes.own >= 0).any())
    return len(gallery.vectors) - 1 - left_out
