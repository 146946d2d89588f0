"""How often enrolment's suspects are right: people of LFW, some photos of whom are given to somebody else.

    python -m benchmarks.suspects LFW_FOLDER [--encoder MODEL] …

Of the photos of people who have three or more, 1, 2 and 5 % are given to other such people at random; 100 people more
are enrolled under two names. LFW has mistakes of its own, which count as false alarms here.
Writes benchmarks/results/suspects.json.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import measured
from benchmarks.dataset_templates import found_templates
from facesearch import Gallery
from facesearch.encoders import EncoderSpec
from facesearch.evaluation.datasets import read_dataset
from facesearch.gallery.suspects import suspects

SHARES = (0.01, 0.02, 0.05)
LEAST, SPLIT = 3, 100
SEED = 0
SECOND = " (2)"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--encoder", action="append", dest="encoders")
    asked = parser.parse_args()
    dataset, results = read_dataset(asked.lfw), {}
    for name in asked.encoders or ["mobilefacenet"]:
        vectors, names = found_templates(dataset, EncoderSpec.parse(name))
        results[name] = {str(share): _trial(name, vectors, names, share) for share in SHARES}
        print(name, results[name])
    words = "".join(f" --encoder {name}" for name in asked.encoders or ())
    measured("suspects", results, f"python -m benchmarks.suspects LFW_FOLDER{words}")


def _trial(encoder: str, vectors: np.ndarray, names: np.ndarray, share: float) -> dict[str, Any]:
    generator = np.random.default_rng(SEED)
    people, counts = np.unique(names, return_counts=True)
    many = people[counts >= LEAST]
    rows = np.flatnonzero(np.isin(names, many))
    wrong = generator.choice(rows, int(share * len(rows)), replace=False)
    labels = names.astype(object)
    labels[wrong] = [generator.choice(many[many != names[row]]) for row in wrong]
    split = generator.choice(np.setdiff1d(many, [*labels[wrong], *names[wrong]]), SPLIT, replace=False)
    for name in split:
        own = np.flatnonzero(labels == name)
        labels[own[: len(own) // 2]] = name + SECOND
    with tempfile.TemporaryDirectory() as folder, Gallery.open(Path(folder) / "g", encoder=encoder) as gallery:
        sources = [str(row) for row in range(len(vectors))]
        gallery.enroll_templates(labels.tolist(), vectors, sources=sources)
        start = time.perf_counter()
        found = suspects(gallery.parts, {info.id: info.path for info in gallery.templates()})
        seconds = time.perf_counter() - start
    told = [item.path for item in found if item.kind == "wrong-person"]
    given = {str(row) for row in wrong}
    pairs = [(item.identity, item.other) for item in found if item.kind == "same-person"]
    right = {a.removesuffix(SECOND) for a, b in pairs if a.removesuffix(SECOND) == b.removesuffix(SECOND)}
    return {
        "templates": len(vectors),
        "given to others": len(given),
        "told": len(told),
        "of them right": sum(path in given for path in told),
        "right among as many first ones": sum(path in given for path in told[: len(given)]),
        "people with two names": SPLIT,
        "told as one": len(pairs),
        "of them such people": len(right),
        "ms per template": round(1000 * seconds / len(vectors), 2),
    }


if __name__ == "__main__":
    main()
