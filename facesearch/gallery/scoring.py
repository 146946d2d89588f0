"""The decision rule: what is compared with the threshold.

By *cosine*, the similarity itself. *Normalised*, less what the face resembles other people by, more than faces of
adults do: encoders put faces of some kinds close together, small children above all, and with one threshold for all
they are taken for one another. For a probe p and a candidate c,

    score = similarity(p, c) − max(0, μ − level(n)),   μ = mean of the 5 largest similarities of p to people but c,

n being the number of other templates, level(n) what adults reach (`facesearch.encoders.background`). The same is done
with prototypes of small children that come with the package, and with a cohort that a gallery may have; the largest of
these is taken off. That is test normalisation (Auckenthaler, Carey, Lloyd-Thomas, Digital Signal Processing 2000) with
means alone and on one side: a score is never above the similarity, and candidates stay in its order. See
docs/research/scores.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facesearch.encoders import Model, find_model
from facesearch.encoders.background import NEAREST, Background
from facesearch.errors import UnknownEncoderError, UsageError
from facesearch.gallery.answers import Candidate

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]

COSINE = "cosine"
NORMALISED = "normalised"
SCORES = (COSINE, NORMALISED)
LARGEST_COHORT = 1000  # faces; of more, some would resemble anybody
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
    """How candidates are decided on. background: of the encoder; None: by cosine. cohorts: each templates (c, d) of
    people who are not enrolled and count as others too."""

    background: Background | None
    cohorts: tuple[npt.NDArray[np.float32], ...] = ()

    @classmethod
    def usual(cls, model: Model) -> Rule:
        """The normalised scores of an encoder with what comes with the package; by cosine where there are none."""
        if model.background is None:
            return cls(None)
        return cls(model.background, () if model.prototypes is None else (model.prototypes,))

    @classmethod
    def asked(cls, model: str, score: str | None) -> Rule:
        """That of a score, for the encoder of this name; None: the usual one, by cosine for encoders not known here.

        Raises `UsageError` for normalised scores that there cannot be.
        """
        try:
            usual = cls.usual(find_model(model))
        except UnknownEncoderError:  # it was handed in, or is not installed
            usual = cls(None)
        if score == NORMALISED and usual.background is None:
            raise UsageError(
                f"how alike {model} finds people was never measured, so that its scores cannot be normalised: "
                "use --score cosine"
            )
        return cls(None) if score == COSINE else usual

    @property
    def score(self) -> str:
        return COSINE if self.background is None else NORMALISED

    def depth(self, k: int) -> int:
        """How many people have to be found to score the best k."""
        return k if self.background is None else max(k, DEPTH)

    def taken(self, probes: npt.NDArray[np.float32], nearest: Floats, others: int) -> Doubles:
        """What is taken off the similarities of probes (m, d) to a candidate; nearest, others: see `penalties`."""
        return np.maximum(self.by_people(nearest, others), self.by_cohorts(probes))

    def by_people(self, nearest: Floats, others: int) -> Doubles:
        """What is taken off the similarities of probes (m,) for those who are enrolled; see `penalties`."""
        return np.zeros(len(nearest)) if self.background is None else penalties(nearest, others, self.background)

    def by_cohorts(self, probes: npt.NDArray[np.float32]) -> Doubles:
        """What is taken off the similarities of probes (m, d), whoever is enrolled."""
        most = np.zeros(len(probes))
        if self.background is None:
            return most
        for cohort in self.cohorts:
            similarity = probes @ cohort.T
            if len(cohort) > NEAREST:
                similarity = np.partition(similarity, -NEAREST, axis=1)[:, -NEAREST:]
            most = np.maximum(most, similarity.mean(axis=1, dtype=np.float64) - self.background.level(len(cohort)))
        return most

    def scored(
        self,
        people: Sequence[list[Candidate]],
        others: int,
        probes: npt.NDArray[np.float32],
        whole: Sequence[list[Candidate]] | None = None,
    ) -> list[list[Candidate]]:
        """The candidates for each of probes (m, d), of different people, best first, with scores.

        others: how many templates there are but the candidate's own. whole: the best of all who were searched, where
        some of them are left out of `people`.
        """
        if self.background is None:
            return list(people)
        level, least = self.background.level(others), self.by_cohorts(probes).tolist()
        every = zip(people, people if whole is None else whole, least, strict=True)
        return [_scored(found, best, level, taken) for found, best, taken in every]

    def penalties(self, people: Sequence[list[Candidate]], others: int, probes: npt.NDArray[np.float32]) -> Doubles:
        """What is taken off for each of probes (m, d) of which nobody says who it is: the first candidate of each may
        be the person."""
        nearest = np.full((len(probes), NEAREST), -np.inf)
        for row, found in zip(nearest, people, strict=True):
            alike = [candidate.similarity for candidate in found[1:DEPTH]]
            row[: len(alike)] = alike
        return self.taken(probes, nearest, others)


def _scored(candidates: list[Candidate], whole: list[Candidate], level: float, least: float) -> list[Candidate]:
    """The candidates for one probe with scores; level: of the background, least: what is taken off whoever it is."""
    nearest = [candidate.similarity for candidate in whole[:DEPTH]]
    places = {candidate.identity: place for place, candidate in enumerate(whole[:DEPTH])}
    together = sum(nearest)
    scored = []
    for candidate in candidates:
        # of a candidate beyond DEPTH, the others are the first but the last of them
        own = nearest[places.get(candidate.identity, len(nearest) - 1)]
        mean = (together - own) / (len(nearest) - 1) if len(nearest) > 1 else level
        taken = max(mean - level, least)
        scored.append(replace(candidate, score=candidate.similarity - taken) if taken > 0 else candidate)
    return scored
