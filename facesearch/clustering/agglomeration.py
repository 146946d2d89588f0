"""Clusters grow by joining the two that are most alike, as long as any two are alike enough.

How alike two clusters are is the cosine of their centres (the sums of their templates). What is peculiar to single
photos averages out in a centre, so that clusters of several photos are told apart better than photos. Only clusters of
which a face of one is a neighbour of a face of the other are compared.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from facesearch.clustering.constraints import Constraints
from facesearch.clustering.neighbours import Pairs

Floats = npt.NDArray[np.float32]


class Agglomeration:
    """Clusters of templates (n, d), joined step by step in `constraints`."""

    def __init__(self, templates: Floats, pairs: Pairs, constraints: Constraints, least_similarity: float) -> None:
        self._constraints = constraints
        self._least = least_similarity
        self._centres = templates.copy()
        self._sizes = np.ones(len(templates), np.int64)
        clusters = constraints.clusters
        for face, cluster in enumerate(clusters):
            if face != cluster:
                self._centres[cluster] += templates[face]
        self._neighbours: list[set[int]] = [set() for _ in range(len(templates))]
        for a, b in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
            one, other = clusters[a], clusters[b]
            if one != other:
                self._neighbours[one].add(other)
                self._neighbours[other].add(one)
        self._lengths = np.linalg.norm(self._centres, axis=1)  # (n,)
        self._versions = [0] * len(templates)  # how often a cluster changed
        self._queue: list[tuple[float, int, int, int, int]] = []  # −similarity, the two, their versions

    def run(self) -> None:
        """Join clusters until no two of them are alike enough."""
        for cluster in range(len(self._neighbours)):
            self._propose(cluster)
        while self._queue:
            _, one, other, of_one, of_other = heapq.heappop(self._queue)
            if self._versions[one] != of_one:
                continue
            if self._versions[other] != of_other:
                self._propose(one)
                continue
            self._join(one, other)
            self._propose(one)

    def _propose(self, cluster: int) -> None:
        """Put the best partner of a cluster into the queue."""
        neighbours = self._neighbours[cluster]
        if not neighbours:
            return
        others = np.fromiter(neighbours, np.int64, len(neighbours))
        others.sort()
        alike = np.vecdot(self._centres[others], self._centres[cluster])
        alike /= self._lengths[others] * self._lengths[cluster]
        for place in np.argsort(-alike, kind="stable").tolist():
            other = int(others[place])
            if alike[place] < self._least:
                return
            if self._constraints.allow(cluster, other):
                proposal = (-float(alike[place]), cluster, other, self._versions[cluster], self._versions[other])
                heapq.heappush(self._queue, proposal)
                return
            neighbours.discard(other)  # clusters that are apart stay so
            self._neighbours[other].discard(cluster)

    def _join(self, one: int, other: int) -> None:
        self._constraints.join(one, other)
        self._centres[one] += self._centres[other]
        self._lengths[one] = np.linalg.norm(self._centres[one])
        self._versions[one] += 1
        self._versions[other] += 1
        for neighbour in self._neighbours[other]:
            self._neighbours[neighbour].discard(other)
            if neighbour != one:
                self._neighbours[neighbour].add(one)
                self._neighbours[one].add(neighbour)
        self._neighbours[other] = set()
        self._neighbours[one].discard(one)
