"""Which templates of a person serve best where only a few may stay: people of LFW with many photos.

    python -m benchmarks.thinning LFW_FOLDER [--encoder MODEL] …

- kept: a third of the photos of people with ten or more are searched for, drawn `DRAWS` times; the others of them, less
  what each method takes away, and everybody else are enrolled. Half of the people with one photo are strangers: their
  searches set the threshold, anew for each method, at an FPIR of 1 %. Reported for people with at least 10, 20 and 50
  photos: top-1 and FNIR, each with a 95 % interval, and how they differ from keeping all on the same searches.
- rules: the same with all templates kept, but other scores of a person than that of the best template.
- gallery: people with at least 20 photos and everybody else in a real gallery, thinned: bytes, milliseconds per search.

Nothing was chosen on LFW: `benchmarks.thinning_drawn` did that. Writes benchmarks/results/thinning.json.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import alternating, measured
from benchmarks.thinning_methods import METHODS, Floats, Method
from facesearch import Gallery
from facesearch.encoders import EncoderSpec
from facesearch.evaluation.datasets import Dataset, read_dataset
from facesearch.evaluation.extraction import find_faces_of, templates
from facesearch.evaluation.statistics import Resamples, fnir_intervals, paired, share_interval

Ints = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]
Rule = Callable[[Scores, Ints], Scores]

LEAST = (10, 20, 50)
KEEP = (1, 3, 5, 10)
FPIR = 0.01
DRAWS = 5
SEED = 0
SEARCHES = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--encoder", action="append", dest="encoders")
    asked = parser.parse_args()
    dataset, results = read_dataset(asked.lfw), {}
    for name in asked.encoders or ["mobilefacenet"]:
        people = People.of(dataset, EncoderSpec.parse(name))
        results[name] = {**compared(people), "gallery": in_gallery(name, people)}
    words = "".join(f" --encoder {name}" for name in asked.encoders or ())
    measured("thinning", results, f"python -m benchmarks.thinning LFW_FOLDER{words}")


class People:
    """Templates (n, d), their qualities (n,), whose they are (n,) by number, sorted; how many each has."""

    def __init__(self, vectors: Floats, qualities: Floats, owners: Ints) -> None:
        self.vectors, self.qualities, self.owners = vectors, qualities, owners
        self.counts = np.bincount(owners)

    @classmethod
    def of(cls, dataset: Dataset, spec: EncoderSpec) -> People:
        held, faces = templates(dataset, [spec])[spec], find_faces_of(dataset)
        rows = np.flatnonzero(held.found)
        samples = [dataset.samples[row] for row in rows]
        found = [faces[sample.sha256 or b""] for sample in samples]
        scores = [0.0 if isinstance(face, str) else round(face.score, 3) for face in found]
        owners = np.unique([sample.identity for sample in samples], return_inverse=True)[1]
        order = np.argsort(owners, kind="stable")
        return cls(held.values[rows][order], np.array(scores, np.float32)[order], owners[order].astype(np.int64))


class Draw:
    """One way to part the photos: who is searched for, who is enrolled, who is a stranger."""

    def __init__(self, people: People, seed: int) -> None:
        generator = np.random.default_rng(seed)
        order = generator.permutation(len(people.owners))
        many = people.counts[people.owners] >= min(LEAST)
        rank = np.empty(len(order), np.int64)  # of each photo among its person's, drawn
        by_person = order[np.argsort(people.owners[order], kind="stable")]
        rank[by_person] = np.arange(len(order)) - np.searchsorted(people.owners, people.owners)
        self.probes = np.flatnonzero(many & (rank < people.counts[people.owners] // 3))
        ones = np.flatnonzero(people.counts == 1)
        strangers = generator.permutation(ones)[: len(ones) // 2]
        self.strangers = np.flatnonzero(np.isin(people.owners, strangers))
        left = np.ones(len(order), np.bool_)
        left[self.probes] = left[self.strangers] = False
        self.enrolled = np.flatnonzero(left)


class Outcome:
    """What searches found: whether the right person was first (n,), its score there (n,), the strangers' scores."""

    def __init__(self) -> None:
        self.first: list[npt.NDArray[np.bool_]] = []
        self.scores: list[Scores] = []
        self.strangers: list[Scores] = []
        self.templates: list[int] = []

    def add(self, scores: Scores, right: Ints, people: Ints, strangers: Scores, held: int) -> None:
        """Scores (n, p) and (m, p) of the searches with each of the people (p,); right (n,): whose each search is."""
        first = people[scores.argmax(axis=1)] == right
        self.first.append(first)
        self.scores.append(np.where(first, scores.max(axis=1), -np.inf))
        self.strangers.append(strangers.max(axis=1))
        self.templates.append(held)


