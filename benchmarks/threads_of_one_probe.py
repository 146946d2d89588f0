"""Whether more threads make one question slower: on an idle machine and on one that is busy.

    python -m benchmarks.threads_of_one_probe [--size 200000] [--kinds flat sq8 rabitq+sq8 pca128,fs32+sq8]

An index of drawn vectors of 512 components, in parts of at most 32 MiB as a gallery keeps it, is asked with one thread
and with all cores in turns; the second time while other processes keep every core busy. Medians. Writes
benchmarks/results/threads_of_one_probe.json.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.common import measured
from benchmarks.shared_latency import DIMENSION, unit
from facesearch.gallery.index_building import segment_rows
from indexes import JoinedIndex, create_index, join_indexes
from indexes.threads import threads

_RUNS = 300
_BUSY = "while True: pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=200_000)
    parser.add_argument("--kinds", nargs="+", default=["flat", "sq8", "rabitq+sq8", "pca128,fs32+sq8"])
    options = parser.parse_args()
    rows = []
    for kind in options.kinds:
        index = filled(kind, options.size)
        idle = timed(index)
        others = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(os.cpu_count() or 1)]
        try:
            busy = timed(index)
        finally:
            for other in others:
                other.kill()
                other.wait()
        rows.append({"kind": kind, "idle": idle, "busy": busy})
        print(rows[-1], flush=True)
    command = f"python -m benchmarks.threads_of_one_probe --size {options.size} --kinds {' '.join(options.kinds)}"
    measured("threads_of_one_probe", {"vectors": options.size, "rows": rows}, command)


def filled(kind: str, size: int) -> JoinedIndex:
    """An index of so many vectors, in parts."""
    rows = segment_rows(kind, DIMENSION)
    first = create_index(kind, DIMENSION)
    first.train(unit(20_000, 1))
    parts = []
    for start in range(0, size, rows):
        part = first.emptied()
        part.add(np.arange(start, min(start + rows, size)), unit(min(rows, size - start), 100 + start))
        parts.append(part)
    return join_indexes(parts)


def timed(index: JoinedIndex) -> dict[str, Any]:
    """Median milliseconds of a question, with one thread and with all."""
    spent: dict[int, list[float]] = {1: [], 0: []}
    probes = unit(50, 3)
    for run in range(_RUNS):
        for count in (1, 0) if run % 2 else (0, 1):
            with threads(count):
                start = time.perf_counter()
                index.search(probes[run % 50][None], 5)
                spent[count].append(1000 * (time.perf_counter() - start))
    one, several = (statistics.median(spent[count][_RUNS // 5 :]) for count in (1, 0))
    return {"one_ms": round(one, 2), "all_ms": round(several, 2), "ratio": round(several / one, 2)}


if __name__ == "__main__":
    main()
