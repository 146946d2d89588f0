"""The weights that suspects are judged by (`facesearch.gallery.suspicion`), fitted on drawn people.

    python -m benchmarks.suspect_weights PORTRAITS_FOLDER

People are drawn as templates are spread (`benchmarks.grown_templates`): several dimensions, spreads within a person
and shares of look-alikes. Labels are given to others at random or to the nearest other person, photos of strangers are
given to somebody. For two people who are one, centres are templates of portraits, of another person each, so that
people are as alike as real ones are; some are split in two. Prints the weights, and how often suspects of each
confidence are right among people drawn anew. How photos of one real person differ is not learnt. Writes
benchmarks/results/suspect_weights.json.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import benchmarks.grown_templates as grown_templates
from benchmarks.common import measured
from benchmarks.dataset_templates import found_templates
from facesearch.encoders import EncoderSpec
from facesearch.evaluation.datasets import read_dataset
from facesearch.gallery.likeness import Neighbourhood, People, nearest_others, pair_features, template_features
from facesearch.gallery.logistic import Logistic
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
ENCODERS, AROUND_PORTRAITS = ("mobilefacenet", "edgeface-xs", "edgeface-xxs"), ((0.36, 0.5), (0.5, 0.4))
BETWEEN = 0.64  # variance between people, beside which the spreads within one are
SHARES = (0.01, 0.03)
STRAYS = 0.2  # photos of strangers, for each photo that is given away
PEOPLE, STRANGERS, SPLIT, MOST = 1500, 200, 45, 12
LOOKALIKES, LOOKALIKE_COSINE = 0.03, (0.5, 0.9)
BARS = (0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("portraits", type=Path)
    grown_templates.LOOKALIKES, grown_templates.LOOKALIKE_COSINE = LOOKALIKES, LOOKALIKE_COSINE
    dataset = read_dataset(parser.parse_args().portraits, layout="photos")
    portraits = [found_templates(dataset, EncoderSpec.parse(name))[0] for name in ENCODERS]
    examples = _together(0, portraits)
    weights = {kind: fitted(*examples[kind]) for kind in KINDS}
    fresh, results = _together(1000, portraits), {}
    for kind, (found, bias) in weights.items():
        features, right = fresh[kind]
        confidence = Logistic(tuple(found), bias)(features)
        results[kind] = {"weights": [round(value, 4) for value in found], "bias": round(bias, 4)}
        results[kind]["right by confidence"] = _by_confidence(confidence, right)
        print(kind, results[kind])
    measured("suspect_weights", results, "python -m benchmarks.suspect_weights PORTRAITS_FOLDER")


def _by_confidence(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for low, high in zip(BARS, (*BARS[1:], 2.0), strict=True):
        chosen = (confidence >= low) & (confidence < high)
        if chosen.any():
            rows[f"{low:g}"] = {"suspects": int(chosen.sum()), "right": int(right[chosen].sum())}
            rows[f"{low:g}"]["mean confidence"] = round(float(confidence[chosen].mean()), 3)
    return rows


def _together(seed: int, portraits: Sequence[np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Features and outcomes of each kind, of all trials."""
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {kind: [] for kind in KINDS}
    ways = (False, True)
    for number, (shape, to_lookalikes, share) in enumerate(itertools.product(SHAPES, ways, SHARES), start=1):
        rng = np.random.default_rng(seed + number)
        drawn = (*_drawn(rng, *shape), _drawn(rng, *shape, people=STRANGERS)[0])
        labelled = _labelled(rng, *drawn, share, to_lookalikes=to_lookalikes)
        for kind, features, right in _templates(rng, labelled):
            found[kind].append((features, right))
    around = itertools.product(portraits, AROUND_PORTRAITS, ways, SHARES)
    for number, (templates, spreads, to_lookalikes, share) in enumerate(around, start=1):
        rng = np.random.default_rng(seed + number)
        centres = rng.permutation(templates)
        people = _drawn_around(rng, centres[:PEOPLE], *spreads)
        strangers, _ = _drawn_around(rng, centres[PEOPLE : PEOPLE + STRANGERS], *spreads)
        found["one"].append(_pairs(_labelled(rng, *people, strangers, share, to_lookalikes=to_lookalikes)))
    return {kind: tuple(map(np.concatenate, zip(*rows, strict=True))) for kind, rows in found.items()}  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Templates with labels of which these rows are wrong or of strangers; pairs: the people who are one."""

    templates: np.ndarray
    labels: np.ndarray
    wrong: np.ndarray
    stray: np.ndarray
    pairs: set[tuple[int, int]]

    @property
    def hood(self) -> Neighbourhood:
        return Neighbourhood(self.templates, self.labels, np.arange(len(self.labels)), *nearest(self.templates))


def _labelled(
    rng: np.random.Generator,
    templates: np.ndarray,
    people: np.ndarray,
    strangers: np.ndarray,
    share: float,
    *,
    to_lookalikes: bool,
) -> _Labelled:
    labels, wrong = _given_away(templates, people, share, rng, to_lookalikes=to_lookalikes)
    rest = np.setdiff1d(np.arange(len(templates)), wrong)
    stray = rng.choice(rest, int(STRAYS * share * len(rest)), replace=False)
    templates[stray] = strangers[rng.choice(len(strangers), len(stray), replace=False)]
    labels, pairs = _split(labels, np.concatenate([wrong, stray]), rng)
    return _Labelled(templates, labels, wrong, stray, pairs)


def _pairs(drawn: _Labelled) -> tuple[np.ndarray, np.ndarray]:
    """Features of pairs of people, and which of them are one."""
    hood, labels, kept = drawn.hood, drawn.labels, np.ones(len(drawn.labels), bool)
    counted = People(drawn.templates, labels, kept, scale_among(drawn.templates, labels))
    found = pair_features(hood, counted, nearest_others(hood, labels, kept))
    people_of = zip(found.these.tolist(), found.those.tolist(), strict=True)
    return found.features, np.array([pair in drawn.pairs for pair in people_of])


def _templates(rng: np.random.Generator, drawn: _Labelled) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Features of templates, and which of them are somebody else's, or nobody's."""
    hood, scale = drawn.hood, scale_among(drawn.templates, drawn.labels)
    as_one = drawn.labels.copy()
    for one, other in drawn.pairs:
        as_one[as_one == other] = one
    both = np.concatenate([drawn.wrong, drawn.stray])
    for left_out in (0.0, 0.7):  # in the first round, and later
        kept = np.ones(len(as_one), bool)
        kept[both[rng.random(len(both)) < left_out]] = False
        features, _, comparable = template_features(
            hood, People(drawn.templates, as_one, kept, scale), nearest_others(hood, as_one, kept)
        )
        for kind, rows, others in (("wrong", drawn.wrong, drawn.stray), ("stray", drawn.stray, drawn.wrong)):
            right = np.isin(np.arange(len(as_one)), rows)
            counted = comparable & ~np.isin(np.arange(len(as_one)), others)
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
    taken = _taken(rng, people)
    photos = grown_templates.photos_of(population(dimension, within, spread), people, MOST, rng)
    return photos[taken], np.repeat(np.arange(people), taken.sum(axis=1))


