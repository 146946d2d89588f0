"""The steps of `benchmarks.million`, each in a process of its own: what it measures goes to standard output as JSON.

python -m benchmarks.million_steps build|open|search FOLDER KIND TEMPLATES
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from indexes import VectorIndex, create_index, load_index

_ADDED = 20_000  # templates at once
_SAMPLE = 65_536
_SINGLE = 60  # queries, in turns
_BATCH = 100
_CANDIDATES = 4  # templates asked for: what a gallery asks for one identity
_PATIENCE = 60  # seconds of one processor for the identities that a slow kind finds, with at least …
_FEWEST = 500  # probes
_SEARCHED = 200  # queries of the process whose memory is measured


def build(folder: Path, kind: str, size: int) -> dict[str, Any]:
    """Train, fill and save."""
    gallery = np.load(folder / "gallery.npy", mmap_mode="r")[:size]
    index = create_index(kind, gallery.shape[1])
    started, busy = time.perf_counter(), time.process_time()
    chosen = np.random.default_rng(3).choice(size, min(size, _SAMPLE), replace=False)
    if size >= index.training_size:
        index.train(gallery[np.sort(chosen)])
    trained = time.perf_counter()
    for first in range(0, size, _ADDED):
        last = min(size, first + _ADDED)
        index.add(np.arange(first, last), gallery[first:last])
    added = time.perf_counter()
    saved = index.save(folder / f"{kind}-{size}.index")
    return {
        "bytes_per_template": index.bytes_per_vector,
        "file_bytes": saved.size_bytes,
        "train_s": round(trained - started, 2),
        "add_s": round(added - trained, 2),
        "save_s": round(time.perf_counter() - added, 2),
        "build_cpu_s": round(time.process_time() - busy, 2),
    }


def opened(folder: Path, kind: str, size: int) -> dict[str, Any]:
    """Open in a fresh process and search: milliseconds, and the memory that the process grew by."""
    probes = np.load(folder / "probes.npy")[-_SEARCHED:]
    warm = create_index("flat", probes.shape[1])  # loads the libraries, whose memory is not the index's
    warm.add(np.arange(len(probes)), probes)
    warm.search(probes, _CANDIDATES)
    before, started, busy = _resident(), time.perf_counter(), time.process_time()
    index = load_index(folder / f"{kind}-{size}.index")
    open_ms = (time.perf_counter() - started) * 1000
    open_cpu_ms = (time.process_time() - busy) * 1000
    after_open = _resident()
    for probe in probes:
        index.search(probe[None], _CANDIDATES)
    index.search(probes[:_BATCH], _CANDIDATES)
    return {
        "open_ms": round(open_ms, 1),
        "open_cpu_ms": round(open_cpu_ms, 1),
        "open_rss_per_template": round((after_open - before) / size, 1),
        "peak_rss_per_template": round((_peak() - before) / size, 1),
    }


def search(folder: Path, kind: str, size: int) -> dict[str, Any]:
    """Right identities over all probes; times of single queries and batches, in turns with flat."""
    owners, probed = np.load(folder / "owners.npy")[:size], np.load(folder / "probed.npy")
    probes = np.load(folder / "probes.npy")
    enrolled = np.isin(probed, owners)
    probes, probed = probes[enrolled], probed[enrolled]
    index, flat = load_index(folder / f"{kind}-{size}.index"), load_index(folder / f"flat-{size}.index")
    order = np.random.default_rng(2).permutation(len(probes))
    probes, probed = probes[order], probed[order]
    known = folder / f"best-{size}.npy"  # flat's answers are the same in every process
    best = {"flat": np.load(known) if known.exists() else _nearest(flat, probes)}
    np.save(known, best["flat"])
    busy = time.process_time()
    index.search(probes[:16], 1)
    each = (time.process_time() - busy) / min(16, len(probes))
    asked = len(probes) if kind == "flat" else max(_FEWEST, min(len(probes), int(_PATIENCE / each)))
    probes, probed, best["flat"] = probes[:asked], probed[:asked], best["flat"][:asked]
    best["kind"] = best["flat"] if kind == "flat" else _nearest(index, probes)
    found: dict[str, Any] = {}
    right = {name: owners[ids] == probed for name, ids in best.items()}
    drawn = probed >= np.load(folder / "first_drawn.npy")
    for group, chosen in (("", np.ones(len(probed), bool)), ("_real", ~drawn), ("_drawn", drawn)):
        if chosen.any():
            found[f"probes{group}"] = int(chosen.sum())
            found[f"top1{group}"] = round(float(right["kind"][chosen].mean()), 5)
            found[f"top1{group}_flat"] = round(float(right["flat"][chosen].mean()), 5)
    found["same_best_template"] = round(float((best["kind"] == best["flat"]).mean()), 5)
    found |= _times(index, flat, probes)
    if kind == "flat":
        found |= _matrix_products(flat, probes)
    return found


def _nearest(index: VectorIndex, probes: Any) -> Any:
    """The best template's id for every probe. FAISS takes matrix products for so many at once."""
    parts = [index.search(probes[first : first + 512], 1)[1][:, 0] for first in range(0, len(probes), 512)]
    return np.concatenate(parts)


