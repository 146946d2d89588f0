"""What channel balancing gives INT8 that runs, on ONNX Runtime and OpenVINO, against the chosen recipe.

    python -m benchmarks.int8_balancing LFW_FOLDER UTKFACE_FOLDER --model edgeface-xs [--cache FOLDER]

The network is balanced as for few bits, each layer's scale and rotation by the least error at eight bits and one static
range; in floats it gives the same. It is exported and quantized by the recipes of `facesearch.quantization.recipe`:

    static              convolutions and linear layers with static ranges
    linear              linear layers with static ranges, of convolutions only the weights
    linear, some kept   the same, and the layers that suffer most keep float activations
    chosen              the recipe that the model gets by default, of the network as it is

Scales and rotations that fit into no layer before run in float. Cosine is measured on UTKFace crops that nothing is
learnt on, pairs and leave-one-out top-1 on LFW (`benchmarks.lfw_bench`). Rows that results/int8_balancing.json has are
kept; --again makes them anew.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import PACKAGES, kept_results, measured
from benchmarks.lfw_bench import Bench
from benchmarks.lfw_encoders import encode_all
from facesearch.encoders import Variant, find_model
from facesearch.encoders.backends import load
from facesearch.encoders.lowbit.file import low_bit_layers
from facesearch.quantization.lowbit.config import Config, Rotation, Scaling
from facesearch.quantization.lowbit.quantize_network import balanced
from facesearch.quantization.onnx_int8 import quantize_onnx
from facesearch.quantization.openvino_int8 import quantize_openvino
from facesearch.quantization.recipe import BALANCED, STATIC, choose_recipe
from facesearch.workshop.model_folder import describe_file
from facesearch.workshop.onnx_export import export_onnx

NAME = "int8_balancing"
BALANCING: dict[str, tuple[Scaling, Rotation]] = {
    "none": ("none", "none"),
    "scaling": ("search", "none"),
    "rotation": ("none", "search"),
    "both": ("search", "search"),
}
RECIPES = {
    "static": STATIC,
    "linear": replace(BALANCED, smooth=None, keep_float=0),
    "linear, some kept": replace(BALANCED, smooth=None),
}
ROWS = [*((recipe, balancing) for recipe in RECIPES for balancing in BALANCING), ("chosen", "none")]
ON_LFW = [("static", "none"), ("static", "both"), ("linear", "both"), ("linear, some kept", "both"), ("chosen", "none")]
"""Of those also what they get right on LFW is measured, which takes minutes each, and they alone on OpenVINO."""
SUFFIXES = {"onnx": ".onnx", "openvino": ".ovir"}

_CALIBRATION = 256  # crops


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("utkface", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    model = find_model(arguments.model)
    bench = Bench.prepare(arguments.lfw, arguments.utkface, model, arguments.cache)
    found = {_key(row): row for row in (kept_results(NAME) or {"rows": []})["rows"]}
    with tempfile.TemporaryDirectory() as folder:
        exported: dict[str, Path] = {}
        for backend in SUFFIXES:
            for recipe, balancing in ROWS if backend == "onnx" else ON_LFW:
                if (model.name, backend, recipe, balancing) in found and not arguments.again:
                    continue
                if balancing not in exported:
                    exported[balancing] = _export(bench, balancing, Path(folder))
                row = _row(bench, exported[balancing], backend, recipe, balancing)
                found[_key(row)] = row
                print(json.dumps(row), file=sys.stderr, flush=True)
                command = f"python -m benchmarks.{NAME} lfw_deepfunneled utkface --model {model.name}"
                measured(NAME, {"rows": list(found.values())}, command, (*PACKAGES, "onnx", "openvino", "timm"))


def _export(bench: Bench, balancing: str, folder: Path) -> Path:
    """The balanced network as FP32 ONNX."""
    scaling, rotation = BALANCING[balancing]
    config = Config("int8", 8, 8, activation_ranges="minmax", activations="static", scaling=scaling, rotation=rotation)
    network = balanced(bench.network, config, bench.learnt)
    for layer in low_bit_layers(network).values():  # rotated by sums: matrices would make the file larger than FP32
        layer.turn_by_factors()
    path = folder / f"{balancing}.onnx"
    export_onnx(network, path, bench.crops.shape[1])
    return path


def _row(bench: Bench, path: Path, backend: str, recipe: str, balancing: str) -> dict[str, Any]:
    model, data = bench.model, path.read_bytes()
    chosen = RECIPES[recipe] if recipe in RECIPES else choose_recipe(model.family, backend)
    started = time.perf_counter()
    calibration = np.ascontiguousarray(bench.learnt[:: len(bench.learnt) // _CALIBRATION][:_CALIBRATION])
    if backend == "onnx":
        made = quantize_onnx(data, chosen, calibration, bench.held_out)
    else:
        made = quantize_openvino(data, chosen, calibration, bench.held_out)
    row: dict[str, Any] = {
        "model": model.name,
        "backend": backend,
        "recipe": recipe,
        "balancing": balancing,
        "of_fp32": round(len(made.data) / (4 * model.parameters), 4),
        "kept_float": len(made.kept_float),
        "utkface_cosine_mean": round(made.fidelity.mean, 5),
        "utkface_cosine_p1": round(made.fidelity.p1, 5),
        "seconds": round(time.perf_counter() - started),
    }
    if (recipe, balancing) not in ON_LFW:
        return row
    file = path.with_name(f"quantized{SUFFIXES[backend]}")
    file.write_bytes(made.data)
    described = describe_file(model, file, precision="int8", backends=(backend,), scheme=chosen.scheme)
    templates = encode_all(load(model, Variant("int8", backend, file=described), 1), bench.crops)
    return row | {
        "lfw_cosine_mean": round(float((templates * bench.original).sum(axis=1).mean()), 5),
        **bench.against_fp32(templates),
    }


def _key(row: dict[str, Any]) -> tuple[str, str, str, str]:
    return row["model"], row["backend"], row["recipe"], row["balancing"]


if __name__ == "__main__":
    main()
