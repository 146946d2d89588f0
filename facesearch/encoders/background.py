"""How alike an encoder finds faces of different people: what a score is compared with before it counts as a match.

Of n other people, some resemble anybody. The mean similarity of the `NEAREST` most alike is measured on adults for
several n; a face that lies further in a crowd than almost any of theirs is one of a kind that the encoder confuses,
as small children are (docs/research/scores.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import msgspec
import numpy as np
import numpy.typing as npt

from facesearch.assets import read_asset

Floats = npt.NDArray[np.float32]

NEAREST = 5  # other people whose similarities are averaged
OTHERS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Numbers of other people that a background is measured at. Above the last one the level stays as it is."""
_NOISE = 2.0  # standard deviations that chance adds where there are few others
_DRAWS = 4
_SEED = 0


@dataclass(frozen=True, slots=True)
class Background:
    """Per number of others: mean and standard deviation, over adults, of the mean similarity (cosine) to the `NEAREST`
    most alike of so many other adults. others: (n,), ascending from 1."""

    others: tuple[int, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raises `ValueError` for values that are no background."""
        ascending = all(low < high for low, high in zip(self.others, self.others[1:], strict=False))
        finite = all(math.isfinite(value) for value in (*self.mean, *self.deviation))
        if not (self.others and self.others[0] == 1 and ascending and finite):
            raise ValueError("no background: numbers of others ascend from 1, means and deviations are finite")
        if not len(self.others) == len(self.mean) == len(self.deviation):
            raise ValueError("no background: there has to be a mean and a deviation for each number of others")

    def level(self, others: int) -> float:
        """The mean similarity from which on a face counts as one of a crowd, among so many others (one at least).

        With few others, chance alone makes it vary: the level is higher by what chance adds.
        """
        at = math.log(max(1, others))
        known = np.log(self.others)
        mean, deviation = (float(np.interp(at, known, values)) for values in (self.mean, self.deviation))
        return mean + _NOISE * max(0.0, deviation - self.deviation[-1])


def measured(templates: Floats) -> Background:
    """The background of an encoder from templates (n, d) of unit length, each of another adult.

    Numbers of others that would take more than half of them are left out. Raises `ValueError` for fewer than four.
    """
    generator = np.random.default_rng(_SEED)
    sizes = [others for others in OTHERS if 2 * others <= len(templates)]
    if len(templates) < 4:
        raise ValueError(f"{len(templates)} faces are too few to say how alike people are")
    means, deviations = [], []
    for others in sizes:
        found = []
        for _ in range(_DRAWS):
            order = generator.permutation(len(templates))
            crowd, asked = templates[order[:others]], templates[order[others:]]
            nearest = np.sort(asked @ crowd.T, axis=1)[:, -NEAREST:]
            found.append(nearest.mean(axis=1))
        values = np.concatenate(found)
        means.append(round(float(values.mean()), 4))
        deviations.append(round(float(values.std()), 4))
    return Background(tuple(sizes), tuple(means), tuple(deviations))


@cache
def shipped() -> Mapping[str, Background]:
    """The backgrounds that come with the package, by the name of the model."""
    return msgspec.json.decode(read_asset("backgrounds"), type=dict[str, Background])
