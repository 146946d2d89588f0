"""The weights that one name for two people is judged by (`facesearch.gallery.two_people`), fitted on drawn people.

    python -m benchmarks.two_people_weights PORTRAITS_FOLDER

Centres are templates of portraits, of another person each, as in `benchmarks.suspect_weights`. A person's photos are of
one to three occasions, which share none, a quarter or half of what differs within the person: who has grown a beard
must not be taken for two. Some people are given all photos of another one, drawn at random or the most alike, and some
photos are given away. People whose photos fall into two groups count so that one of fifty is two people. Prints the
weights, and how often findings of each confidence are right among people drawn anew. Writes
benchmarks/results/two_people_weights.json.
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
from benchmarks.suspect_weights import AROUND_PORTRAITS, BETWEEN, ENCODERS, fitted, population
from facesearch.encoders import EncoderSpec
from facesearch.evaluation.datasets import read_dataset
from facesearch.gallery.likeness import Scale
from facesearch.gallery.logistic import Logistic
from facesearch.gallery.neighbourhood import scale_among
from facesearch.gallery.two_people import FEWEST, partings_of

SHARED = (0.0, 0.25, 0.5)  # of what differs within a person, by the photos of an occasion
PEOPLE, OCCASIONS, MOST = 1200, 3, 12
MERGED, STRAY = 200, 0.02  # people who are given another one's photos; share of photos that are given away
RATE = 0.02  # as which share of the names that fall into two groups those of two people count
BARS = (0.2, 0.5, 0.8, 0.95, 0.99, 1.01)


@dataclass(frozen=True, slots=True)
class _Found:
    """A parting of a person drawn: features (f,), whether its groups are two people, and whether the person is two."""

    features: np.ndarray
    right: bool
    two: bool
    name: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("portraits", type=Path)
    dataset = read_dataset(parser.parse_args().portraits, layout="photos")
    portraits = [found_templates(dataset, EncoderSpec.parse(name))[0] for name in ENCODERS]
    examples = list(_drawn(0, portraits))
    weights, bias = fitted(
        np.stack([each.features for each in examples]), np.array([each.right for each in examples]), _counts(examples)
    )
    fresh = list(_drawn(1000, portraits))
    results = {
        "weights": [round(value, 4) for value in weights],
        "bias": round(bias, 4),
        "people": len({each.name for each in fresh}),
        "of two": len({each.name for each in fresh if each.two}),
        "right by confidence": _by_confidence(fresh, Logistic(tuple(weights), bias)),
    }
    print(results)
    measured("two_people_weights", results, "python -m benchmarks.two_people_weights PORTRAITS_FOLDER")


def _counts(found: Sequence[_Found]) -> np.ndarray:
    """As how many each parting counts, so that `RATE` of the people with partings are two."""
    of_two = len({each.name for each in found if each.two})
    of_one = len({each.name for each in found if not each.two})
    return np.array([1.0 if each.two else (1 - RATE) / RATE * of_two / of_one for each in found])


def _by_confidence(found: Sequence[_Found], logistic: Logistic) -> dict[str, Any]:
    """The most certain parting of each person. Share: of those that are right, counted as above."""
    confidence, counts = logistic(np.stack([each.features for each in found])), _counts(found)
    best: dict[int, int] = {}
    for place, each in enumerate(found):
        if confidence[place] > confidence[best.setdefault(each.name, place)]:
            best[each.name] = place
    rows = {}
    for low, high in itertools.pairwise(BARS):
        chosen = [place for place in best.values() if low <= confidence[place] < high]
        right = [place for place in chosen if found[place].right]
        share = counts[right].sum() / max(counts[chosen].sum(), 1e-9)
        rows[f"{low:g}"] = {"findings": len(chosen), "right": len(right), "share": round(float(share), 3)}
    return rows


def _drawn(seed: int, portraits: Sequence[np.ndarray]) -> Iterator[_Found]:
    kinds = itertools.product(portraits, AROUND_PORTRAITS, SHARED, (False, True))
    for number, (templates, spreads, shared, to_lookalikes) in enumerate(kinds, start=1):
        rng = np.random.default_rng(seed + number)
        photos, people = _photos(rng, rng.permutation(templates)[:PEOPLE], spreads, shared)
        labels = _merged(rng, photos, people, to_lookalikes=to_lookalikes)
        scale = scale_among(photos, labels)
        stray = rng.random(len(photos)) < STRAY
        labels[stray] = rng.permutation(labels[stray])
        yield from _partings(photos, people, labels, scale, number * 10_000)


def _photos(
    rng: np.random.Generator, centres: np.ndarray, spreads: tuple[float, float], shared: float
) -> tuple[np.ndarray, np.ndarray]:
    """Templates of people who have two photos to `MOST`, and whose they are."""
    number, dimension = centres.shape
    drawn = population(dimension, *spreads)
    away = rng.standard_normal((number * OCCASIONS, dimension)).astype(np.float32) @ drawn.within.T
    occasions = np.repeat(centres * np.float32(np.sqrt(BETWEEN)), OCCASIONS, axis=0) + np.float32(shared**0.5) * away
    rest = replace(drawn, within=drawn.within * np.float32((1 - shared) ** 0.5))
    photos = grown_templates.photos_around(rest, occasions, MOST, rng).reshape(number, OCCASIONS, MOST, dimension)
    occasions_of = np.asarray(rng.integers(1, OCCASIONS + 1, number))
    occasion = rng.integers(0, occasions_of[:, None], (number, MOST))
    counts = np.clip(rng.geometric(0.35, number) + 1, 2, MOST)
    taken = np.arange(MOST) < counts[:, None]
    chosen = np.take_along_axis(photos, occasion[:, None, :, None], axis=1)[:, 0]
    return chosen[taken], np.repeat(np.arange(number), counts)


def _merged(rng: np.random.Generator, photos: np.ndarray, people: np.ndarray, *, to_lookalikes: bool) -> np.ndarray:
    """Labels where `MERGED` people have those of another one, at random or the most alike who is left."""
    sums = np.zeros((people.max() + 1, photos.shape[1]))
    np.add.at(sums, people, photos)
    centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    left, labels = np.ones(len(centres), bool), people.copy()
    for person in rng.permutation(len(centres)).tolist():
        if left.sum() < len(centres) - 2 * MERGED + 2:
            break
        if not left[person]:
            continue
        left[person] = False
        others = np.flatnonzero(left)
        other = others[(centres[others] @ centres[person]).argmax()] if to_lookalikes else rng.choice(others)
        left[other] = False
        labels[people == person] = other
    return labels


def _partings(photos: np.ndarray, people: np.ndarray, labels: np.ndarray, scale: Scale, first: int) -> Iterator[_Found]:
    order = np.argsort(labels, kind="stable")
    for own in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if len(own) < FEWEST:
            continue
        two = bool((np.sort(np.bincount(people[own]))[-2:] >= 2).sum() == 2)
        for parting in partings_of(photos, own, scale):
            right = np.bincount(people[parting.smaller]).argmax() != np.bincount(people[parting.larger]).argmax()
            yield _Found(parting.features, bool(right), two, first + int(labels[own[0]]))


if __name__ == "__main__":
    main()
