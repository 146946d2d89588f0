"""Clusters grow by joining the two that are most alike, as long as any two are alike enough.

How alike two clusters are is the cosine of their centres (the sums of their templates). What is peculiar to single
photos averages out in a centre, so that clusters of several photos are told apart better than photos. For the same
reason centres of loose clusters come near to everything: the mean similarity of the faces of two clusters, too, has to
reach a bar. Only clusters of which a face of one is a neighbour of a face of the other are compared.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from facesearch.clustering.constraints import Constraints
from facesearch.clustering.neighbours import Pairs

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_MEAN = 0.7  # part of the least similarity that the faces of two clusters have to reach on average
_SHORTEST = 1e-6  # of centres: faces that have to be together may cancel each other out


class Agglomeration:
    """Clusters of templates (n, d), joined step by step in `constraints`.

    taken: (n,) what is taken off similarities to a face; of two clusters, the larger of their means counts.
    """

    def __init__(
        self, templates: Floats, pairs: Pairs, constraints: Constraints, least_similarity: float, taken: Doubles
    ) -> None:
        self._constraints = constraints
        self._least = least_similarity
        self._centres = templates.copy()
        self._sizes = np.ones(len(templates))
        self._taken = taken.copy()
        clusters = constraints.clusters
        for face, cluster in enumerate(clusters):
            if face != cluster:
                self._centres[cluster] += templates[face]
                self._sizes[cluster] += 1
                self._taken[cluster] += taken[face]
        self._neighbours: list[set[int]] = [set() for _ in range(len(templates))]
        for a, b in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
            one, other = clusters[a], clusters[b]
            if one != other:
                self._neighbours[one].add(other)
                self._neighbours[other].add(one)
        self._lengths = np.maximum(np.linalg.norm(self._centres, axis=1), _SHORTEST)  # (n,)
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
        products = np.vecdot(self._centres[others], self._centres[cluster])
        taken = np.maximum(self._taken[others] / self._sizes[others], self._taken[cluster] / self._sizes[cluster])
        alike = products / (self._lengths[others] * self._lengths[cluster]) - taken
        mean = products / (self._sizes[others] * self._sizes[cluster]) - taken
        alike[mean < _MEAN * self._least] = -np.inf
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
        self._sizes[one] += self._sizes[other]
        self._taken[one] += self._taken[other]
        self._lengths[one] = max(np.linalg.norm(self._centres[one]), _SHORTEST)
        self._versions[one] += 1
        self._versions[other] += 1
        for neighbour in self._neighbours[other]:
            self._neighbours[neighbour].discard(other)
            if neighbour != one:
                self._neighbours[neighbour].add(one)
                self._neighbours[one].add(neighbour)
        self._neighbours[other] = set()
        self._neighbours[one].discard(one)
