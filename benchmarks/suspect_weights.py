"""The weights that suspects are judged by (`facesearch.gallery.suspicion`), fitted on drawn people.

    python -m benchmarks.suspect_weights

People are drawn as templates are spread (`benchmarks.grown_templates`): several dimensions, spreads within a person
and shares of look-alikes. Labels are given to others at random or to the nearest other person, photos of strangers are
given to somebody, and people are split in two. Prints the weights, and how often suspects of each confidence are right
among people drawn anew. Nothing is learnt from real people. Writes benchmarks/results/suspect_weights.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import benchmarks.grown_templates as grown_templates
from benchmarks.common import measured
from facesearch.gallery import suspicion
from facesearch.gallery.likeness import Neighbourhood, People, nearest_others, pair_features, template_features
from facesearch.gallery.neighbourhood import NEIGHBOURS, scale_among

KINDS = ("wrong", "stray", "one")
# dimension, spread within a person, and of its size
SHAPES = (
    (64, 0.36, 0.5),
    (96, 0.36, 0.4),
    (192, 0.36, 0.5),
    (192, 0.25, 0.4),
    (192, 0.5, 0.5),
    (512, 0.36, 0.5),
    (512, 0.5, 0.3),
)
SHARES = (0.01, 0.03)
STRAYS = 0.2  # photos of strangers, for each photo that is given away
PEOPLE, SPLIT, MOST = 1500, 45, 12
LOOKALIKES, LOOKALIKE_COSINE = 0.03, (0.5, 0.9)
BARS = (0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 1.0)


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    grown_templates.LOOKALIKES, grown_templates.LOOKALIKE_COSINE = LOOKALIKES, LOOKALIKE_COSINE
    examples = _together(0)
    weights = {kind: _fitted(*examples[kind]) for kind in KINDS}
    fresh, results = _together(1000), {}
    for kind, (found, bias) in weights.items():
        features, right = fresh[kind]
        confidence = suspicion.Logistic(tuple(found), bias)(features)
        results[kind] = {"weights": [round(value, 4) for value in found], "bias": round(bias, 4)}
        results[kind]["right by confidence"] = _by_confidence(confidence, right)
        print(kind, results[kind])
    measured("suspect_weights", results, "python -m benchmarks.suspect_weights")


def _by_confidence(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for low, high in zip(BARS, (*BARS[1:], 2.0), strict=True):
        chosen = (confidence >= low) & (confidence < high)
        if chosen.any():
            rows[f"{low:g}"] = {"suspects": int(chosen.sum()), "right": int(right[chosen].sum())}
            rows[f"{low:g}"]["mean confidence"] = round(float(confidence[chosen].mean()), 3)
    return rows


def _together(seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Features and outcomes of each kind, of all trials."""
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {kind: [] for kind in KINDS}
    for shape in SHAPES:
        for to_lookalikes in (False, True):
            for share in SHARES:
                seed += 1
                for kind, features, right in _trial(seed, shape, share, to_lookalikes=to_lookalikes):
                    found[kind].append((features, right))
    return {kind: tuple(map(np.concatenate, zip(*rows, strict=True))) for kind, rows in found.items()}  # type: ignore[misc]


