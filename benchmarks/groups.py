"""Searches among some people of a million: milliseconds against the same search without a tag, and exactness.

    python -m benchmarks.groups [--templates 1000000] [--index KIND]

Templates are drawn (`benchmarks.grown_templates`, 192 components); each counts as a person of its own. Groups of 100,
10,000 and 500,000 are drawn at random, and one more is the half that is least like the mean of the probes. What is
measured is the search of a view as a gallery makes it: an index, joined, and the ids of the group, which a gallery
looks up once and keeps; `first_ms` is the first search with a group, which looks its rows up. A probe at a time, k = 5,
searches with and without the group in turns, medians. The oracle is a brute-force comparison with the vectors as the
index stores them; exact: the part of the probes whose 5 best scores are the oracle's to 1e-5.
Writes benchmarks/results/groups.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import alternating, kept_results, measured
from benchmarks.grown_templates import Floats, drawn_population, grown
from indexes import LARGE_GALLERY_KIND, JoinedIndex, create_index, join_indexes

DIMENSION = 192
SIZES = (100, 10_000, 500_000)
PROBES = 24
K = 5
RUNS = 48
_BATCH = 100_000
PACKAGES = ("numpy", "faiss-cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=int, default=1_000_000)
    parser.add_argument("--index", action="append", help=f"repeatable; default: flat and {LARGE_GALLERY_KIND}")
    arguments = parser.parse_args()
    count, kinds = arguments.templates, arguments.index or ["flat", LARGE_GALLERY_KIND]
    x, probes = drawn(count)
    for kind in kinds:
        rows = of_kind(kind, x, probes)
        kept = [row for row in kept_results("groups") or [] if (row["templates"], row["index"]) != (count, kind)]
        measured("groups", kept + rows, "python -m benchmarks.groups", PACKAGES)


def drawn(count: int) -> tuple[Floats, Floats]:
    """Templates (count, d), and probes (PROBES, d) that show some of them."""
    x = np.empty((count, DIMENSION), np.float32)
    probes: list[Floats] = []
    done = 0
    for enrolled, asked in grown(drawn_population(DIMENSION), -(-count // 2)):
        some = enrolled[: count - done]
        x[done : done + len(some)] = some
        done += len(some)
        if len(probes) < PROBES:
            probes += list(asked[: PROBES - len(probes)])
    return x, np.stack(probes)


def of_kind(kind: str, x: Floats, probes: Floats) -> list[dict[str, Any]]:
    """What is measured of one kind, group by group."""
    index = create_index(kind, DIMENSION)
    index.train(x[:: max(1, len(x) // 65_536)])
    for start in range(0, len(x), _BATCH):
        index.add(np.arange(start, min(start + _BATCH, len(x))), x[start : start + _BATCH])
    joined = join_indexes([index])
    rows: list[dict[str, Any]] = []
    groups = [(size, "drawn", drawn_group(len(x), size)) for size in SIZES if size <= len(x)]
    groups.append((len(x) // 2, "least like", np.sort(np.argsort(x @ probes.mean(axis=0))[: len(x) // 2])))
    for size, how, allowed in groups:
        allowed.setflags(write=False)
        began = time.perf_counter()
        joined.search(probes[:1], K, allowed=allowed)
        first_ms = 1000 * (time.perf_counter() - began)
        among, everyone = (Asking(joined, probes, given) for given in (allowed, None))
        times = alternating({"among": among, "everyone": everyone}, RUNS)
        exact = exactness(joined, probes, allowed)
        found = {"among_ms": times["among"], "everyone_ms": times["everyone"]}
        rows.append(
            {"templates": len(x), "index": kind, "people": size, "group": how, **found}
            | {"ratio": times["among"] / times["everyone"], "first_ms": first_ms, "exact": exact}
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


class Asking:
    """One search, of the next probe each time."""

    def __init__(self, index: JoinedIndex, probes: Floats, allowed: NDArray[np.int64] | None) -> None:
        self._search = partial(index.search, k=K, allowed=allowed)
        self._probes = probes
        self._next = 0

    def __call__(self) -> None:
        self._search(self._probes[self._next : self._next + 1])
        self._next = (self._next + 1) % len(self._probes)


def drawn_group(count: int, size: int) -> NDArray[np.int64]:
    """Ids (size,) of so many of the people, ascending."""
    return np.sort(np.random.default_rng(size).choice(count, size, replace=False)).astype(np.int64)


def exactness(index: JoinedIndex, probes: Floats, allowed: NDArray[np.int64]) -> float:
    """Part of the probes whose best K are those of comparing all of the group."""
    best = np.full((len(probes), K), -np.inf, np.float32)
    for start in range(0, len(allowed), _BATCH):
        products = probes @ index.reconstruct(allowed[start : start + _BATCH]).T
        best = -np.sort(-np.concatenate([best, products], axis=1), axis=1)[:, :K]
    found = np.concatenate([index.search(probe[None], K, allowed=allowed)[0] for probe in probes])
    return float((np.abs(found - best) < 1e-5).all(axis=1).mean())


if __name__ == "__main__":
    main()
