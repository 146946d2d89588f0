"""How right clusters of unknown faces are, beside other ways to make them, with their seconds and memory.

    python -m benchmarks.clustering --lfw LFW_FOLDER --utkface UTKFACE_FOLDER --portraits PORTRAITS_FOLDER

All faces of LFW; the same with those of UTKFace as noise, which count as one person each, as nobody says who they are
(some people are in UTKFace several times, so that precision is a little better than told); and 100,000 faces, the rest
of them grown (`benchmarks.grown_templates`). Each way has the usual parameter (the encoder's threshold; HDBSCAN: 5
faces) and the best of several, chosen by the mean BCubed F on what is not LFW: templates of people learnt from nobody
(`drawn_population`), and portraits and UTKFace of one face per person. So that what was chosen on one scale means
something on another, a similarity is chosen by the share of pairs of different people that reach it.

--cache: a folder with NAME_ENCODER.npy and NAME.txt (paths) of lfw, utk and por, which are read instead of the photos.
--only: names of ways, photos or growing, repeatable; what was measured before stays. Infomap is measured
where the package is installed: by its licence it cannot be a part of facesearch. Writes
benchmarks/results/clustering.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.cluster_scores import bcubed, pairwise
from benchmarks.clustering_peers import METHODS
from benchmarks.common import RESULTS, measured, read_results
from benchmarks.dataset_templates import found_templates
from benchmarks.grown_templates import drawn_population, fitted, grown
from facesearch.clustering import grouped, least_similarity
from facesearch.clustering.neighbours import nearest_pairs
from facesearch.encoders import EncoderSpec, find_model
from facesearch.evaluation.datasets import read_dataset
from facesearch.gallery.scoring import Rule

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

ENCODERS = ("mobilefacenet", "edgeface-xs")
RATES = (1e-3, 1e-4, 1e-5, 1e-6)  # of false matches, among which the best is chosen
SIZES = (5, 3, 2)  # of a cluster, for HDBSCAN
LARGE = 100_000
PACKAGES = ("numpy", "scikit-learn", "scipy", "dlib-bin", "infomap")
_DRAWN = 1000  # people
_PHOTO = 4  # faces


@dataclass(frozen=True, slots=True)
class Faces:
    """Templates (n, d), what is taken off their similarities (n,), and whose they are (n,), −1: nobody else's."""

    templates: Floats
    taken: Floats
    people: Ints

    def __add__(self, other: Faces) -> Faces:
        return Faces(
            np.concatenate([self.templates, other.templates]),
            np.concatenate([self.taken, other.taken]),
            np.concatenate([self.people, np.where(other.people < 0, -1, other.people + self.people.max() + 1)]),
        )


