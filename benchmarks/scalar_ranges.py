"""What ranges of scalar codes cost: learnt from a gallery, learnt from drawn vectors, or fixed behind a fixed rotation.

    python -m benchmarks.scalar_ranges --lfw FOLDER --paths lfw.txt --utkface FOLDER --utkface-paths utkface.txt

The folders hold MODEL.npy, (n, d) float32; the paths a line for each template: of LFW, whose folder is the person, and
of UTKFace, whose file name begins with the age. Learnt ranges are mean ± 6, 3.8 or 2.6 standard deviations of each
component (8, 6, 4 bits), as earlier versions had them. Errors of scores: between two photos, one of them coded,
of 400 photos of LFW, of children under five of UTKFace, and of 400 drawn vectors that resemble each other (cosine 0.89)
and no face. Clipped: the share of all components. Top-1 is leave-one-out among people with two photos of LFW.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import measured
from benchmarks.membership import top1, unit
from facesearch.codecs.population import population
from indexes import create_index
from indexes.faiss_library import faiss
from indexes.families.scalar import _half_width, sq_base
from indexes.spreading import spread

Floats = npt.NDArray[np.float32]

MODELS = ("mobilefacenet", "dlib-resnet", "edgeface-xs", "edgeface-xxs")
BITS = (8, 6, 4)
_SIGMAS = {8: 6.0, 6: 3.8, 4: 2.6}
_COMPARED = 400
COMMAND = (
    "python -m benchmarks.scalar_ranges --lfw LFW --paths LFW_PATHS --utkface UTKFACE --utkface-paths UTKFACE_PATHS"
)


class LearntRanges:
    """Codes of so many bits with a range for each component, as earlier versions learnt them from vectors (n, d)."""

    def __init__(self, bits: int, x: Floats) -> None:
        mean, spread_of = x.mean(axis=0), x.std(axis=0)
        d = x.shape[1]
        half = np.maximum(_SIGMAS[bits] * spread_of, min(1.0, _SIGMAS[bits] / d**0.5) / 16)
        self._low, self._high = np.maximum(mean - half, -1), np.minimum(mean + half, 1)
        self._base = sq_base(d, bits)
        table = np.concatenate([self._low, self._high - self._low]).astype(np.float32)
        faiss().copy_array_to_vector(table, self._base.sq.trained)

    def coded(self, x: Floats) -> Floats:
        return np.asarray(self._base.sa_decode(self._base.sa_encode(x)), np.float32)

    def clipped(self, x: Floats) -> float:
        return float(((x < self._low) | (x > self._high)).mean())


class FixedRanges:
    """The codes of the kind, which learn nothing."""

    def __init__(self, bits: int, dimension: int) -> None:
        self._index = create_index(f"sq{bits}", dimension)
        self._half = _half_width(dimension, bits)

    def coded(self, x: Floats) -> Floats:
        index, ids = self._index.emptied(), np.arange(len(x))
        index.add(ids, x)
        return np.asarray(index.reconstruct(ids), np.float32)

    def clipped(self, x: Floats) -> float:
        return float((np.abs(spread(x)) > self._half).mean())


def alike(count: int, dimension: int) -> Floats:
    """Vectors (count, d) around one direction, which is that of no face."""
    chance = np.random.default_rng(5)
    common = unit(chance.standard_normal((1, dimension)).astype(np.float32))
    own = chance.standard_normal((count, dimension)).astype(np.float32) / np.float32(dimension**0.5)
    return unit(common + np.float32(0.35) * own)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--lfw", "--paths", "--utkface", "--utkface-paths"):
        parser.add_argument(name, type=Path, required=True)
    arguments = parser.parse_args()
    folders = [Path(line).parent.name for line in arguments.paths.read_text(encoding="utf-8").splitlines() if line]
    people = np.unique(folders, return_inverse=True)[1].astype(np.int64)
    several = np.bincount(people)[people] > 1
    lines = arguments.utkface_paths.read_text(encoding="utf-8").splitlines()
    small = np.array([int(Path(line).name.split("_")[0]) < 5 for line in lines if line])
    rows: list[dict[str, Any]] = []
    for model in MODELS:
        lfw = unit(np.load(arguments.lfw / f"{model}.npy"))[several]
        children = unit(np.load(arguments.utkface / f"{model}.npy"))[small]
        d = lfw.shape[1]
        sets = {"lfw": lfw, "children": children, "alike": alike(_COMPARED, d)}
        exact = round(top1(lfw, lfw, people[several]), 4)
        for bits in BITS:
            ways: dict[str, LearntRanges | FixedRanges] = {
                "gallery": LearntRanges(bits, lfw),
                "drawn": LearntRanges(bits, population(model, "flat", d)),
                "fixed": FixedRanges(bits, d),
            }
            for way, ranges in ways.items():
                row = {"model": model, "bits": bits, "ranges": way, "top1_exact": exact}
                row["top1"] = round(top1(ranges.coded(lfw), lfw, people[several]), 4)
                rows.append(row | {name: _errors(ranges, x) for name, x in sets.items()})
                print(rows[-1], flush=True)
    measured("scalar_ranges", {"children": int(small.sum()), "rows": rows}, COMMAND, ("numpy", "faiss-cpu"))


def _errors(ranges: LearntRanges | FixedRanges, x: Floats) -> dict[str, float]:
    few = x[:_COMPARED]
    wrong = few @ ranges.coded(few).T - few @ few.T
    return {
        "rms": round(float(np.sqrt((wrong**2).mean())), 5),
        "greatest": round(float(np.abs(wrong).max()), 4),
        "clipped": float(f"{ranges.clipped(x):.1e}"),
    }


if __name__ == "__main__":
    main()
