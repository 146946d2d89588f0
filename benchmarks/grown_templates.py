"""Templates of a million people who do not exist, drawn like real ones: the generator behind `benchmarks.million`.

Fitted to the templates of real people who have several photos (their names and photos play no part):

- *between* people: a person's centre is normal, with the covariance of real centres; the part of it that comes from
  averaging few photos is subtracted.
- *within* a person: a photo differs from the centre by a normal vector with the pooled covariance of real differences,
  times a size of its own, log-normal: its spread is the one that makes the worst twentieth of pairs of photos of one
  person as unlike as the worst twentieth of real pairs.
- *look-alikes*: a share of the people are made from another person's centre, as relatives look; two look-alikes'
  centres have a cosine drawn evenly from a range that reaches as far as photos of one person do.

Everything is scaled to unit length, as encoders give it. The same seed draws the same people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LOOKALIKES = 0.5  # share of people who resemble another one
LOOKALIKE_COSINE = (0.6, 0.95)  # between the two centres
PHOTOS = 2  # templates per person
_WORST = 0.05
_CHUNK = 4000  # people drawn at once


@dataclass(frozen=True, slots=True)
class Population:
    """What real templates of dimension d taught.

    mean (d,), between (d, d) and within (d, d): factors that turn normal numbers into centres and differences.
    spread: of the logarithm of the sizes of differences.
    """

    mean: Floats
    between: Floats
    within: Floats
    spread: float


def fitted(templates: Floats, people: NDArray[np.int64]) -> Population:
    """Learn from templates (n, d) of unit length and the person of each, (n,)."""
    _, person, counts = np.unique(people, return_inverse=True, return_counts=True)
    x = templates.astype(np.float64)
    centres = np.zeros((len(counts), x.shape[1]))
    np.add.at(centres, person, x)
    centres /= counts[:, None]
    several = counts[person] >= 2
    # A mean of c photos lies nearer to them than the true centre does: c / (c - 1) makes up for it.
    deviations = (x - centres[person])[several] * np.sqrt(counts / np.maximum(counts - 1, 1))[person[several], None]
    within = deviations.T @ deviations / len(deviations)
    mean = centres.mean(axis=0)
    spread = (centres - mean).T @ (centres - mean) / (len(centres) - 1)
    between = spread - within * np.mean(1 / counts)
    first = np.flatnonzero(np.diff(person, prepend=-1))  # people's photos stand together
    first = first[counts[person[first]] >= 2]
    worst = float(np.quantile(np.vecdot(templates[first], templates[first + 1]), _WORST))
    choices = [
        Population(mean.astype(np.float32), _factor(between), _factor(within), spread)
        for spread in np.arange(0.0, 0.8, 0.05).tolist()
    ]
    return min(choices, key=lambda choice: abs(_worst_pairs(choice) - worst))


def drawn_population(dimension: int = 512) -> Population:
    """A population learnt from nobody, with variances that fall as those of real templates do: to try things with."""
    rng = np.random.default_rng(6)
    factors = []
    for variance in (0.64, 0.36):
        axes = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
        falling = np.exp(-np.arange(dimension) / (0.2 * dimension))
        factors.append((axes * np.sqrt(variance * falling / falling.sum())).astype(np.float32))
    return Population(np.zeros(dimension, np.float32), factors[0], factors[1], spread=0.5)


def grown(population: Population, people: int, seed: int = 0) -> Iterator[tuple[Floats, Floats]]:
    """Draw people in chunks: centres' photos (p, PHOTOS + 1, d), the last one to be the probe.

    Yields (enrolled (p * PHOTOS, d), probes (p, d)).
    """
    rng = np.random.default_rng(seed)
    d = len(population.mean)
    for first in range(0, people, _CHUNK):
        count = min(_CHUNK, people - first)
        centres = _centres(population, count, rng)
        by_person = photos_around(population, centres, PHOTOS + 1, rng)
        yield np.ascontiguousarray(by_person[:, :PHOTOS]).reshape(-1, d), np.ascontiguousarray(by_person[:, PHOTOS])


def photos_of(population: Population, people: int, photos: int, rng: np.random.Generator) -> Floats:
    """Photos (people, photos, d) of people drawn anew."""
    return photos_around(population, _centres(population, people, rng), photos, rng)


def photos_around(population: Population, centres: Floats, photos: int, rng: np.random.Generator) -> Floats:
    """Photos (p, photos, d) of people with centres (p, d)."""
    normal = rng.standard_normal((len(centres) * photos, centres.shape[1]), np.float32)
    normal *= np.exp(population.spread * rng.standard_normal((len(normal), 1), np.float32) - population.spread**2)
    taken: Floats = normal @ population.within.T
    taken += np.repeat(centres, photos, axis=0)
    taken /= np.linalg.norm(taken, axis=1, keepdims=True)
    return taken.reshape(len(centres), photos, -1)


def _worst_pairs(population: Population) -> float:
    """Cosine below which the worst twentieth of pairs of photos of one person lie."""
    rng = np.random.default_rng(1)
    photos = photos_around(population, _centres(population, 2000, rng), 2, rng)
    return float(np.quantile(np.vecdot(photos[:, 0], photos[:, 1]), _WORST))


def _centres(population: Population, count: int, rng: np.random.Generator) -> Floats:
    d = len(population.mean)
    away = rng.standard_normal((count, d), np.float32) @ population.between.T  # (count, d), from the mean
    similar = np.flatnonzero(rng.random(count) < LOOKALIKES)
    originals = rng.integers(0, count, len(similar))
    cosine = rng.uniform(*LOOKALIKE_COSINE, len(similar)).astype(np.float32)[:, None]
    away[similar] = cosine * away[originals] + np.sqrt(1 - cosine**2) * away[similar]
    centres: Floats = population.mean + away
    return centres


def _factor(covariance: NDArray[np.float64]) -> Floats:
    """F with F Fᵀ = covariance, negative directions dropped."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)), np.float32)
