"""How often suspects are right: people of LFW, some photos of whom are given to somebody else.

    python -m benchmarks.suspects LFW_FOLDER [--encoder MODEL] …

Of the photos of people who have three or more, 1, 2 and 5 % are given to other such people: at random, or to the person
of the most alike photo. 100 people more are enrolled under two names. LFW has mistakes of its own, which count as false
alarms; what is told of LFW as it is, is counted too. Nothing is tuned here.
Writes benchmarks/results/suspects.json.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import measured
from benchmarks.dataset_templates import found_templates
from facesearch import Gallery
from facesearch.encoders import EncoderSpec
from facesearch.evaluation.datasets import read_dataset
from facesearch.gallery.suspect import Suspect
from facesearch.gallery.suspects import suspects

SHARES = (0.01, 0.02, 0.05)
WAYS = ("at random", "to a look-alike")
LEAST, SPLIT = 3, 100
RANKS = (0.5, 1.0, 1.5)  # of the number of labels given away
BARS = (0.2, 0.5, 0.8, 0.95, 0.99, 1.01)
SEED = 0
SECOND = " (2)"
LENGTHS, CURVED, LONGEST_LEAST = (100, 150, 200, 300, 400), 0.02, 0.005  # of lists of pairs, where and from which on
NEW = 100  # templates asked for alone, as an enrolment does


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--encoder", action="append", dest="encoders")
    asked = parser.parse_args()
    dataset, results = read_dataset(asked.lfw), {}
    for name in asked.encoders or ["mobilefacenet"]:
        vectors, names = found_templates(dataset, EncoderSpec.parse(name))
        results[name] = _of_encoder(name, vectors, names)
        print(name, results[name], flush=True)
    words = "".join(f" --encoder {name}" for name in asked.encoders or ())
    measured("suspects", results, f"python -m benchmarks.suspects LFW_FOLDER{words}")


def _of_encoder(encoder: str, vectors: np.ndarray, names: np.ndarray) -> dict[str, Any]:
    as_it_is, seconds = _told(encoder, vectors, names)
    own = {suspect.path for suspect in as_it_is if suspect.template_id is not None}
    pairs = {_pair(suspect) for suspect in as_it_is if suspect.kind == "same-person"}
    return {
        "templates": len(vectors),
        "seconds": round(seconds, 1),
        "ms per new template": round(_of_new(encoder, vectors, names), 2),
        "as it is": {kind: sum(each.kind == kind for each in as_it_is) for kind in sorted({x.kind for x in as_it_is})},
        "trials": [_trial(encoder, vectors, names, share, way, own, pairs) for way in WAYS for share in SHARES],
    }


def _told(
    encoder: str, vectors: np.ndarray, labels: Sequence[str] | np.ndarray, least: float | None = None
) -> tuple[list[Suspect], float]:
    with tempfile.TemporaryDirectory() as folder, Gallery.open(Path(folder) / "g", encoder=encoder) as gallery:
        gallery.enroll_templates(list(labels), vectors, sources=[str(row) for row in range(len(vectors))])
        start = time.perf_counter()
        return gallery.suspects(least=least), time.perf_counter() - start


def _of_new(encoder: str, vectors: np.ndarray, names: np.ndarray) -> float:
    """Milliseconds for each new template, where few are new."""
    with tempfile.TemporaryDirectory() as folder, Gallery.open(Path(folder) / "g", encoder=encoder) as gallery:
        gallery.enroll_templates(names.tolist(), vectors)
        new = np.random.default_rng(SEED).choice(len(vectors), NEW, replace=False) + 1
        suspects(gallery.parts, [1])
        start = time.perf_counter()
        suspects(gallery.parts, new.tolist())
        return 1000 * (time.perf_counter() - start) / NEW


def _trial(
    encoder: str,
    vectors: np.ndarray,
    names: np.ndarray,
    share: float,
    way: str,
    own: set[str | None],
    own_pairs: set[frozenset[str | None]],
) -> dict[str, Any]:
    """own, own_pairs: photos and people told of LFW as it is."""
    rng = np.random.default_rng(SEED)
    people, counts = np.unique(names, return_counts=True)
    many = people[counts >= LEAST]
    rows = np.flatnonzero(np.isin(names, many))
    wrong = rng.choice(rows, int(share * len(rows)), replace=False)
    labels = names.astype(object)
    labels[wrong] = [_given_to(row, vectors, names, rows, way, rng) for row in wrong]
    split = rng.choice(np.setdiff1d(many, [*labels[wrong], *names[wrong]]), SPLIT, replace=False)
    for name in split:
        mine = np.flatnonzero(labels == name)
        labels[mine[: len(mine) // 2]] = name + SECOND
    sizes = dict(zip(*np.unique(labels.astype(str), return_counts=True), strict=True))
    found, _ = _told(encoder, vectors, labels)
    given = {str(row) for row in wrong}
    photos = [item for item in found if item.template_id is not None]
    ranked = [item for item in photos if sizes[item.identity] >= LEAST]
    couples = [item for item in found if item.kind == "same-person"]
    return {
        "given": way,
        "given to others": len(given),
        "told": len(photos),
        "of them right": sum(item.path in given for item in photos),
        "by rank": {f"{rank:g}": _at(ranked, given, int(rank * len(given))) for rank in RANKS},
        "by rank, without those told of LFW as it is": _at(
            [item for item in ranked if item.path not in own or item.path in given], given, len(given)
        ),
        "by confidence": _by_confidence([(item.confidence, item.path in given) for item in photos]),
        "people with two names": SPLIT,
        "found from 0.5 on": sum(_is_split(item) for item in couples if item.confidence >= 0.5),
        "found": sum(map(_is_split, couples)),
        "other pairs from 0.5 on": sum(not _is_split(item) for item in couples if item.confidence >= 0.5),
        "other pairs": sum(not _is_split(item) for item in couples),
        "of them told of LFW as it is": sum(_pair(item) in own_pairs for item in couples if not _is_split(item)),
        "found among the first": _by_length(encoder, vectors, labels) if share == CURVED else {},
    }


def _by_length(encoder: str, vectors: np.ndarray, labels: np.ndarray) -> dict[str, int]:
    """How many people with two names are among so many pairs, the most certain first."""
    found, _ = _told(encoder, vectors, labels, LONGEST_LEAST)
    couples = [_is_split(item) for item in found if item.kind == "same-person"]
    return {f"{length}": sum(couples[:length]) for length in LENGTHS}


def _given_to(
    row: int, vectors: np.ndarray, names: np.ndarray, rows: np.ndarray, way: str, rng: np.random.Generator
) -> str:
    others = rows[names[rows] != names[row]]
    if way == WAYS[0]:
        return str(rng.choice(np.unique(names[others])))
    return str(names[others[(vectors[others] @ vectors[row]).argmax()]])


def _at(ranked: Sequence[Suspect], given: set[str], first: int) -> dict[str, int]:
    return {"first": first, "right": sum(item.path in given for item in ranked[:first])}


def _by_confidence(found: Sequence[tuple[float, bool]]) -> dict[str, list[int]]:
    """Per confidence from which on: how many suspects there are, and how many of them are right."""
    rows = {}
    for low, high in itertools.pairwise(BARS):
        right = [is_right for confidence, is_right in found if low <= confidence < high]
        rows[f"{low:g}"] = [len(right), sum(right)]
    return rows


def _pair(suspect: Suspect) -> frozenset[str | None]:
    return frozenset((suspect.identity, suspect.other))


def _is_split(suspect: Suspect) -> bool:
    return suspect.identity.removesuffix(SECOND) == (suspect.other or "").removesuffix(SECOND)


if __name__ == "__main__":
    main()
