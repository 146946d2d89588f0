"""How fast templates that exist already become durable: in bulk, and one at a time.

    python -m benchmarks.ready_templates

Random templates of 512 components, ten per identity, are given to `Gallery.enroll_templates`, which stores 16,384 in
a transaction (`synchronous=FULL`: on the disk when it is confirmed). Then single templates follow, each with
transactions of its own and the index brought up to date, and each is asked for once. Reported are the rate until the
last template is stored, the rate until the index file is written too, the median and the best batch (what disturbs a
shared machine for a while does not count there), what SQLite alone takes for the same rows once they are ready, and for
single ones the time until the call returns. The time of a fixed loop in Python says how fast the machine was at that
moment: an idle core of 3 GHz takes about 25 ms.
Writes benchmarks/results/ready_templates.json.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import measured
from facesearch import Gallery
from facesearch.encoders import EncoderSpec
from facesearch.store import DATABASE_NAME, open_store

_DIMENSION = 512
_BATCH = 16_384  # templates in a transaction
_TOGETHER = 64  # rows in a statement
_TABLES = ("encoders", "identities", "images", "templates")
_PER_IDENTITY = 10
_SINGLES = 100
_LOOP = 1_000_000
_SETTINGS = (("sq8", "int8"), ("flat", "fp32"))


class _NoEncoder:
    """Stands for the encoder of templates that come ready."""

    spec = EncoderSpec("ready", "fp32", "memory")
    fingerprint = hashlib.sha256(b"ready").hexdigest()
    crop, crop_size, dimension, threshold, device = "arcface", 112, _DIMENSION, 0.5, "cpu"

    def encode(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        raise NotImplementedError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=int, default=100_000)
    arguments = parser.parse_args()
    rows = []
    for kind, codec in _SETTINGS:
        with tempfile.TemporaryDirectory() as scratch:
            rows.append(enrol(Path(scratch) / "gallery", kind, codec, arguments.templates))
    results = {"templates": arguments.templates, "dimension": _DIMENSION, "rows": rows}
    path = measured("ready_templates", results, "python -m benchmarks.ready_templates", ("numpy", "faiss-cpu"))
    print(path.read_text(encoding="utf-8"))


def enrol(folder: Path, kind: str, codec: str, count: int) -> dict[str, object]:
    """Enrol `count` templates in bulk and a hundred one by one."""
    vectors = _templates(count, 0)
    names = [f"identity {row // _PER_IDENTITY}" for row in range(count)]
    loop = [_loop_ms()]
    with Gallery.open(folder, encoder=_NoEncoder(), index=kind) as gallery:
        ticks = [time.perf_counter()]
        report = gallery.enroll_templates(
            names, vectors, progress=lambda done, total: ticks.append(time.perf_counter())
        )
        indexed = time.perf_counter() - ticks[0]
        batches = [after - before for before, after in pairwise(ticks[:-1])]  # without the last, which is smaller
        loop.append(_loop_ms())
        singles, found = [], 0
        for row, vector in enumerate(_templates(_SINGLES, 1)):
            started = time.perf_counter()
            gallery.enroll_templates([f"single {row}"], vector[None])
            singles.append((time.perf_counter() - started) * 1000)
            found += gallery.search(vector[None], 1)[0][0].identity == f"single {row}"
        loop.append(_loop_ms())
        assert gallery.info().codec == codec
        assert report.templates == count
    alone = count / database_alone_seconds(folder / DATABASE_NAME, folder.parent / "alone")
    return {
        "index": kind,
        "codec": codec,
        "stored_per_second": round(count / report.seconds),
        "database_alone_per_second": round(alone),
        "stored_per_second_median_batch": round(_BATCH / statistics.median(batches)),
        "stored_per_second_best_batch": round(_BATCH / min(batches)),
        "stored_and_indexed_per_second": round(count / indexed),
        "single_ms": {
            "p50": round(statistics.median(singles), 2),
            "p95": round(statistics.quantiles(singles, n=20)[-1], 2),
        },
        "singles_found_at_once": found,
        "python_loop_of_a_million_ms": {"best": round(min(loop), 1), "worst": round(max(loop), 1)},
    }


def database_alone_seconds(filled: Path, folder: Path) -> float:
    """What SQLite takes to store the same rows, ready as they are: nothing checked, hashed, coded or looked up."""
    with contextlib.closing(sqlite3.connect(filled)) as source:
        rows = {table: source.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() for table in _TABLES}
    with open_store(folder, create=True):
        pass
    with contextlib.closing(sqlite3.connect(folder / DATABASE_NAME, isolation_level=None)) as target:
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "cache_size=-65536"):
            target.execute(f"PRAGMA {pragma}")
        for table in ("encoders", "identities"):
            marks = ", ".join("?" * len(rows[table][0]))
            target.executemany(f"INSERT INTO {table} VALUES ({marks})", rows[table])
        pairs = []
        for first in range(0, len(rows["templates"]), _BATCH):
            pairs.append([_grouped(table, rows[table][first : first + _BATCH]) for table in ("images", "templates")])
        started = time.perf_counter()
        for pair in pairs:
            target.execute("BEGIN IMMEDIATE")
            for statement, groups in pair:
                for group in groups:
                    target.execute(statement(len(group)), list(chain.from_iterable(group)))
            target.execute("COMMIT")
        return time.perf_counter() - started


def _grouped(table: str, rows: list[Any]) -> tuple[Callable[[int], str], list[list[Any]]]:
    marks = f"({', '.join('?' * len(rows[0]))})"
    groups = [rows[first : first + _TOGETHER] for first in range(0, len(rows), _TOGETHER)]
    return lambda count: f"INSERT INTO {table} VALUES {', '.join([marks] * count)}", groups


def _templates(count: int, seed: int) -> npt.NDArray[np.float32]:
    """(count, 512) float32 of unit length."""
    vectors = np.random.default_rng(seed).standard_normal((count, _DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _loop_ms() -> float:
    started = time.perf_counter()
    for _ in range(_LOOP):
        pass
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
