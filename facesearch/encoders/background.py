"""How alike an encoder finds faces of different people: what a score is compared with before it counts as a match.

Of n other people, some resemble anybody. The mean similarity of the `NEAREST` most alike is measured on adults for
several n; a face that lies further in a crowd than almost any of theirs is one of a kind that the encoder confuses,
as small children are (docs/research/scores.md).
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from facesearch.assets import read_asset

Floats = npt.NDArray[np.float32]

NEAREST = 5  # other people whose similarities are averaged
OTHERS = (100, 200, 500, 1000)
"""Numbers of other people that a background is measured at. Below the first and above the last the level stays: few
people may all be of one family, and among very many somebody resembles anybody."""
RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""False match rates for which the similarity is measured that so many pairs of different adults reach."""
_DRAWS = 4
_SEED = 0
_FEWEST_PAIRS = 10  # that a rate is told from


@dataclass(frozen=True, slots=True)
class Background:
    """Per number of others (n,), ascending: the mean similarity (cosine) of an adult to the `NEAREST` most alike of so
    many other adults, (n,).

    reached: per rate of `RATES` the similarity that such a share of pairs of different adults reaches; may be shorter,
    and is empty where that was not measured.
    """

    others: tuple[int, ...]
    mean: tuple[float, ...]
    reached: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raises `ValueError` for values that are no background."""
        ascending = all(low < high for low, high in zip((0, *self.others), self.others, strict=False))
        if not (self.others and ascending and all(math.isfinite(value) for value in self.mean)):
            raise ValueError("no background: numbers of others ascend, means are finite")
        if len(self.others) != len(self.mean):
            raise ValueError("no background: there has to be a mean for each number of others")
        if list(self.reached) != sorted(self.reached) or not all(map(math.isfinite, self.reached)):
            raise ValueError("no background: rarer similarities are higher")

    def false_match_rate(self, similarity: float) -> float | None:
        """The share of pairs of different adults that reach a similarity; None where that was not measured.

        Between the rates that were measured by its logarithm, and as far again beyond the last one as the two last ones
        are apart, with the rarest above; below them as of a normal distribution through the first two.
        """
        if len(self.reached) < 2:
            return None
        if similarity < self.reached[0]:
            first, second = (NormalDist().inv_cdf(1 - rate) for rate in RATES[:2])
            spread = max((self.reached[1] - self.reached[0]) / (second - first), 1e-9)
            return 1 - NormalDist(self.reached[0] - first * spread, spread).cdf(similarity)
        rates = np.log(RATES[: len(self.reached)])
        beyond = 2 * self.reached[-1] - self.reached[-2], 2 * rates[-1] - rates[-2]
        return float(np.exp(np.interp(similarity, (*self.reached, beyond[0]), (*rates, beyond[1]))))

    def similarity(self, rate: float) -> float | None:
        """The similarity that such a share of pairs of different adults reaches; None where that was not measured.

        Between the rates that were measured by their logarithm, and beyond the rarest on in a straight line, so that it
        may be above 1; for rates above the first one, that one's.
        """
        if len(self.reached) < 2:
            return None
        rates = -np.log(RATES[: len(self.reached)])
        rarer = max(0.0, -math.log(rate) - rates[-1]) * (self.reached[-1] - self.reached[-2]) / (rates[-1] - rates[-2])
        return float(np.interp(-math.log(rate), rates, self.reached) + rarer)

    def level(self, others: int) -> float:
        """The mean similarity from which on a face counts as one of a crowd, among so many others."""
        return self._level(min(max(others, self.others[0]), self.others[-1]))

    @lru_cache(maxsize=4096)  # noqa: B019 - there are as many backgrounds as encoders
    def _level(self, others: int) -> float:
        return float(np.interp(math.log(others), np.log(self.others), self.mean))


def measured(templates: Floats, nearest: int = NEAREST) -> Background:
    """The background of an encoder from templates (n, d) of unit length, each of another adult.

    nearest: how many of the most alike are averaged; scores are computed with `NEAREST`. Numbers of others that would
    take more than half of them are left out. Raises `ValueError` where none is left.
    """
    generator = np.random.default_rng(_SEED)
    sizes = [others for others in OTHERS if 2 * others <= len(templates)]
    if not sizes:
        raise ValueError(f"{len(templates)} faces are too few to say how alike people are: {2 * OTHERS[0]} are needed")
    means = []
    for others in sizes:
        found = []
        for _ in range(_DRAWS):
            order = generator.permutation(len(templates))
            crowd, asked = templates[order[:others]], templates[order[others:]]
            found.append(np.sort(asked @ crowd.T, axis=1)[:, -nearest:].mean(axis=1))
        means.append(round(float(np.concatenate(found).mean()), 4))
    return Background(tuple(sizes), tuple(means), _reached(templates))


def _reached(templates: Floats) -> tuple[float, ...]:
    """The similarities that `RATES` of all pairs of templates (n, d) reach, as far as 10 pairs do; ascending."""
    rows = np.triu_indices(len(templates), 1)
    alike = np.sort((templates @ templates.T)[rows])[::-1]
    enough = [int(rate * len(alike)) for rate in RATES if rate * len(alike) >= _FEWEST_PAIRS]
    return tuple(round(float(alike[count - 1]), 4) for count in enough)


@cache
def prototypes(model: str) -> Floats | None:
    """Templates (n, d) of faces of nobody that the encoder takes for those of small children (scripts/child_faces.py);
    None for a model without."""
    with np.load(io.BytesIO(read_asset("children")), allow_pickle=False) as held:
        return np.asarray(held[model], np.float32) if model in held.files else None


@cache
def shipped() -> Mapping[str, Background]:
    """The backgrounds that come with the package, by the name of the model."""
    held = json.loads(read_asset("backgrounds"))
    return {
        model: Background(**{name: tuple(values) for name, values in found.items()}) for model, found in held.items()
    }
