"""The decision rule: what is compared with the threshold.

By *cosine*, the similarity itself. *Normalised*, less what the face resembles other people by, more than faces of
adults do: encoders put faces of some kinds close together, small children above all, and with one threshold for all
they are taken for one another. For a probe p and a candidate c,

    score = similarity(p, c) − max(0, μ − level(n)),   μ = mean of the 5 largest similarities of p to people but c,

n being the number of other templates, level(n) what adults reach (`facesearch.encoders.background`). That is test
normalisation (Auckenthaler, Carey, Lloyd-Thomas, Digital Signal Processing 2000) with means alone and on one side: a
score is never above the similarity, and candidates stay in its order. See docs/research/scores.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facesearch.encoders.background import NEAREST, Background
from facesearch.gallery.answers import Candidate

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]

COSINE = "cosine"
NORMALISED = "normalised"
SCORES = (COSINE, NORMALISED)
DEPTH = NEAREST + 1  # people to be found for a probe: a candidate, and the others


def penalties(nearest: Floats, others: int, background: Background) -> Doubles:
    """What is taken off the similarities of probes (m,).

    nearest: (m, up to NEAREST) similarities to the most alike of other people, −inf or NaN where there are fewer.
    others: how many templates of others there are.
    """
    known = np.isfinite(nearest)
    count = known.sum(axis=1)
    means = np.where(known, nearest, 0.0).sum(axis=1, dtype=np.float64) / np.maximum(count, 1)
    excess: Doubles = np.maximum(0.0, means - background.level(others))
    return np.where(count > 0, excess, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """How one gallery decides. background: of its encoder; None: by cosine. cohort: templates (c, d) of people who are
    not enrolled and count as others too, None without."""

    background: Background | None
    cohort: npt.NDArray[np.float32] | None = None

    def depth(self, k: int) -> int:
        """How many people have to be found to score the best k."""
        return k if self.background is None else max(k, DEPTH)

    def scored(self, candidates: Sequence[Candidate], others: int, probe: npt.NDArray[np.float32]) -> list[Candidate]:
        """The candidates for a probe (d,), of different people, best first, with scores.

        others: how many templates there are but the candidate's own.
        """
        if self.background is None:
            return list(candidates)
        nearest = _without_own([candidate.similarity for candidate in candidates])
        taken = np.maximum(penalties(nearest, others, self.background), self._by_cohort(probe))
        return [
            replace(candidate, score=candidate.similarity - float(penalty))
            for candidate, penalty in zip(candidates, taken, strict=True)
        ]

    def penalty(self, candidates: Sequence[Candidate], others: int, probe: npt.NDArray[np.float32]) -> float:
        """What is taken off for a face (d,) of which nobody says who it is: the first candidate may be the person."""
        if self.background is None:
            return 0.0
        nearest = np.array([[candidate.similarity for candidate in candidates[1:DEPTH]]])
        return max(float(penalties(nearest, others, self.background)[0]), self._by_cohort(probe))

    def _by_cohort(self, probe: npt.NDArray[np.float32]) -> float:
        if self.background is None or self.cohort is None:
            return 0.0
        nearest = np.sort(self.cohort @ probe)[None, -NEAREST:]
        return float(penalties(nearest, len(self.cohort), self.background)[0])


def _without_own(similarities: Sequence[float]) -> Doubles:
    """For each of the similarities (n,), descending: the `NEAREST` largest of the others, NaN where there are fewer."""
    nearest = np.full((len(similarities), NEAREST), np.nan)
    for place in range(len(similarities)):
        others = [value for at, value in enumerate(similarities[:DEPTH]) if at != place][:NEAREST]
        nearest[place, : len(others)] = others
    return nearest
