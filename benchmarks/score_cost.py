"""What normalised scores cost in time: a search by them against the same one by cosine, in turns.

    python -m benchmarks.score_cost [--templates 10000] [--templates 100000] [--index KIND]

Galleries of synthetic templates (192 components, four of each person, around a direction of his own) in several kinds
of index, in one thread; a probe of an enrolled person is asked about with k = 1 and k = 5, and with fused templates.
A search is the whole of `Gallery.search`: one transaction, the index, names. Writes benchmarks/results/score_cost.json.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import alternating, kept_results, measured
from benchmarks.photos import PRODUCT
from facesearch import Gallery

KINDS = ("flat", "sq8", "pq48", "pca128,fs32+sq8", "hnsw16,sq8")
DIMENSION = 192
PER_PERSON = 4
SPREAD = 0.8  # length of what is added to a person's direction
RUNS = 401

Floats = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=int, action="append", help="repeatable; default: 10000")
    parser.add_argument("--index", action="append", help="kind of index, repeatable; default: " + " ".join(KINDS))
    arguments = parser.parse_args()
    sizes, kinds = arguments.templates or [10_000], arguments.index or KINDS
    kept = kept_results("score_cost") or []
    rows = [row for row in kept if row["templates"] not in sizes or row["index"] not in kinds]
    for size in sizes:
        for kind in kinds:
            rows += _of_kind(size, kind)
            print(rows[-3:], flush=True)
            measured(
                "score_cost",
                rows,
                "python -m benchmarks.score_cost" + "".join(f" --templates {n}" for n in sizes),
                PRODUCT,
            )


def _of_kind(size: int, kind: str) -> list[dict[str, object]]:
    generator = np.random.default_rng(0)
    people = size // PER_PERSON
    centres = _unit(generator.standard_normal((people, DIMENSION)))
    spread = generator.standard_normal((people, PER_PERSON + 1, DIMENSION)) * SPREAD / np.sqrt(DIMENSION)
    faces = _unit(centres[:, None] + spread)
    names = [f"person {number}" for number in range(people) for _ in range(PER_PERSON)]
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder, Gallery.open(Path(folder) / "g", index=kind, threads=1) as gallery:
        gallery.enroll_templates(names, faces[:, :PER_PERSON].reshape(-1, DIMENSION))
        gallery.build_index()
        probes = faces[generator.permutation(people)[:64], PER_PERSON]
        for k, fused in ((1, False), (5, False), (5, True)):
            turns = iter(range(10**9))

            def ask(score: str, k: int = k, fused: bool = fused) -> None:
                probe = probes[(next(turns) // 2) % len(probes)]  # noqa: B023 - called before the next pass
                gallery.search(probe[None], k, fused=fused, score=score)

            for score in ("cosine", "normalised"):
                ask(score)
            times = alternating({score: partial(ask, score) for score in ("cosine", "normalised")}, RUNS)
            ratio = times["normalised"] / times["cosine"]
            rows.append(
                {
                    "templates": size,
                    "index": kind,
                    "k": k,
                    "fused": fused,
                    "ms": {n: round(t, 4) for n, t in times.items()},
                }
                | {"ratio": round(ratio, 3)}
            )
    return rows


def _unit(vectors: npt.NDArray[np.float64]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


if __name__ == "__main__":
    main()
