"""Can it be told from what an index learns who was among the teachers? And what does learning from nobody cost?

    python -m benchmarks.membership --templates lfw.npy --paths lfw.txt --others utkface.npy

templates: (n, d) float32 of one encoder; paths: a line for each, whose folder is the person; others: templates of
other photos, for what the attacker knows of faces in general. Members and non-members are different people of one set.
For every kind and size, an index is trained on the members, as earlier versions did, and on drawn vectors, as galleries
do now: from the statistics of the model, and as if none came with the package. The attacker has what was learnt and
somebody's template, and guesses from how well the template is rebuilt (tcq: how likely it is), either as it is or
against an index that learnt from the others. The better of the two counts. AUC 0.5 is guessing. Top-1 is leave-one-out
among the members. Means over several choices of members.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import measured
from facesearch.codecs.population import population, shipped_statistics
from indexes import create_index, parse_kind
from indexes.karhunen import KarhunenLoeve, learn_transform

Floats = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

KINDS = {
    "mobilefacenet": ("pq16", "pq32", "opq32", "fs16", "pca32,sq4", "tcq32", "sq4"),
}
SIZES = (300, 1000, 3000, 8000)
_MOST_PHOTOS = 20  # of one person
COMMAND = "python -m benchmarks.membership --model MODEL --templates LFW --paths LFW_PATHS --others UTKFACE"


class Learnt:
    """What an index of a kind learns from vectors (n, d)."""

    def __init__(self, kind: str, vectors: Floats, transform: KarhunenLoeve | None = None) -> None:
        self._index = create_index(kind, vectors.shape[1])
        self._index.train(vectors)
        self._transform = None
        if kind.startswith("tcq"):
            self._transform = transform or learn_transform(vectors)

    def rebuilt(self, x: Floats) -> Floats:
        """Vectors (n, d) of unit length as the index stores them."""
        index = self._index.emptied()
        index.add(np.arange(len(x)), x)
        return unit(index.reconstruct(np.arange(len(x))))

    def fit(self, x: Floats) -> Values:
        """How well templates x (n, d) fit what was learnt: cosine to what is rebuilt; of tcq the log-likelihood."""
        if self._transform is None:
            return np.asarray(np.vecdot(self.rebuilt(x), x), np.float64)
        variances = self._transform.variances.astype(np.float64)
        return np.asarray(-(self._transform.project(x) ** 2 / variances).sum(axis=1), np.float64)


def unit(x: Floats) -> Floats:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def auc(members: Values, others: Values) -> float:
    """Probability that a member's value is greater than another's; ties count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, members, "left") + np.searchsorted(ordered, members, "right")
    return float(below.mean() / 2 / len(others))


def top1(stored: Floats, x: Floats, people: npt.NDArray[np.int64]) -> float:
    """Share of templates x (n, d) whose nearest other one, as stored, is of the same person, where there is one."""
    probes = np.flatnonzero(np.bincount(people)[people] > 1)
    scores = x[probes] @ stored.T  # (p, n)
    scores[np.arange(len(probes)), probes] = -np.inf
    return float((people[scores.argmax(axis=1)] == people[probes]).mean())


def _numbers_within(people: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The number of each row among those of its person, from 0."""
    order = np.argsort(people, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(people))[:-1]])
    numbers = np.empty(len(people), np.int64)
    numbers[order] = np.arange(len(people)) - starts[people[order]]
    return numbers


def chosen_members(people: npt.NDArray[np.int64], size: int, seed: int) -> npt.NDArray[np.bool_]:
    """Whose templates are taken: those of people in random order, until there are `size`, and nobody's in part."""
    order = np.random.default_rng(seed).permutation(people.max() + 1)
    counts = np.cumsum(np.bincount(people)[order])
    return np.isin(people, order[: int(np.searchsorted(counts, size)) + 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=Path, required=True)
    parser.add_argument("--paths", type=Path, required=True)
    parser.add_argument("--others", type=Path, required=True)
    parser.add_argument("--model", choices=sorted(KINDS), required=True)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    x = unit(np.load(arguments.templates).astype(np.float32))
    folders = [Path(line).parent.name for line in arguments.paths.read_text(encoding="utf-8").splitlines() if line]
    people = np.unique(folders, return_inverse=True)[1].astype(np.int64)
    few = _numbers_within(people) < _MOST_PHOTOS
    x, people = x[few], people[few]
    others = unit(np.load(arguments.others).astype(np.float32))
    content = shipped_statistics(arguments.model, x.shape[1])
    statistics = KarhunenLoeve.from_bytes(content) if content else None
    rows = []
    for kind in KINDS[arguments.model]:
        nobody = {
            "drawn": Learnt(kind, population(arguments.model, kind, x.shape[1]), statistics),
            "directions": Learnt(kind, population("", kind, x.shape[1])),
        }
        known = Learnt(kind, others)
        for size in SIZES:
            if size >= parse_kind(kind).training_size:
                rows.append(_row(kind, size, x, people, nobody, known, arguments.repeats))
                print(rows[-1], flush=True)
    payload = {"model": arguments.model, "templates": len(x), "people": int(people.max()) + 1, "rows": rows}
    measured(f"membership_{arguments.model}", payload, COMMAND, ("numpy", "faiss-cpu"))


def _row(
    kind: str,
    size: int,
    x: Floats,
    people: npt.NDArray[np.int64],
    nobody: dict[str, Learnt],
    known: Learnt,
    repeats: int,
) -> dict[str, Any]:
    attacks: dict[str, list[tuple[float, float]]] = {name: [] for name in ("members", *nobody)}
    right: dict[str, list[float]] = {name: [] for name in ("exact", *attacks)}
    general = known.fit(x)
    for seed in range(repeats):
        inside = chosen_members(people, size, seed)
        right["exact"].append(top1(x[inside], x[inside], people[inside]))
        for name, each in {"members": Learnt(kind, x[inside]), **nobody}.items():
            fit = each.fit(x)
            found = (fit, fit - general)
            plain, against = (auc(values[inside], values[~inside]) for values in found)
            attacks[name].append((plain, against))
            right[name].append(top1(each.rebuilt(x[inside]), x[inside], people[inside]))
    row: dict[str, Any] = {"kind": kind, "size": size, "repeats": repeats}
    for name, values in attacks.items():
        row[f"auc_{name}"] = round(float(np.mean(values, axis=0).max()), 3)
    return row | {f"top1_{name}": round(float(np.mean(values)), 4) for name, values in right.items()}


if __name__ == "__main__":
    main()
