"""How often one name for two people is found: people of LFW, merged under one name.

    python -m benchmarks.suspects_two_people LFW_FOLDER [--encoder MODEL] …

100 pairs of people who have three photos or more each are given one name: at random, or each person drawn with the one
of the photo most like one of theirs. All other people with four photos or more should not be told to be two; LFW has
mistakes of its own, which count as false alarms. Nothing is tuned here. Writes
benchmarks/results/suspects_two_people.json.
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
from facesearch.gallery.suspect import Suspect
from facesearch.gallery.two_people import FEWEST

WAYS = ("at random", "with a look-alike")
LEAST, PAIRS = 3, 100
BARS = (0.2, 0.5, 0.95)
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--encoder", action="append", dest="encoders")
    asked = parser.parse_args()
    dataset, results = read_dataset(asked.lfw), {}
    for name in asked.encoders or ["mobilefacenet"]:
        vectors, names = found_templates(dataset, EncoderSpec.parse(name))
        results[name] = [_trial(name, vectors, names, way) for way in WAYS]
        print(name, results[name], flush=True)
    words = "".join(f" --encoder {name}" for name in asked.encoders or ())
    measured("suspects_two_people", results, f"python -m benchmarks.suspects_two_people LFW_FOLDER{words}")


def _trial(encoder: str, vectors: np.ndarray, names: np.ndarray, way: str) -> dict[str, Any]:
    labels = names.astype(object)
    pairs = _pairs(vectors, names, way, np.random.default_rng(SEED))
    for one, other in pairs.items():
        labels[names == one] = other
    labels = labels.astype(str)
    merged = set(pairs.values())
    people, counts = np.unique(labels, return_counts=True)
    others = set(people[counts >= FEWEST].tolist()) - merged
    with tempfile.TemporaryDirectory() as folder, Gallery.open(Path(folder) / "g", encoder=encoder) as gallery:
        gallery.enroll_templates(labels.tolist(), vectors, sources=[str(row) for row in range(len(vectors))])
        start, busy = time.perf_counter(), time.process_time()
        told = gallery.suspects()
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
    found = [suspect for suspect in told if suspect.kind == "two-people"]
    photos = {suspect.identity for suspect in told if suspect.template_id is not None}
    right = [suspect for suspect in found if suspect.identity in merged]
    return {
        "merged": way,
        "names": len(merged),
        "other people": len(others),
        "seconds of all kinds": round(seconds, 1),
        "processor seconds of all kinds": round(busy, 1),
        "found": {f"{bar:g}": sum(each.confidence >= bar for each in right) for bar in BARS},
        "told by single photos instead": len((merged & photos) - {each.identity for each in right}),
        "others": {f"{bar:g}": sum(each.confidence >= bar for each in found if each not in right) for bar in BARS},
        "groups of one person alone": sum(_is_pure(each, names) for each in right),
        "others told": sorted(each.identity for each in found if each not in right),
    }


def _pairs(vectors: np.ndarray, names: np.ndarray, way: str, rng: np.random.Generator) -> dict[str, str]:
    """Whom each of `PAIRS` people is merged into, each person once."""
    people, counts = np.unique(names, return_counts=True)
    left = set(people[counts >= LEAST].tolist())
    pairs: dict[str, str] = {}
    for one in rng.permutation(sorted(left)).tolist():
        if one not in left or len(pairs) == PAIRS:
            continue
        left.discard(one)
        rows = np.flatnonzero(np.isin(names, sorted(left)))
        if way == WAYS[0]:
            other = str(rng.choice(np.unique(names[rows])))
        else:
            alike = (vectors[rows] @ vectors[names == one].T).max(axis=1)
            other = str(names[rows[alike.argmax()]])
        left.discard(other)
        pairs[one] = other
    return pairs


def _is_pure(found: Suspect, names: np.ndarray) -> bool:
    """Whether all photos told are of one person."""
    return len({str(names[int(path)]) for path in found.paths}) == 1


if __name__ == "__main__":
    main()
