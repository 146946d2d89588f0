"""How long a warm question takes while another process enrols: median and 99th percentile, with and without.

    python -m benchmarks.shared_latency [--size 100000] [--seconds 20] [--kinds flat sq8 pca128,fs32+sq8]

A gallery of drawn templates of 512 components; questions come one after the other through one `Gallery`, with one
thread each. Phases with a second process that enrols a template per second, and phases without, take turns. The
transactions and SQL statements of a question are counted, too. Writes benchmarks/results/shared_latency.json.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, event

from benchmarks.common import measured
from facesearch import Gallery
from facesearch.encoders import EncoderSpec

DIMENSION = 512
_PHASES = 3  # of each sort
_PROBES = 200

Vectors = npt.NDArray[np.float32]


class NoEncoder:
    """Stands for the encoder of templates that come ready; it encodes nothing."""

    spec = EncoderSpec("ready", "fp32", "memory")
    fingerprint = hashlib.sha256(b"ready 512").hexdigest()
    crop, crop_size, dimension, threshold, device = "arcface", 112, DIMENSION, 0.5, "cpu"

    def encode(self, crops: npt.NDArray[np.uint8]) -> Vectors:
        raise NotImplementedError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--kinds", nargs="+", default=["flat", "sq8", "pca128,fs32+sq8"])
    parser.add_argument("--enrol", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.enrol:
        _enrol(options.enrol, options.seconds)
        return
    rows = []
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as made:
            rows.append({"kind": kind, **latency(f"{made}/gallery", kind, options.size, options.seconds)})
        print(rows[-1], flush=True)
    command = f"python -m benchmarks.shared_latency --size {options.size} --seconds {options.seconds:g}"
    measured(
        "shared_latency", {"templates": options.size, "rows": rows}, f"{command} --kinds {' '.join(options.kinds)}"
    )


def unit(count: int, seed: int) -> Vectors:
    """Drawn templates (count, DIMENSION)."""
    x = np.random.default_rng(seed).standard_normal((count, DIMENSION), np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


def opened(folder: str, index: str | None = None) -> Gallery:
    return Gallery.open(folder, encoder=NoEncoder(), index=index, threads=1)


def latency(folder: str, kind: str, size: int, seconds: float) -> dict[str, Any]:
    """Milliseconds of a question with and without a process that enrols, and what it asks of the database."""
    with opened(folder, "flat") as gallery:
        for first in range(0, size, 20_000):
            count = min(20_000, size - first)
            gallery.enroll_templates([f"person {(first + row) // 3}" for row in range(count)], unit(count, first))
        gallery.build_index(kind)
    probes = unit(_PROBES, 7)
    spent: dict[bool, list[float]] = {True: [], False: []}
    with opened(folder) as gallery:
        gallery.search(probes[:1], 5)
        for phase in range(2 * _PHASES):
            enrolling = phase % 2 == 1
            other = _started(folder, seconds) if enrolling else None
            deadline, asked = time.perf_counter() + seconds, 0
            while time.perf_counter() < deadline:
                start = time.perf_counter()
                gallery.search(probes[asked % _PROBES][None], 5)
                spent[enrolling].append(1000 * (time.perf_counter() - start))
                asked += 1
            if other is not None:
                other.wait()
        seen = _asked_of_database(gallery, probes[:1])
    found = {
        name: {
            "questions": len(times),
            "p50_ms": round(float(np.percentile(times, 50)), 2),
            "p99_ms": round(float(np.percentile(times, 99)), 2),
            "most_ms": round(max(times), 2),
        }
        for name, times in (("alone", spent[False]), ("enrolling", spent[True]))
    }
    ratio = found["enrolling"]["p99_ms"] / found["alone"]["p99_ms"]
    return {**found, "p99_ratio": round(ratio, 2), **seen}


def _started(folder: str, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.shared_latency", "--enrol", folder, "--seconds", str(seconds)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert other.stdout is not None
    other.stdout.readline()  # it is ready
    return other


def _enrol(folder: str, seconds: float) -> None:
    with opened(folder) as gallery:
        print("ready", flush=True)
        for number in range(int(seconds)):
            start = time.perf_counter()
            gallery.enroll_templates([f"newcomer {time.monotonic_ns()}"], unit(1, time.monotonic_ns() % 2**31 + number))
            time.sleep(max(0.0, 1 - (time.perf_counter() - start)))


def _asked_of_database(gallery: Gallery, probe: Vectors) -> dict[str, int]:
    seen: Counter[str] = Counter()

    def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        seen["statements"] += not text.startswith("BEGIN")

    def begin(_connection: object) -> None:
        seen["transactions"] += 1

    gallery.search(probe, 5)
    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "begin", begin)
    try:
        gallery.search(probe, 5)
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "begin", begin)
    return {"transactions": seen["transactions"], "statements": seen["statements"]}


if __name__ == "__main__":
    main()
