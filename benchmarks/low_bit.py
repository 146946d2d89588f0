"""Encoders below eight bits on LFW: every method and precision, and each part of the method left out in turn.

    python -m benchmarks.low_bit LFW_FOLDER UTKFACE_FOLDER --model edgeface-xs [--only ROW …] [--cache FOLDER]

What is learnt on, what is measured, and how differences are paired: `benchmarks.lfw_bench`.

Training takes 400 steps; each row says how many it had. Rows that results/low_bit_<model>.json has are kept; --again
makes them anew. --cache keeps crops and templates. The model has to be in the model folder (`facesearch encoders
import`).
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import PACKAGES, kept_results, measured
from benchmarks.lfw_bench import Bench, difference
from facesearch.encoders import Model, find_model
from facesearch.quantization.lowbit.allocate import Sensitivity, pareto
from facesearch.quantization.lowbit.config import METHODS, Config, Distillation, choose_config
from facesearch.quantization.lowbit.quantize_network import Quantized, quantize

FULL = "w4a4"  # the row that the others of four bits are compared with


def rows(steps: int) -> dict[str, Config]:
    """The configurations, by the name of their row."""
    full = choose_config("w4a4", "quantface", None, steps)
    training = full.training or Distillation()
    named = {f"w4a4 {name}": config for name, config in METHODS.items() if name != "quantface"}
    named["w4a4 distillation"] = choose_config("w4a4", "distillation", None, steps)
    return {
        "w8a8": choose_config("w8a8", "quantface", None, steps),
        "w6a6": choose_config("w6a6", "quantface", None, steps),
        "w4a8": choose_config("w4a8", "quantface", None, steps),
        FULL: full,
        **named,
        "w4a4 without scaling": replace(full, scaling="none"),
        "w4a4 without rotation": replace(full, rotation="none"),
        "w4a4 without low rank": replace(full, rank=0, adapter_rank=0),
        "w4a4 without allocation": replace(full, allocation=None),
        "w4a4 without training": replace(full, training=None),
        "w4a4 trained twice as long": choose_config("w4a4", "quantface", None, 2 * steps),
        "w4a4 low rank alone trained": replace(full, training=replace(training, weights=False)),
        "w4a4 dynamic ranges trained alone": replace(
            full, scaling="none", rotation="none", rank=0, adapter_rank=0, allocation=None
        ),
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
    bench = Bench.prepare(arguments.lfw, arguments.utkface, model, arguments.cache)
    name = f"low_bit_{model.name.replace('-', '_')}"
    found = {row["row"]: row for row in (kept_results(name) or {"rows": []})["rows"]}
    for row in arguments.only or list(configs):
        if row in found and not arguments.again:
            continue
        found[row] = _row(bench, row, configs[row])
        print(
            json.dumps({key: value for key, value in found[row].items() if key not in ("layers", "pareto")}),
            file=sys.stderr,
        )
        ordered = [found[each] for each in configs if each in found]
        command = f"python -m benchmarks.low_bit lfw_deepfunneled utkface --model {model.name} --only ROW --steps STEPS"
        measured(name, {"fp32": bench.fp32(), "rows": ordered}, command, (*PACKAGES, "timm", "scipy"))


def _row(bench: Bench, name: str, config: Config) -> dict[str, Any]:
    started = time.perf_counter(), time.process_time()
    done = quantize(bench.network, bench.model.family, config, bench.learnt, step=_say, progress=_Progress())
    seconds = time.perf_counter() - started[0], time.process_time() - started[1]
    templates = bench.templates(name, done.made.network)
    cosine = (templates * bench.original).sum(axis=1)
    found = {
        "row": name,
        "precision": config.precision,
        "method": config.method,
        "steps": config.training.steps if config.training else 0,
        **_facts(done, bench.model),
        **bench.against_fp32(templates),
        "cosine_mean": round(float(cosine.mean()), 5),
        "cosine_p1": round(float(np.percentile(cosine, 1)), 5),
        "wall_seconds": round(seconds[0]),
        "cpu_seconds": round(seconds[1]),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }
    if config.allocation is not None and done.report.sensitivity is not None:
        found["pareto"] = _pareto(done.report.sensitivity, config.allocation.identity)
    if name != FULL and config.precision == "w4a4" and (full := bench.kept(FULL)) is not None:
        found["against_w4a4"] = difference(bench.outcome(templates), bench.outcome(full))
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