def compared(people: People) -> dict[str, Any]:
    """All methods and rules, on the same searches."""
    draws = [Draw(people, SEED + number) for number in range(DRAWS)]
    outcomes: dict[str, Outcome] = {"all": Outcome()}
    for draw in draws:
        _score(people, draw, people.vectors[draw.enrolled], people.owners[draw.enrolled], outcomes["all"], best)
        for name, rule in RULES.items():
            outcome = outcomes.setdefault(name, Outcome())
            _score(people, draw, people.vectors[draw.enrolled], people.owners[draw.enrolled], outcome, rule)
        for name, method in METHODS.items():
            for keep in KEEP:
                held, owners = thinned(people, draw, method, keep)
                _score(people, draw, held, owners, outcomes.setdefault(f"{name}, {keep}", Outcome()), best)
        print(len(outcomes), "ways", flush=True)
    owners = np.concatenate([people.owners[draw.probes] for draw in draws])
    strangers = np.concatenate([people.owners[draw.strangers] for draw in draws])
    return {
        "strangers' searches": len(strangers),
        "kept": {str(least): _figures(outcomes, people.counts[owners] >= least, owners, strangers) for least in LEAST},
    }


def thinned(people: People, draw: Draw, method: Method, keep: int) -> tuple[Floats, Ints]:
    """What is enrolled, with at most `keep` templates of those whose photos are searched for."""
    owners = people.owners[draw.enrolled]
    searched = set(people.owners[draw.probes].tolist())
    held: list[Floats] = []
    whose: list[Ints] = []
    numbers, starts, counts = np.unique(owners, return_index=True, return_counts=True)
    for number, start, count in zip(numbers.tolist(), starts, counts, strict=True):
        rows = draw.enrolled[start : start + count]
        own = people.vectors[rows]
        if number in searched and count > keep:
            own = method(own, people.qualities[rows], keep)
        held.append(own)
        whose.append(np.full(len(own), number))
    return np.concatenate(held), np.concatenate(whose)


def best(alike: Scores, starts: Ints) -> Scores:
    """The score with each person is that with their most similar template."""
    return np.maximum.reduceat(alike, starts, axis=1)


def best_two(alike: Scores, starts: Ints) -> Scores:
    """The mean of the two most similar templates; of a single one, that."""
    first = best(alike, starts)
    columns = np.repeat(np.arange(len(starts)), np.diff([*starts, alike.shape[1]]))
    rest = np.where(alike == first[:, columns], np.float32(-2), alike)
    second = best(rest, starts)
    return np.asarray(np.where(second < -1, first, (first + second) / 2), np.float32)


def mean(alike: Scores, starts: Ints) -> Scores:
    """The mean of all templates."""
    counts = np.diff([*starts, alike.shape[1]])
    return np.asarray(np.add.reduceat(alike, starts, axis=1) / counts, np.float32)


RULES: dict[str, Rule | None] = {"mean of the best two": best_two, "mean of all": mean, "fused": None}


def _score(people: People, draw: Draw, held: Floats, owners: Ints, outcome: Outcome, rule: Rule | None) -> None:
    """Search for a draw's photos and strangers among templates (n, d) of owners (n,), sorted."""
    numbers, starts = np.unique(owners, return_index=True)
    if rule is None:
        sums = np.add.reduceat(held, starts, axis=0)
        held, starts, rule = np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True)), np.arange(len(sums)), best
    found, foreign = (rule(people.vectors[rows] @ held.T, starts) for rows in (draw.probes, draw.strangers))
    outcome.add(found, people.owners[draw.probes], numbers, foreign, len(held))


