"""The choice of `gallery thin`, made on people who do not exist: templates drawn as `benchmarks.grown_templates` does.

    python -m benchmarks.thinning_drawn

Photos of a person come in looks (as with and without glasses), of which some are rarer than others. Of 200 people 30
templates are enrolled, less what each method takes away; six more photos of each are searched for, and four each of 200
strangers, who set the threshold at an FPIR of 1 %. In some sets a share of the templates is poor, near one common
centre and of low quality, or enrolled as a wrong person. Writes benchmarks/results/thinning_drawn.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.common import measured
from benchmarks.grown_templates import _centres, drawn_population
from benchmarks.thinning_methods import METHODS, Floats

PEOPLE, ENROLLED, PROBES, STRANGERS = 200, 30, 6, 4
DIMENSION = 256
KEEP = (1, 3, 5, 10)
FPIR = 0.01
BETWEEN_LOOKS = 0.6  # of the variance within a person
SPREAD = 0.5  # of the logarithm of how far photos are from their look
SEED = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """A set of people. looks: of each; poor, wrong: shares of the photos."""

    looks: int
    poor: float = 0.0
    wrong: float = 0.0


KINDS = {
    "three looks": Kind(3),
    "five looks": Kind(5),
    "three looks, 2 % poor": Kind(3, poor=0.02),
    "three looks, 3 % of others": Kind(3, wrong=0.03),
    "five looks, 1 % poor, 2 % of others": Kind(5, poor=0.01, wrong=0.02),
}


def main() -> None:
    results: dict[str, Any] = {}
    for name, kind in KINDS.items():
        photos, qualities = drawn(kind)
        results[name] = {"all": {"0": _figures(photos, qualities, None, ENROLLED)}}
        for method in METHODS:
            results[name][method] = {str(keep): _figures(photos, qualities, method, keep) for keep in KEEP}
            print(name, method, results[name][method], flush=True)
    measured("thinning_drawn", results, "python -m benchmarks.thinning_drawn", ("numpy",))


def drawn(kind: Kind) -> tuple[Floats, Floats]:
    """Photos (2 · people, photos, d), the second half of strangers, and their qualities (2 · people, photos)."""
    rng = np.random.default_rng(SEED)
    population, people, photos = drawn_population(DIMENSION), 2 * PEOPLE, ENROLLED + PROBES
    centres = _centres(population, people, rng)
    within = population.within.T
    looks = (rng.standard_normal((people * kind.looks, DIMENSION), np.float32) @ within).reshape(people, kind.looks, -1)
    commonness = np.arange(kind.looks, 0, -1) / np.arange(kind.looks + 1).sum()
    chosen = rng.choice(kind.looks, (people, photos), p=commonness)
    of_look = np.take_along_axis(looks, chosen[:, :, None], axis=1) * np.float32(BETWEEN_LOOKS**0.5)
    away = rng.standard_normal((people, photos, 1), np.float32)
    own = (rng.standard_normal((people * photos, DIMENSION), np.float32) @ within).reshape(people, photos, -1)
    own *= np.exp(SPREAD * away - SPREAD**2) * np.float32((1 - BETWEEN_LOOKS) ** 0.5)
    found = _unit(centres[:, None] + of_look + own)
    qualities = 1 / (1 + np.exp(2 * (away[..., 0] - 1) + 0.5 * rng.standard_normal((people, photos), np.float32)))
    poor = rng.random((people, photos)) < kind.poor
    common, weight = _unit(rng.standard_normal(DIMENSION, np.float32)), rng.uniform(0.5, 0.9, (int(poor.sum()), 1))
    found[poor] = _unit(((1 - weight) * found[poor] + weight * common).astype(np.float32))
    qualities[poor] = rng.uniform(0, 0.35, int(poor.sum()))
    wrong = np.flatnonzero(rng.random(PEOPLE * ENROLLED) < kind.wrong)
    enrolled = found[:PEOPLE, PROBES:].reshape(-1, DIMENSION)  # a copy
    enrolled[wrong] = enrolled[rng.integers(0, len(enrolled), len(wrong))]
    found[:PEOPLE, PROBES:] = enrolled.reshape(PEOPLE, ENROLLED, -1)
    return found, qualities.astype(np.float32)


def _figures(photos: Floats, qualities: Floats, method: str | None, keep: int) -> dict[str, float]:
    held = [
        own if method is None else METHODS[method](own, quality, keep)
        for own, quality in zip(photos[:PEOPLE, PROBES:], qualities[:PEOPLE, PROBES:], strict=True)
    ]
    starts = np.cumsum([0, *map(len, held)])[:-1]
    enrolled = np.concatenate(held).T
    mated = np.maximum.reduceat(photos[:PEOPLE, :PROBES].reshape(-1, DIMENSION) @ enrolled, starts, axis=1)
    strangers = photos[PEOPLE:, :STRANGERS].reshape(-1, DIMENSION) @ enrolled
    highest = np.sort(strangers.max(axis=1))[::-1]
    first = mated.argmax(axis=1) == np.repeat(np.arange(PEOPLE), PROBES)
    found = first & (mated.max(axis=1) > highest[int(FPIR * len(highest))])
    return {"top1": round(float(first.mean()), 4), "fnir": round(float(1 - found.mean()), 4)}


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


if __name__ == "__main__":
    main()
