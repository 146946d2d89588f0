"""Encoders below eight bits on LFW: every method and precision, and each part of the method left out in turn.

    python -m benchmarks.low_bit LFW_FOLDER UTKFACE_FOLDER --model edgeface-xs [--only ROW …] [--cache FOLDER]

Everything is learnt on UTKFace crops without labels (four in five of them; the fifth is never shown), everything below
is measured on LFW: the 6,000 pairs (ten folds, threshold from the other nine) and leave-one-out top-1 over the photos
of the pairs protocol, as `benchmarks.lfw_encoders` has them. Differences are paired: on the same pairs and the same
probes, with 95 % intervals from a bootstrap over pairs and over identities.

Rows that benchmarks/results/low_bit_<model>.json has already are kept; --again makes them anew. --cache keeps crops and
templates. The model has to be in the model folder (`facesearch encoders import`). The rows "static w8a8" are what INT8
with one range for each layer costs, simulated, and what channel balancing before it takes away of that.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.common import PACKAGES, RESULTS, measured
from benchmarks.lfw_default import Pair, best_threshold, correct, read_pairs
from benchmarks.lfw_encoders import cut, nearest_is_mate
from facesearch.encoders import Model, find_model, read_variant
from facesearch.encoders.families.preprocess import CropNetwork
from facesearch.encoders.families.torch_int8 import fp32_network
from facesearch.encoders.spec import EncoderSpec
from facesearch.encoders.torch_encoder import read_state
from facesearch.evaluation.statistics import Resamples, interval
from facesearch.quantization.lowbit.allocate import Sensitivity, pareto
from facesearch.quantization.lowbit.config import METHODS, Config, Training, choose_config
from facesearch.quantization.lowbit.observe import embeddings
from facesearch.quantization.lowbit.pipeline import Quantized, quantize

Crops = npt.NDArray[np.uint8]
Templates = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

FULL = "w4a4"  # the row that the others of four bits are compared with
_BATCH = 64
_HELD_OUT = 5  # every fifth crop of UTKFace is not learnt from


def rows(steps: int) -> dict[str, Config]:
    """The configurations, by the name of their row."""
    full = choose_config("w4a4", "quantface", None, steps)
    training = full.training or Training()
    named = {f"w4a4 {name}": config for name, config in METHODS.items() if name != "quantface"}
    static = choose_config("w8a8", "maxmin")
    named["w4a4 distillation"] = choose_config("w4a4", "distillation", None, steps)
    return {
        "w8a8": choose_config("w8a8", "quantface", None, 0),
        "w6a6": choose_config("w6a6", "quantface", None, steps),
        "w4a8": choose_config("w4a8", "quantface", None, steps),
        FULL: full,
        **named,
        "w4a4 without scaling": replace(full, scaling="none"),
        "w4a4 without rotation": replace(full, rotation="none"),
        "w4a4 without low rank": replace(full, rank=0, adapter_rank=0),
        "w4a4 without allocation": replace(full, allocation=None),
        "w4a4 without training": replace(full, training=None),
        "w4a4 low rank alone trained": replace(full, training=replace(training, weights=False)),
        "w4a4 dynamic ranges trained alone": replace(
            full, scaling="none", rotation="none", rank=0, adapter_rank=0, allocation=None
        ),
        "static w8a8": static,
        "static w8a8, scaling": replace(static, scaling="fixed"),
        "static w8a8, rotation": replace(static, rotation="all"),
        "static w8a8, both": replace(static, scaling="fixed", rotation="all"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("utkface", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--only", action="append", default=[], help="rows to make, repeatable; default: all")
    parser.add_argument("--steps", type=int, default=400, help="of training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = find_model(arguments.model)
    configs = rows(arguments.steps)
    bench = _Bench.prepare(arguments.lfw, arguments.utkface, model, arguments.cache)
    name = f"low_bit_{model.name.replace('-', '_')}"
    found = {} if arguments.again else _stored(name)
    for row in arguments.only or list(configs):
        if row in found and not arguments.again:
            continue
        found[row] = bench.row(row, configs[row])
        print(
            json.dumps({key: value for key, value in found[row].items() if key not in ("layers", "pareto")}),
            file=sys.stderr,
        )
        ordered = [found[each] for each in configs if each in found]
        command = (
            f"python -m benchmarks.low_bit lfw_deepfunneled utkface --model {model.name} --steps {arguments.steps}"
        )
        measured(name, {"fp32": bench.fp32(), "rows": ordered}, command, (*PACKAGES, "timm", "scipy"))


def _stored(name: str) -> dict[str, dict[str, Any]]:
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return {}
    return {row["row"]: row for row in json.loads(path.read_text(encoding="utf-8"))["results"]["rows"]}


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What was right. pairs (6000,), probes (m,): whether each was decided rightly; owners (m,): identity numbers."""

    pairs: Flags
    probes: Flags
    owners: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """The data, and the float network's templates."""

    model: Model
    network: CropNetwork
    learnt: Crops
    crops: Crops
    paths: Sequence[Path]
    pairs: Sequence[Pair]
    original: Templates
    cache: Path | None

    @staticmethod
    def prepare(lfw: Path, utkface: Path, model: Model, cache: Path | None) -> _Bench:
        pairs = read_pairs(lfw)
        paths = sorted({path for pair in pairs for path in (pair.a, pair.b)})
        crops = _crops(paths, model.crop, cache, "lfw")
        faces = _crops(sorted(utkface.glob("*.jpg")), model.crop, cache, "utkface")
        faces = faces[faces.any(axis=(1, 2, 3))]
        learnt = faces[np.arange(len(faces)) % _HELD_OUT != _HELD_OUT - 1]
        data = read_variant(model.variant(EncoderSpec(model.name, "fp32", "torch")))
        network = fp32_network(model.family, read_state(model.family, data, model.name), model.name)
        bench = _Bench(model, network, learnt, crops, paths, pairs, np.zeros((0, 0), np.float32), cache)
        return replace(bench, original=bench.templates("fp32", network))

    def templates(self, row: str, network: CropNetwork) -> Templates:
        """Templates (n, d) of LFW."""
        made: Templates = embeddings(network, self.crops, _BATCH).numpy()
        if self.cache is not None:
            np.save(self.cache / f"{self.model.name}.{row.replace(' ', '_')}.npy", made)
        return made

    def fp32(self) -> dict[str, object]:
        outcome = self.outcome(self.original)
        return {
            "accuracy": round(float(outcome.pairs.mean()), 5),
            "top1": round(float(outcome.probes.mean()), 5),
            "pairs": len(outcome.pairs),
            "probes": len(outcome.probes),
            "photos": len(self.paths),
            "learnt_from": len(self.learnt),
            "bytes": 4 * self.model.parameters,
        }

    def row(self, name: str, config: Config) -> dict[str, Any]:
        started = time.perf_counter(), time.process_time()
        done = quantize(self.network, self.model.family, config, self.learnt, step=_say, progress=_Progress())
        seconds = time.perf_counter() - started[0], time.process_time() - started[1]
        templates = self.templates(name, done.made.network)
        outcome, original = self.outcome(templates), self.outcome(self.original)
        cosine = (templates * self.original).sum(axis=1)
        found = {
            "row": name,
            "precision": config.precision,
            "method": config.method,
            "steps": config.training.steps if config.training else 0,
            **_facts(done, self.model),
            "accuracy": round(float(outcome.pairs.mean()), 5),
            "top1": round(float(outcome.probes.mean()), 5),
            "against_fp32": difference(outcome, original),
            "cosine_mean": round(float(cosine.mean()), 5),
            "cosine_p1": round(float(np.percentile(cosine, 1)), 5),
            "wall_seconds": round(seconds[0]),
            "cpu_seconds": round(seconds[1]),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        }
        if config.allocation is not None and done.report.sensitivity is not None:
            found["pareto"] = _pareto(done.report.sensitivity, config.allocation.identity)
        if name != FULL and config.precision == "w4a4" and (full := self._kept(FULL)) is not None:
            found["against_w4a4"] = difference(outcome, self.outcome(full))
        return found

    def outcome(self, templates: Templates) -> Outcome:
        position = {path: at for at, path in enumerate(self.paths)}
        similarity = np.array([float(templates[position[p.a]] @ templates[position[p.b]]) for p in self.pairs])
        mated, fold = np.array([p.mated for p in self.pairs]), np.array([p.fold for p in self.pairs])
        right = np.zeros(len(self.pairs), np.bool_)
        for each in np.unique(fold):
            threshold = best_threshold(similarity[fold != each], mated[fold != each])
            right[fold == each] = correct(similarity[fold == each], mated[fold == each], threshold)
        people = [path.parent.name for path in self.paths]
        probes, hits = nearest_is_mate(templates, people)
        return Outcome(right, hits, np.unique(people, return_inverse=True)[1][probes])

    def _kept(self, row: str) -> Templates | None:
        path = self.cache / f"{self.model.name}.{row}.npy" if self.cache else None
        return np.load(path, allow_pickle=False) if path is not None and path.exists() else None


