"""Enrolment on a Dask cluster beside enrolment by the processes of this machine, on the same cores.

    python -m benchmarks.dask_enrolment LFW_FOLDER

Photos spread over the whole folder are enrolled into fresh galleries, by turns: by one and by two processes of this
machine (`workers`), and by clusters of one and of two workers with one thread each, by path and (two workers) handed
over. Scheduler, workers and the machine that enrols share the same cores, which a real cluster does not. Models are
loaded in every run of this machine, and stay loaded in a cluster between runs, so that a first run, which does not
count, is made on each. Then one of two workers is killed in the middle: what is in the gallery then is compared with
what a run without that gives. Figures are medians over the rounds. Writes benchmarks/results/dask_enrolment.json.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import measured
from benchmarks.dask_cluster import DaskCluster, kill
from facesearch import Gallery, Photo
from facesearch.pipeline import dask_pool

PACKAGES = ("numpy", "onnxruntime", "distributed", "dask")
_WARM = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    photos = _photos(asked.folder, asked.photos)
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as two,
        DaskCluster(Path(one)) as single,
        DaskCluster(Path(two)) as double,
    ):
        single.add_worker()
        workers = [double.add_worker(), double.add_worker()]
        ways: dict[str, Callable[[list[Photo]], Any]] = {
            "1 process": lambda some: _enrolled(some, workers=1),
            "2 processes": lambda some: _enrolled(some, workers=2),
            "1 worker": lambda some: _enrolled(some, cluster=single.address),
            "2 workers": lambda some: _enrolled(some, cluster=double.address),
            "2 workers, handed over": lambda some: _handed_over(some, double.address),
        }
        rates = _rates(ways, photos, asked.rounds)
        killed = _killed(photos, double, lambda: kill(workers[0]))
    results = {"photos": len(photos), "rates": rates, "ratios": _ratios(rates), "killed": killed}
    print(results, file=sys.stderr)
    measured("dask_enrolment", results, "python -m benchmarks.dask_enrolment LFW_FOLDER", PACKAGES)


def _photos(folder: Path, count: int) -> list[Photo]:
    """`count` photos spread evenly over the folder."""
    paths = sorted(folder.glob("*/*.jpg"))
    chosen = np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)
    return [Photo(paths[place].parent.name, paths[place]) for place in chosen]


def _rates(ways: dict[str, Callable[[list[Photo]], Any]], photos: list[Photo], rounds: int) -> dict[str, list[float]]:
    """Photos per second of each way in each round."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for name, way in ways.items():
        if "worker" in name:
            way(photos[:_WARM])
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way(photos)
            rates[name].append(round(len(photos) / (time.perf_counter() - start), 2))
            print(name, rates[name][-1], file=sys.stderr, flush=True)
    return rates


def _ratios(rates: dict[str, list[float]]) -> dict[str, float]:
    """The median over the rounds of a cluster's rate against that of as many processes."""
    pairs = {"1 worker": "1 process", "2 workers": "2 processes", "2 workers, handed over": "2 processes"}
    return {
        name: round(statistics.median(a / b for a, b in zip(rates[name], rates[other], strict=True)), 3)
        for name, other in pairs.items()
    }


def _enrolled(photos: list[Photo], **by: Any) -> set[str]:
    """The photos enrolled into a fresh gallery."""
    with tempfile.TemporaryDirectory() as scratch, Gallery.open(Path(scratch) / "gallery") as gallery:
        return set(gallery.enroll_photos(photos, **by).added.values())


def _handed_over(photos: list[Photo], address: str) -> set[str]:
    usual = dask_pool._path
    dask_pool._path = lambda asked: f"/nowhere/{asked.photo.path.name}"
    try:
        return _enrolled(photos, cluster=address)
    finally:
        dask_pool._path = usual


def _killed(photos: list[Photo], cluster: DaskCluster, end: Callable[[], None]) -> dict[str, int]:
    """What is enrolled where one of two workers is killed in the middle."""
    expected = _enrolled(photos, cluster=cluster.address)
    with tempfile.TemporaryDirectory() as scratch, Gallery.open(Path(scratch) / "gallery") as gallery:

        def progress(done: int, total: int) -> None:
            if done == total // 2:
                end()

        added = list(gallery.enroll_photos(photos, cluster=cluster.address, progress=progress).added.values())
        held = gallery.counts().templates
    found = set(added)
    return {
        "expected": len(expected),
        "in the gallery": held,
        "lost": len(expected - found),
        "doubled": len(added) - len(found),
        "else": len(found - expected),
    }


if __name__ == "__main__":
    main()