class Sets:
    """The sets of faces by one encoder."""

    def __init__(self, encoder: str, folders: dict[str, Path | None], kept: Path | None) -> None:
        self.model = find_model(encoder)
        self._rule = Rule.usual(self.model)
        self._folders, self._kept = folders, kept

    @cache  # noqa: B019 - two of them, for as long as this runs
    def named(self, name: str) -> Faces:
        """lfw, with the people; utk or por, each face of another person."""
        templates, paths = self._read(name)
        people = np.unique([Path(path).parent.name for path in paths], return_inverse=True)[1].astype(np.int64)
        return self._with_taken(templates, people if name == "lfw" else np.full(len(paths), -1))

    def large(self) -> Faces:
        """LARGE faces: those of LFW, of UTKFace, and grown ones like LFW's, three of each person."""
        faces = self.named("lfw") + self.named("utk")
        missing = LARGE - len(faces.templates)
        population = fitted(self.named("lfw").templates, self.named("lfw").people)
        chunks = [
            np.concatenate([some.reshape(len(last), -1, last.shape[1]), last[:, None]], axis=1)
            for some, last in grown(population, -(-missing // 3))
        ]
        drawn = np.concatenate(chunks).reshape(-1, faces.templates.shape[1])[:missing]
        return faces + self._with_taken(drawn, np.arange(missing) // 3)

    def _with_taken(self, templates: Floats, people: Ints) -> Faces:
        return Faces(templates, self._rule.by_cohorts(templates).astype(np.float32), people)

    def _read(self, name: str) -> tuple[Floats, list[str]]:
        if self._kept:
            templates, paths = self._kept / f"{name}_{self.model.name}.npy", self._kept / f"{name}.txt"
            if templates.exists():
                return np.load(templates), paths.read_text(encoding="utf-8").strip().split("\n")
        folder = self._folders[name]
        if folder is None:
            raise SystemExit(f"the photos of {name} are needed: give its folder")
        dataset = read_dataset(folder, "folders" if name == "lfw" else "photos")
        found, people = found_templates(dataset, EncoderSpec(self.model.name))
        return found, [f"{person}/photo" if name == "lfw" else "" for person in people.tolist()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--lfw", "--utkface", "--portraits", "--cache"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--only", action="append", choices=(*METHODS, "photos", "growing"))
    arguments = parser.parse_args()
    folders = {"lfw": arguments.lfw, "utk": arguments.utkface, "por": arguments.portraits}
    sets = [Sets(encoder, folders, arguments.cache) for encoder in ENCODERS]
    before = read_results("clustering") if (RESULTS / "clustering.json").exists() else {"rows": [], "chosen": {}}
    chosen, rows = dict(before["chosen"]), list(before["rows"])
    wanted = arguments.only or [*METHODS, "photos", "growing"]
    for method in (name for name in wanted if name in METHODS):
        if method not in ("grouped", "grouped, nothing taken off"):
            chosen[method] = best_parameter(method, sets[0])
        rows = [row for row in rows if row["method"] != method]
        for faces in sets:
            rows += of_method(method, faces, chosen.get(method))
            write(chosen, rows, before)
    if "photos" in wanted:
        before["photos"] = photos(sets)
    if "growing" in wanted:
        before["growing"] = growing(sets)
    write(chosen, rows, before)


def write(chosen: dict[str, Any], rows: list[dict[str, Any]], before: dict[str, Any]) -> None:
    kept = {name: before[name] for name in ("photos", "growing") if name in before}
    order = list(METHODS)
    rows = sorted(rows, key=lambda row: order.index(row["method"]))
    command = "python -m benchmarks.clustering --lfw LFW_FOLDER --utkface UTKFACE_FOLDER --portraits PORTRAITS_FOLDER"
    measured("clustering", {"chosen": chosen, "rows": rows} | kept, command, PACKAGES)


def of_method(method: str, sets: Sets, chosen: float | None) -> list[dict[str, Any]]:
    """What a way makes of LFW, of LFW and noise, and (ours) of many faces."""
    noisy = sets.named("lfw") + sets.named("utk")
    tests = {"LFW": sets.named("lfw"), "LFW + UTKFace": noisy}
    if method == "grouped":
        tests["grown"] = sets.large()
    rows = []
    for name, faces in tests.items():
        if chosen is None:
            ways = {"own": least_similarity(sets.model, len(faces.templates))}
        elif method == "HDBSCAN":
            ways = {"usual": float(SIZES[0]), "chosen": chosen}
        else:
            background = sets.model.background
            ways = {"usual": sets.model.threshold, "chosen": (background and background.similarity(chosen)) or 1.0}
        for way, parameter in ways.items():
            clusters, measures = in_process(method, parameter, faces)
            row = {"method": method, "parameter": way, "value": round(parameter, 4), "encoder": sets.model.name}
            row |= {"set": name, "faces": len(clusters)} | scores(faces.people, clusters) | measures
            print(row, file=sys.stderr, flush=True)
            rows.append(row)
    return rows


def best_parameter(method: str, sets: Sets) -> float:
    """The rate of false matches, or the size, that is best on what is not LFW."""
    drawn, reached = drawn_faces()
    alone = sets.named("utk") + sets.named("por")
    background, found = sets.model.background, dict[float, float]()
    assert background
    for choice in SIZES if method == "HDBSCAN" else RATES:
        for faces, parameter in (
            (drawn, reached.get(choice, choice)),
            (alone, choice if method == "HDBSCAN" else background.similarity(choice) or 1.0),
        ):
            clusters, _ = in_process(method, parameter, faces)
            found[choice] = found.get(choice, 0.0) + bcubed(faces.people, clusters).f / 2
    print(method, found, file=sys.stderr, flush=True)
    return max(found, key=lambda choice: found[choice])


@cache
def drawn_faces() -> tuple[Faces, dict[float, float]]:
    """Faces of people learnt from nobody, one to three of each, and the similarity of each of RATES."""
    parts = [
        np.concatenate([some.reshape(len(last), -1, last.shape[1]), last[:, None]], axis=1)
        for some, last in grown(drawn_population(192), _DRAWN, seed=3)
    ]
    by_person = np.concatenate(parts)
    taken = np.arange(3)[None] <= np.random.default_rng(4).integers(0, 3, _DRAWN)[:, None]
    templates, people = by_person[taken], np.nonzero(taken)[0].astype(np.int64)
    alike = np.sort((templates @ templates.T)[people[:, None] < people])
    reached = {rate: float(alike[int(len(alike) * (1 - rate))]) for rate in RATES}
    return Faces(templates, np.zeros(len(people), np.float32), people), reached


def in_process(method: str, parameter: float, faces: Faces) -> tuple[Ints, dict[str, float]]:
    """The clusters (n,) of a way, and what they cost, in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        files = [str(Path(scratch) / f"{name}.npy") for name in ("templates", "taken", "clusters")]
        np.save(files[0], faces.templates)
        np.save(files[1], faces.taken)
        command = [sys.executable, "-m", "benchmarks.clustering_peers", method, str(parameter), *files]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[1])
        return np.load(files[2]), json.loads(done.stdout)


def scores(people: Ints, clusters: Ints) -> dict[str, Any]:
    return {"pairwise": pairwise(people, clusters).document(), "bcubed": bcubed(people, clusters).document()}


def photos(every: list[Sets]) -> list[dict[str, Any]]:
    """What it brings that faces of one photo are kept apart, of LFW and UTKFace: four at random in each photo, and two
    of different people that are most alike."""
    rows = []
    for sets in every:
        faces = sets.named("lfw") + sets.named("utk")
        people = np.where(faces.people < 0, faces.people.max() + 1 + np.arange(len(faces.people)), faces.people)
        least = least_similarity(sets.model, len(people))
        for name, taken in (
            ("not told", None),
            ("four at random", four_in_photos(people)),
            ("two that are alike", two_in_photos(faces.templates, people, least)),
        ):
            clusters = grouped(faces.templates, photos=taken, least_similarity=least, taken=faces.taken)
            rows.append({"encoder": sets.model.name, "photos": name} | scores(faces.people, clusters))
    return rows


def four_in_photos(people: Ints) -> list[int]:
    """The photo of each face (n,): four to a photo at random, fewer where two would be of one person."""
    photo = [0] * len(people)
    number, inside = 0, set[int]()
    for face in np.random.default_rng(5).permutation(len(people)).tolist():
        if len(inside) == _PHOTO or int(people[face]) in inside:
            number, inside = number + 1, set()
        inside.add(int(people[face]))
        photo[face] = number
    return photo


def two_in_photos(templates: Floats, people: Ints, least: float) -> list[int]:
    """The photo of each face (n,): the most alike faces of two people share one, others are alone in theirs."""
    pairs = nearest_pairs(templates, 50, 0.7 * least)
    photo = list(range(len(people)))
    free = set(photo)
    for pair in np.argsort(-pairs.similarity, kind="stable").tolist():
        one, other = int(pairs.first[pair]), int(pairs.second[pair])
        if people[one] != people[other] and one in free and other in free:
            photo[other] = one
            free -= {one, other}
    return photo


def growing(every: list[Sets]) -> list[dict[str, Any]]:
    """Clusters of half the faces of LFW, then of all: which pairs and whole clusters stay together."""
    rows = []
    for sets in every:
        faces = sets.named("lfw")
        n = len(faces.people)
        half = np.sort(np.random.default_rng(6).permutation(n)[: n // 2])
        least = least_similarity(sets.model, n // 2), least_similarity(sets.model, n)
        first = grouped(faces.templates[half], least_similarity=least[0], taken=faces.taken[half])
        then = grouped(faces.templates, least_similarity=least[1], taken=faces.taken)[half]
        clusters = [np.flatnonzero(first == number) for number in range(first.max() + 1)]
        kept = sum(len(set(then[cluster].tolist())) == 1 and then[cluster[0]] >= 0 for cluster in clusters)
        pairs = pairwise(first, then)
        row = {"encoder": sets.model.name, "clusters": len(clusters), "whole": int(kept)}
        rows.append(row | {"pairs_kept": round(pairs.recall, 4)})
    return rows


if __name__ == "__main__":
    main()