def _drawn_around(
    rng: np.random.Generator, portraits: np.ndarray, within: float, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """The same of people whose centres are portraits (n, d)."""
    taken, centres = _taken(rng, len(portraits)), portraits * np.float32(np.sqrt(BETWEEN))
    photos = grown_templates.photos_around(population(portraits.shape[1], within, spread), centres, MOST, rng)
    return photos[taken], np.repeat(np.arange(len(portraits)), taken.sum(axis=1))


def population(dimension: int, within: float, spread: float) -> grown_templates.Population:
    drawn = grown_templates.drawn_population(dimension)
    factor = np.float32(np.sqrt(within / (1 - BETWEEN)))
    return replace(drawn, within=drawn.within * factor, spread=spread)


def _taken(rng: np.random.Generator, people: int) -> np.ndarray:
    """Which of `MOST` photos people have, (people, MOST): the first ones."""
    counts = np.clip(rng.geometric(0.35, people) + (rng.random(people) > 0.3), 1, MOST)
    return np.arange(MOST) < counts[:, None]


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


def fitted(features: np.ndarray, right: np.ndarray, counts: np.ndarray | None = None) -> tuple[list[float], float]:
    """Weights and bias of a logistic function, by Newton's method. counts (n,): as how many each row counts."""
    counts = np.ones(len(features)) if counts is None else counts
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-9
    x = np.column_stack([(features - mean) / deviation, np.ones(len(features))])
    weights = np.zeros(x.shape[1])
    for _ in range(60):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ weights, -40, 40)))
        curvature = (x * (counts * p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(x.shape[1])
        weights -= np.linalg.solve(curvature, x.T @ (counts * (p - right)))
    scaled = weights[:-1] / deviation
    return scaled.tolist(), float(weights[-1] - (scaled * mean).sum())


if __name__ == "__main__":
    main()
