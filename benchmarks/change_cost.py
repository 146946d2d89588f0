"""What a change costs in galleries of a thousand templates to a million: enrol, rename, merge, forget; and a question.

    python -m benchmarks.change_cost [--sizes 1000 10000 100000 1000000] [--kinds flat pca64,fs16+sq8]

Galleries of drawn templates of 128 components, three of each person. Each operation is timed through an open `Gallery`,
the median of many, in turns; beside it the bytes that the process wrote. Then: a question whose probe meets a person
with many nearly identical templates; what asking for a name that nobody has costs among many people; and `facesearch
identities forget` from the shell. Writes benchmarks/results/change_cost.json.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from benchmarks.common import measured
from facesearch import Gallery
from facesearch.errors import UnknownIdentityError
from facesearch.workshop.sample_people import draw_people, write_photos

DIMENSION = 128
PER_PERSON = 3
CROWDS = (1, 100, 5000)  # templates of one person
_RUNS = 15
_CROWD_SIZE = 100_000

Vectors = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=["flat", "pca64,fs16+sq8"])
    options = parser.parse_args()
    rows, crowds = [], []
    for kind in options.kinds:
        for size in options.sizes:
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made) / "gallery"
                fill(folder, size, kind)
                rows.append({"kind": kind, "templates": size, **changes(folder, size), **shell(folder)})
            print(rows[-1], flush=True)
        with tempfile.TemporaryDirectory() as made:
            crowds.append({"kind": kind, **crowd(Path(made) / "gallery", kind)})
        print(crowds[-1], flush=True)
    command = f"python -m benchmarks.change_cost --sizes {' '.join(map(str, options.sizes))}"
    measured("change_cost", {"changes": rows, "crowds": crowds}, f"{command} --kinds {' '.join(options.kinds)}")


def unit(count: int, seed: int) -> Vectors:
    """Drawn templates (count, DIMENSION)."""
    x = np.random.default_rng(seed).standard_normal((count, DIMENSION), np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


def fill(folder: Path, size: int, kind: str) -> None:
    """A gallery of so many templates, its index built."""
    with Gallery.open(folder, encoder="dlib-resnet") as gallery:
        for first in range(0, size, 100_000):
            count = min(100_000, size - first)
            gallery.enroll_templates(
                [f"person {(first + row) // PER_PERSON}" for row in range(count)], unit(count, first)
            )
        gallery.build_index(kind)


def changes(folder: Path, size: int) -> dict[str, Any]:
    """Median milliseconds of each operation, and kilobytes written."""
    process = psutil.Process()
    people = size // PER_PERSON
    new = unit((_RUNS + 1) * PER_PERSON, size + 1).reshape(_RUNS + 1, PER_PERSON, DIMENSION)
    chance = np.random.default_rng(7)
    chosen = [f"person {number}" for number in chance.permutation(people)[: 4 * (_RUNS + 1)]]
    spent: dict[str, list[float]] = {}
    written: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        before, start = process.io_counters().write_chars, time.perf_counter()
        work()
        spent.setdefault(name, []).append(1000 * (time.perf_counter() - start))
        written.setdefault(name, []).append((process.io_counters().write_chars - before) / 1024)

    with Gallery.open(folder, threads=1) as gallery:
        gallery.search(new[0], 5)
        for run in range(_RUNS + 1):
            one, two, three, four = chosen[4 * run : 4 * run + 4]
            newcomer = f"newcomer {run}"
            timed("enrol", partial(gallery.enroll_templates, [newcomer] * PER_PERSON, new[run]))
            timed("search_after", partial(gallery.search, new[run][:1], 5))
            timed("search", partial(gallery.search, new[run][:1], 5))
            timed("rename", partial(gallery.rename, one, f"renamed {run}"))
            timed("merge", partial(gallery.merge, two, three))
            timed("forget_new", partial(gallery.forget, newcomer))
            timed("forget", partial(gallery.forget, four))
        problems = gallery.check() if size <= 100_000 else []
        info, files = gallery.info(), gallery.index_info().files
        start = time.perf_counter()
        try:
            gallery.identity("persom 1O")
        except UnknownIdentityError:
            unknown = 1000 * (time.perf_counter() - start)
    assert not problems, problems
    return {
        "ms": {name: round(statistics.median(values[1:]), 2) for name, values in spent.items()},
        "most_ms": {name: round(max(values[1:]), 2) for name, values in spent.items()},
        "kilobytes_written": {name: round(statistics.median(values[1:]), 1) for name, values in written.items()},
        "unknown_name_ms": round(unknown, 1),
        "index_bytes": info.index_bytes,
        "index_files": files,
    }


def shell(folder: Path) -> dict[str, Any]:
    """Forgetting somebody, and enrolling a photo, from the shell: seconds and peak memory, median of three."""
    photos = folder.parent / "photos"
    write_photos(photos, draw_people(3), 1)
    with Gallery.open(folder) as gallery:
        names = [person.name for person in gallery.identities()[:3]]
    commands = {
        "forget": [["identities", "forget", name] for name in names],
        "enroll": [["enroll", str(path), "--identity", path.stem] for path in sorted(photos.glob("*/*.jpg"))],
    }
    found = {}
    for command, runs in commands.items():
        measured_runs = [_measured([*words, "-g", str(folder)]) for words in runs]
        seconds, memory = (statistics.median(values) for values in zip(*measured_runs, strict=True))
        found[f"{command}_from_the_shell"] = {"s": round(seconds, 2), "peak_mb": round(memory)}
    return found


_MEASURED = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run([sys.executable, "-m", "facesearch", *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def _measured(words: list[str]) -> tuple[float, float]:
    """Seconds and megabytes that a command takes."""
    done = subprocess.run([sys.executable, "-c", _MEASURED, *words], check=True, capture_output=True, text=True)
    seconds, memory = done.stdout.split()
    return float(seconds), float(memory)


def crowd(folder: Path, kind: str) -> dict[str, Any]:
    """Median milliseconds of a question, by how many nearly identical templates the person has whom it meets."""
    fill(folder, _CROWD_SIZE, kind)
    probes, found = unit(len(CROWDS), 99), {}
    with Gallery.open(folder, threads=1) as gallery:
        for number, count in enumerate(CROWDS):
            noise = 0.02 * unit(count, 1000 + number)
            near = probes[number] + noise
            gallery.enroll_templates([f"crowd {count}"] * count, near / np.linalg.norm(near, axis=1, keepdims=True))
        gallery.build_index()
        times: dict[int, list[float]] = {}
        for _ in range(_RUNS + 3):
            for number, count in enumerate(CROWDS):
                start = time.perf_counter()
                (answer,) = gallery.search(probes[number][None], 5)
                times.setdefault(count, []).append(1000 * (time.perf_counter() - start))
                assert answer[0].identity == f"crowd {count}"
                assert len(answer) == 5
    for count, values in times.items():
        found[str(count)] = round(statistics.median(values[3:]), 2)
    return {"templates": _CROWD_SIZE, "ms_by_crowd": found}


if __name__ == "__main__":
    main()
