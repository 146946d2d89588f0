"""What looking for suspects costs: seconds and memory for galleries of drawn people.

    python -m benchmarks.suspects_cost [--templates N] …

Four templates for each person (`benchmarks.grown_templates`), in a flat index: for all of them, and for new ones as an
enrolment looks at them, one at a time and in batches. Writes benchmarks/results/suspects_cost.json.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import measured
from benchmarks.grown_templates import drawn_population, photos_of
from facesearch import Gallery
from facesearch.gallery.suspects import suspects

ENCODER, DIMENSION = "mobilefacenet", 192
PHOTOS, AT_ONCE, NEW = 4, 1000, 100
BATCHES = (20, 100, 300, 800)  # templates


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--templates", type=int, action="append")
    asked = parser.parse_args()
    numbers = asked.templates or [12_000, 100_000]
    rows = []
    for number in numbers:
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # memory is told of each alone
            rows.append(pool.apply(_cost, (number,)))
        print(rows[-1], flush=True)
    words = "".join(f" --templates {number}" for number in asked.templates or ())
    measured("suspects_cost", rows, f"python -m benchmarks.suspects_cost{words}")


def _for_each(gallery: Gallery, new: npt.NDArray[np.int64]) -> float:
    """Milliseconds for each of templates (n,) that are looked at together."""
    start = time.perf_counter()
    suspects(gallery.parts, new.tolist())
    return round(1000 * (time.perf_counter() - start) / len(new), 1)


def _cost(number: int) -> dict[str, Any]:
    rng, population = np.random.default_rng(0), drawn_population(DIMENSION)
    people = number // PHOTOS
    drawn = [
        photos_of(population, min(AT_ONCE, people - start), PHOTOS, rng).reshape(-1, DIMENSION)
        for start in range(0, people, AT_ONCE)
    ]
    names = [f"person {row // PHOTOS}" for row in range(people * PHOTOS)]
    with tempfile.TemporaryDirectory() as folder, Gallery.open(Path(folder) / "g", encoder=ENCODER) as gallery:
        gallery.enroll_templates(names, np.concatenate(drawn))
        start, cpu = time.perf_counter(), time.process_time()
        gallery.suspects()
        seconds, busy = time.perf_counter() - start, time.process_time() - cpu
        new = rng.choice(len(names), NEW, replace=False) + 1
        suspects(gallery.parts, [1])
        start = time.perf_counter()
        for one in new.tolist():
            suspects(gallery.parts, [one])
        alone = 1000 * (time.perf_counter() - start) / NEW
        each = {size: _for_each(gallery, rng.choice(len(names), size, replace=False) + 1) for size in BATCHES}
    return {
        "templates": len(names),
        "seconds": round(seconds, 1),
        "processor seconds": round(busy, 1),
        "ms for one new template": round(alone, 1),
        **{f"ms for each of {size}": ms for size, ms in each.items()},
        "MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


if __name__ == "__main__":
    main()