def _times(index: VectorIndex, flat: VectorIndex, probes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    singles = probes[rng.choice(len(probes), min(_SINGLE, len(probes)), replace=False)]
    batch = probes[rng.choice(len(probes), min(_BATCH, len(probes)), replace=False)]
    for one in (index, flat):  # the pages of the file
        one.search(singles[:8], _CANDIDATES)
    single: dict[str, list[tuple[float, float]]] = {"kind": [], "flat": []}
    for number, probe in enumerate(singles):
        single["kind"].append(_timed(index, probe[None]))
        if number % 4 == 0:
            single["flat"].append(_timed(flat, probe[None]))
    many: dict[str, list[tuple[float, float]]] = {"kind": [], "flat": []}
    for number in range(5):
        many["kind"].append(_timed(index, batch))
        if number < 2:
            many["flat"].append(_timed(flat, batch))
    found: dict[str, Any] = {"batch": len(batch)}
    for label, times in (("query", single), ("batch", many)):
        for place, clock in enumerate(("ms", "cpu_ms")):
            medians = {name: statistics.median(pair[place] for pair in pairs) for name, pairs in times.items()}
            found[f"{label}_{clock}"] = round(medians["kind"], 3)
            found[f"{label}_flat_{clock}"] = round(medians["flat"], 3)
            found[f"{label}_times_faster_{clock}"] = round(medians["flat"] / medians["kind"], 1)
    return found


def _matrix_products(flat: VectorIndex, probes: Any) -> dict[str, Any]:
    """A batch as FAISS searches it when told to use matrix products, which it does by itself only for larger ones."""
    from indexes.faiss_library import faiss

    kept = faiss().cvar.distance_compute_blas_threshold
    faiss().cvar.distance_compute_blas_threshold = 1
    try:
        times = [_timed(flat, probes[:_BATCH]) for _ in range(3)]
    finally:
        faiss().cvar.distance_compute_blas_threshold = kept
    names = ("batch_products_ms", "batch_products_cpu_ms")
    return {name: round(statistics.median(pair[place] for pair in times), 1) for place, name in enumerate(names)}


def _timed(index: VectorIndex, probes: Any) -> tuple[float, float]:
    """Milliseconds by the wall and by the processor (all threads together)."""
    started, busy = time.perf_counter(), time.process_time()
    index.search(probes, _CANDIDATES)
    return (time.perf_counter() - started) * 1000, (time.process_time() - busy) * 1000


def _resident() -> int:
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    STEPS = {"build": build, "open": opened, "search": search}
    print(json.dumps(STEPS[sys.argv[1]](Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))))
