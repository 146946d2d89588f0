"""How fast photos are sorted by the people in them, what memory that takes, and whether it is right.

    python -m benchmarks.cluster_folder LFW_FOLDER

LFW_FOLDER holds `<person>/<image>.jpg`.

- speed: `facesearch.cluster_photos` on photos spread over the whole folder, in a process of its own; photos per second,
  seconds of a core per photo, and the peak memory of that process and of the largest of its workers. Where other
  programs are at work, the seconds of a core say more.
- right: photos of 20 people with 5 to 20 photos each, chosen at random from LFW, and 100 drawn people with 4 photos
  each. Counted are pairs of photos by the largest face of each; which faces beside it are whose is not known.
- many: the memory of a process that takes in 100,000 templates of 20,000 made-up people and groups them.

Writes benchmarks/results/cluster_folder.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import measured
from benchmarks.photos import PRODUCT
from facesearch import PhotoClusters, cluster_photos, load_encoder
from facesearch.photos.photo import Photo
from facesearch.pipeline.pipeline import FaceTemplate, PhotoFaces
from facesearch.sorting.by_person import FoundFaces
from facesearch.workshop.sample_people import draw_people, write_photos

_MIB = 1024  # KiB, in which Linux counts
_PEOPLE, _FEWEST, _MOST = 20, 5, 20
_DRAWN_THRESHOLD = 0.7  # drawn people are more alike than people are


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--step", choices=("speed", "many"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        step = _speed(arguments.folder, arguments.photos) if arguments.step == "speed" else _many()
        print(json.dumps(step))
        return
    payload = {
        "speed": _in_own_process("speed", arguments.folder, arguments.photos),
        "right": _right(arguments.folder),
        "many": _in_own_process("many", arguments.folder, arguments.photos),
    }
    written = measured("cluster_folder", payload, "python -m benchmarks.cluster_folder lfw_deepfunneled", PRODUCT)
    print(written.read_text(encoding="utf-8"))


def _in_own_process(step: str, folder: Path, photos: int) -> Any:
    words = [sys.executable, "-m", "benchmarks.cluster_folder", str(folder), "--photos", str(photos), "--step", step]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def _speed(folder: Path, count: int) -> dict[str, Any]:
    paths = sorted(folder.glob("*/*.jpg"))
    chosen = [paths[place] for place in np.linspace(0, len(paths) - 1, count).astype(int)]
    found = cluster_photos(chosen)
    return {
        "photos": found.photos,
        "faces": len(found.faces),
        "clusters": len(found.clusters()),
        "photos_per_second": round(found.photos_per_second, 2),
        "core_seconds_per_photo": round(_core_seconds() / found.photos, 4),
        "peak_mib": _peak(resource.RUSAGE_SELF),
        "peak_mib_of_a_worker": _peak(resource.RUSAGE_CHILDREN),
    }


def _core_seconds() -> float:
    """Of this process and of its workers, which have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _peak(who: int) -> int:
    return resource.getrusage(who).ru_maxrss // _MIB


def _right(folder: Path) -> list[dict[str, Any]]:
    people = [each for each in sorted(folder.iterdir()) if _FEWEST <= len(list(each.glob("*.jpg"))) <= _MOST]
    chosen = random.Random(1).sample(people, _PEOPLE)
    rows = [_row("LFW", cluster_photos(chosen))]
    with tempfile.TemporaryDirectory() as drawn:
        write_photos(Path(drawn), draw_people(100), 4)
        for threshold in (None, _DRAWN_THRESHOLD):
            rows.append(_row("drawn people", cluster_photos(drawn, threshold=threshold)))
    return rows


def _row(name: str, found: PhotoClusters) -> dict[str, Any]:
    """How right the clusters of the largest face of each photo are."""
    largest = [face for face in found.faces if face.number == 1]
    whose = [face.path.parent.name for face in largest]
    given = [face.cluster for face in largest]
    counts: Counter[str] = Counter()
    for one, other in itertools.combinations(range(len(largest)), 2):
        together = given[one] is not None and given[one] == given[other]
        mated = whose[one] == whose[other]
        counts["right"] += together and mated
        counts["joined"] += together
        counts["mated"] += mated
    return {
        "photos of": name,
        "people": len(set(whose)),
        "photos": found.photos,
        "threshold": found.threshold,
        "faces": len(found.faces),
        "clusters": len(found.clusters()),
        "clusters with a largest face": len({number for number in given if number is not None}),
        "people whole and apart": _whole(whose, given),
        "pairs": counts["mated"],
        "precision": counts["right"] / max(1, counts["joined"]),
        "recall": counts["right"] / max(1, counts["mated"]),
    }


def _whole(whose: Sequence[str], given: Sequence[int | None]) -> int:
    """How many people are one cluster each, with all their photos and nobody else's."""
    both = Counter(zip(whose, given, strict=True))
    people, clusters = Counter(whose), Counter(given)
    return sum(
        number is not None and count == people[name] == clusters[number] for (name, number), count in both.items()
    )


def _many() -> dict[str, Any]:
    random_numbers = np.random.default_rng(0)
    found, before = FoundFaces(192, []), _peak(resource.RUSAGE_SELF)
    box = (0.0, 0.0, 100.0, 100.0)
    for person in range(20_000):
        centre = random_numbers.standard_normal(192)
        around = centre + 0.7 * random_numbers.standard_normal((5, 192))
        templates = (around / np.linalg.norm(around, axis=1, keepdims=True)).astype(np.float32)
        for number, template in enumerate(templates):
            seen = PhotoFaces([FaceTemplate(template, box, 1.0)], b"", 0, 0)
            found.take(Photo("", Path(f"{person}/{number}.jpg")), seen)
    taken_in, start = _peak(resource.RUSAGE_SELF), time.process_time()
    faces = found.clustered(load_encoder(threads=1), 0.49)
    return {
        "faces": len(faces),
        "clusters": len({face.cluster for face in faces}),
        "mib_before": before,
        "peak_mib_taken_in": taken_in,
        "peak_mib": _peak(resource.RUSAGE_SELF),
        "core_seconds_to_group": round(time.process_time() - start, 1),
    }


if __name__ == "__main__":
    main()
