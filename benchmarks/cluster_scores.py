"""How right clusters are, by pairs of faces and by faces (BCubed): pure functions on arrays.

Precision: of what is together, how much belongs together; recall: of what belongs together, how much is together.
Sources: Amigó, Gonzalo, Artiles, Verdejo, Information Retrieval 2009 (BCubed); pairs as in the clustering of
MS-Celeb-1M (Yang et al., CVPR 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClusterScores:
    """Shares from 0 to 1; `f` is the harmonic mean of the two."""

    precision: float
    recall: float

    @property
    def f(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    def document(self) -> dict[str, float]:
        return {"precision": round(self.precision, 4), "recall": round(self.recall, 4), "f": round(self.f, 4)}


def pairwise(people: Ints, clusters: Ints) -> ClusterScores:
    """Of pairs of faces; people, clusters: (n,), a negative number for a face that is alone. 1 where no pair is."""
    together, of_person, of_cluster, _ = _counted(people, clusters)
    right = _pairs(together)
    found, wanted = _pairs(of_cluster), _pairs(of_person)
    return ClusterScores(right / found if found else 1.0, right / wanted if wanted else 1.0)


def bcubed(people: Ints, clusters: Ints) -> ClusterScores:
    """The mean over faces; people, clusters: (n,), a negative number for a face that is alone."""
    together, of_person, of_cluster, keys = _counted(people, clusters)
    squares = together.astype(np.float64) ** 2
    precision = float((squares / of_cluster[keys[:, 1]]).sum() / len(people))
    return ClusterScores(precision, float((squares / of_person[keys[:, 0]]).sum() / len(people)))


def _counted(people: Ints, clusters: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """How many faces each person has in each cluster (c,), has, are in each cluster; and which two each of c is of."""
    numbers = np.stack([_alone_numbered(people), _alone_numbered(clusters)], axis=1)
    keys, together = np.unique(numbers, axis=0, return_counts=True)
    return together, np.bincount(numbers[:, 0]), np.bincount(numbers[:, 1]), keys


def _alone_numbered(numbers: Ints) -> Ints:
    numbers = numbers.copy()
    alone = numbers < 0
    numbers[alone] = max(int(numbers.max()), -1) + 1 + np.arange(alone.sum())
    return numbers


def _pairs(counts: Ints) -> int:
    return int((counts * (counts - 1) // 2).sum())
