"""Ways to cluster faces, one in a process of its own, for its seconds and memory.

    python -m benchmarks.clustering_peers METHOD PARAMETER TEMPLATES.npy TAKEN.npy CLUSTERS.npy

Started by `benchmarks.clustering`. PARAMETER: the least similarity of two faces, for HDBSCAN the least size of a
cluster. All that need a graph get that of our own `nearest_pairs`, whose time counts. Prints a line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from facesearch.clustering import DEFAULT_NEIGHBOURS, grouped
from facesearch.clustering.neighbours import nearest_pairs

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Method = Callable[[Floats, float, Floats], Ints]


def _grouped(templates: Floats, least: float, taken: Floats) -> Ints:
    return grouped(templates, least_similarity=least, taken=taken)


def _grouped_alone(templates: Floats, least: float, taken: Floats) -> Ints:
    return grouped(templates, least_similarity=least)


def _single_linkage(templates: Floats, least: float, taken: Floats) -> Ints:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs, n = nearest_pairs(templates, DEFAULT_NEIGHBOURS, least), len(templates)
    graph = coo_array((np.ones(len(pairs.first)), (pairs.first, pairs.second)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _chinese_whispers(templates: Floats, least: float, taken: Floats) -> Ints:
    import dlib

    pairs, n = nearest_pairs(templates, DEFAULT_NEIGHBOURS, least), len(templates)
    edges = zip(pairs.first.tolist(), pairs.second.tolist(), pairs.similarity.tolist(), strict=True)
    return np.array(dlib.chinese_whispers([*edges, (n - 1, n - 1, 1.0)]), np.int64)


def _infomap(templates: Floats, least: float, taken: Floats) -> Ints:
    from infomap import Infomap

    pairs, n = nearest_pairs(templates, DEFAULT_NEIGHBOURS, least), len(templates)
    network: Any = Infomap("--two-level --silent --seed 1")
    for edge in zip(pairs.first.tolist(), pairs.second.tolist(), pairs.similarity.tolist(), strict=True):
        network.add_link(*edge)
    clusters = np.full(n, -1, np.int64)
    if len(pairs.first):
        result = network.run()
        for node, module in result.modules().items():
            clusters[node] = module
    return clusters


def _dbscan(templates: Floats, least: float, taken: Floats, fewest: int = 2) -> Ints:
    from sklearn.cluster import DBSCAN

    distance = float(np.sqrt(2 - 2 * least))  # of unit vectors
    found = DBSCAN(eps=distance, min_samples=fewest, algorithm="brute").fit_predict(templates)
    return np.asarray(found, np.int64)


def _dbscan_of_five(templates: Floats, least: float, taken: Floats) -> Ints:
    return _dbscan(templates, least, taken, 5)


def _hdbscan(templates: Floats, fewest: float, taken: Floats) -> Ints:
    from sklearn.cluster import HDBSCAN

    found = HDBSCAN(min_cluster_size=int(fewest), copy=True).fit_predict(templates)
    return np.asarray(found, np.int64)


METHODS: dict[str, Method] = {
    "grouped": _grouped,
    "grouped, nothing taken off": _grouped_alone,
    "Infomap": _infomap,
    "Chinese whispers": _chinese_whispers,
    "single linkage": _single_linkage,
    "DBSCAN, 2 faces": _dbscan,
    "DBSCAN, 5 faces": _dbscan_of_five,
    "HDBSCAN": _hdbscan,
}


def main() -> None:
    method, parameter, templates_file, taken_file, clusters_file = sys.argv[1:]
    templates, taken = np.load(templates_file), np.load(taken_file)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, processor = time.perf_counter(), time.process_time()
    clusters = METHODS[method](templates, float(parameter), taken)
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    np.save(clusters_file, clusters)
    measures = {"seconds": round(seconds, 1), "cpu_seconds": round(processor_seconds, 1)}
    print(json.dumps(measures | {"peak_mib": peak >> 10, "grown_mib": (peak - before) >> 10}))


if __name__ == "__main__":
    main()