def difference(one: Outcome, other: Outcome) -> dict[str, object]:
    """`one` less `other` on the same pairs and probes, with 95 % intervals: by pair, and by person."""
    owners = np.unique(one.owners, return_inverse=True)[1]
    found: dict[str, object] = {}
    for name, ours, theirs, drawn in (
        ("accuracy", one.pairs, other.pairs, np.arange(len(one.pairs))),
        ("top1", one.probes, other.probes, owners),
    ):
        gained = ours.astype(np.float64) - theirs
        ends = interval(Resamples.draw(int(drawn.max()) + 1).means(gained, drawn))
        found |= {name: round(float(gained.mean()), 5), f"{name}_interval": [round(end, 5) for end in ends]}
    return found


def _facts(done: Quantized, model: Model) -> dict[str, object]:
    report = done.report
    return {
        "weight_bits": round(report.weight_bits, 3),
        "activation_bits": round(report.activation_bits, 3),
        "file_bytes": report.file_bytes,
        "of_fp32": round(report.file_bytes / (4 * model.parameters), 4),
        "added_operations": round(report.extra / report.products, 4),
        "layers": [
            [each.name, each.weight_bits, each.activation_bits, each.scale, each.rotation, each.rank]
            for each in report.layers
        ],
        "loss": None if report.loss is None else round(report.loss, 5),
    }


def _pareto(sides: tuple[Sensitivity, Sensitivity], identity: float) -> dict[str, object]:
    """The predicted fall of similarity at each budget: [bits, shared out, uniform (null between whole numbers)]."""
    budgets = [3 + step / 4 for step in range(21)]
    curves: dict[str, object] = {}
    for side, each in zip(("weights", "activations"), sides, strict=True):
        points = pareto(each, budgets, identity)
        curves[side] = [[bits, shared, None if np.isnan(same) else same] for bits, shared, same in points]
    return curves


def _crops(paths: Sequence[Path], kind: str, cache: Path | None, name: str) -> Crops:
    kept = cache / f"{name}.{kind}.npy" if cache else None
    if kept is not None and kept.exists():
        crops: Crops = np.load(kept, mmap_mode="r", allow_pickle=False)
        return crops
    crops = cut(paths, [kind])[kind]
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, crops)
    return crops


class _Progress:
    """A line each tenth."""

    def __init__(self) -> None:
        self._tenth = -1

    def __call__(self, done: int, total: int) -> None:
        if (tenth := 10 * done // total) != self._tenth:
            self._tenth = tenth
            _say(f"{done}/{total}")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