def _trial(
    seed: int, shape: tuple[int, float, float], share: float, *, to_lookalikes: bool
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    templates, people = _drawn(rng, *shape)
    strangers, _ = _drawn(rng, *shape, people=200)
    labels, wrong = _given_away(templates, people, share, rng, to_lookalikes=to_lookalikes)
    rest = np.setdiff1d(np.arange(len(templates)), wrong)
    stray = rng.choice(rest, int(STRAYS * share * len(rest)), replace=False)
    templates[stray] = strangers[rng.choice(len(strangers), len(stray), replace=False)]
    labels, pairs = _split(labels, np.concatenate([wrong, stray]), rng)
    hood = Neighbourhood(templates, labels, np.arange(len(labels)), *nearest(templates))
    scale = scale_among(templates, labels)
    kept = np.ones(len(labels), bool)
    found = pair_features(hood, People(templates, labels, kept, scale), nearest_others(hood, labels, kept))
    people_of = zip(found.these.tolist(), found.those.tolist(), strict=True)
    yield "one", found.features, np.array([pair in pairs for pair in people_of])
    as_one = labels.copy()
    for one, other in pairs:
        as_one[as_one == other] = one
    both = np.concatenate([wrong, stray])
    for left_out in (0.0, 0.7):  # in the first round, and later
        kept = np.ones(len(labels), bool)
        kept[both[rng.random(len(both)) < left_out]] = False
        features, _, comparable = template_features(
            hood, People(templates, as_one, kept, scale), nearest_others(hood, as_one, kept)
        )
        for kind, rows, others in (("wrong", wrong, stray), ("stray", stray, wrong)):
            right = np.isin(np.arange(len(labels)), rows)
            counted = comparable & ~np.isin(np.arange(len(labels)), others)
            yield kind, features[counted], right[counted]


def nearest(templates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the nearest other templates of each, and their similarities."""
    near, similarities = [], []
    for start in range(0, len(templates), 1024):
        alike = templates[start : start + 1024] @ templates.T
        rows = np.arange(len(alike))
        alike[rows, start + rows] = -2.0
        found = np.argpartition(alike, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        values = np.take_along_axis(alike, found, axis=1)
        order = np.argsort(-values, axis=1)
        near.append(np.take_along_axis(found, order, axis=1))
        similarities.append(np.take_along_axis(values, order, axis=1).astype(np.float64))
    return np.concatenate(near), np.concatenate(similarities)


def _drawn(
    rng: np.random.Generator, dimension: int, within: float, spread: float, people: int = PEOPLE
) -> tuple[np.ndarray, np.ndarray]:
    """Templates of people who have one photo to `MOST`, and whose they are."""
    population = grown_templates.drawn_population(dimension)
    factor = np.float32(np.sqrt(within / 0.36))
    population = replace(population, within=population.within * factor, spread=spread)
    counts = np.clip(rng.geometric(0.35, people) + (rng.random(people) > 0.3), 1, MOST)
    photos = grown_templates.photos_of(population, people, MOST, rng)
    taken = np.arange(MOST) < counts[:, None]
    return photos[taken], np.repeat(np.arange(people), counts)


def _given_away(
    templates: np.ndarray, people: np.ndarray, share: float, rng: np.random.Generator, *, to_lookalikes: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of whom some are wrong, and which: of people with three photos or more, given to such people."""
    counts = np.bincount(people)
    rows = np.flatnonzero(counts[people] >= 3)
    wrong = rng.choice(rows, int(share * len(rows)), replace=False)
    labels = people.copy()
    for row in wrong:
        if to_lookalikes:
            alike = templates[rows] @ templates[row]
            alike[people[rows] == people[row]] = -2.0
            labels[row] = people[rows[alike.argmax()]]
        else:
            labels[row] = rng.choice(people[rows[people[rows] != people[row]]])
    return labels, wrong


def _split(
    labels: np.ndarray, wrong: Sequence[int] | np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, set[tuple[int, int]]]:
    """Labels where `SPLIT` people have two numbers, and their pairs."""
    labels, touched = labels.copy(), set(labels[wrong].tolist())
    counts = np.bincount(labels)
    able = np.array([person for person in np.flatnonzero(counts >= 3).tolist() if person not in touched])
    pairs = set()
    for number, person in enumerate(rng.choice(able, min(SPLIT, len(able) // 2), replace=False).tolist()):
        own, second = np.flatnonzero(labels == person), len(counts) + number
        labels[own[: len(own) // 2]] = second
        pairs.add((person, second))
    return labels, pairs


def _fitted(features: np.ndarray, right: np.ndarray) -> tuple[list[float], float]:
    """Weights and bias of a logistic function, by Newton's method."""
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-9
    x = np.column_stack([(features - mean) / deviation, np.ones(len(features))])
    weights = np.zeros(x.shape[1])
    for _ in range(60):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ weights, -40, 40)))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(x.shape[1])
        weights -= np.linalg.solve(curvature, x.T @ (p - right))
    scaled = weights[:-1] / deviation
    return scaled.tolist(), float(weights[-1] - (scaled * mean).sum())


if __name__ == "__main__":
    main()