def _figures(outcomes: dict[str, Outcome], chosen: npt.NDArray[np.bool_], owners: Ints, strangers: Ints) -> Any:
    """Top-1 and FNIR of the chosen searches, by way."""
    own, foreign = (np.unique(each, return_inverse=True)[1] for each in (owners[chosen], strangers))
    resamples = Resamples.draw(int(own.max()) + 1)
    result: dict[str, Any] = {"people": int(own.max()) + 1, "searches": int(chosen.sum()), "ways": {}}
    found: dict[str, tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]] = {}
    for name, outcome in outcomes.items():
        first, scores = np.concatenate(outcome.first)[chosen], np.concatenate(outcome.scores)[chosen]
        others = np.concatenate(outcome.strangers)
        threshold = np.sort(others)[::-1][int(FPIR * len(others))]
        found[name] = first, scores > threshold
        result["ways"][name] = {
            "templates": round(float(np.mean(outcome.templates))),
            "threshold": round(float(threshold), 4),
            "top1": _rounded(first.mean()),
            "top1_ci": _rounded(*share_interval(resamples.means(first.astype(np.float64), own), result["people"])),
            "fnir": _rounded(1 - found[name][1].mean()),
            "fnir_ci": _rounded(*fnir_intervals(scores, own, others, foreign, [FPIR])[0]),
        }
    for name, (first, matched) in found.items():
        tops, matches = (
            paired("all", before, after, own, resamples)
            for before, after in zip(found["all"], (first, matched), strict=True)
        )
        result["ways"][name] |= {
            "top1_delta": _rounded(tops.delta),
            "top1_delta_ci": _rounded(*tops.delta_ci),
            "fnir_delta": _rounded(-matches.delta),
            "fnir_delta_ci": _rounded(-matches.delta_ci[1], -matches.delta_ci[0]),
        }
    return result


def _rounded(*values: float) -> Any:
    rounded = [round(float(value), 5) + 0.0 for value in values]
    return rounded[0] if len(rounded) == 1 else rounded


def in_gallery(encoder: str, people: People) -> dict[str, Any]:
    """What thinning frees and saves in a gallery of those with at least 20 photos."""
    rows = np.flatnonzero(people.counts[people.owners] >= 20)
    probes = people.vectors[rows[:: max(1, len(rows) // SEARCHES)]]
    result: dict[str, Any] = {}
    for keep in (10, 5, 3, 1):
        with tempfile.TemporaryDirectory() as scratch:
            folders = [Path(scratch) / "all", Path(scratch) / "thinned"]
            for folder in folders:
                with Gallery.open(folder, encoder=encoder) as gallery:
                    gallery.enroll_templates([str(people.owners[row]) for row in rows], people.vectors[rows])
                    gallery.compact()
            with Gallery.open(folders[0]) as whole, Gallery.open(folders[1]) as less:
                planned, done = less.thin(keep, dry_run=True), less.thin(keep)
                times = alternating(
                    {
                        "all": lambda: [whole.search(probe[None], 5) for probe in probes],
                        "thinned": lambda: [less.search(probe[None], 5) for probe in probes],
                    },
                    7,
                )
                before, after = whole.info(), less.info()
                result[str(keep)] = {
                    "people": before.identities,
                    "templates": [before.templates, after.templates],
                    "database_bytes": [before.database_bytes, after.database_bytes],
                    "index_bytes": [before.index_bytes, after.index_bytes],
                    "freed_bytes": [planned.before_bytes - planned.after_bytes, done.before_bytes - done.after_bytes],
                    "ms per search": [round(each / len(probes), 3) for each in times.values()],
                }
        print(encoder, keep, result[str(keep)], flush=True)
    return result


if __name__ == "__main__":
    main()
