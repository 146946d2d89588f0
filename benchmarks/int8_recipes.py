"""Which INT8 recipe keeps what a model knows: cosine to FP32, size and worst layers of each.

    pip install 'facesearch[torch,openvino]' && python -m benchmarks.int8_recipes FACES WEIGHTS [--model NAME]

FACES is a folder of photos of faces (UTKFace); WEIGHTS has edgeface_xs.safetensors and edgeface_xxs.safetensors. Four
fifths of the photos calibrate, the others judge. Times are CPU time of one crop with one thread, the variants in turns.

Of MobileFaceNet, which needs no WEIGHTS and has a file of its own (--name int8_recipes_mobilefacenet), the steps to its
recipes are measured.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import PACKAGES, alternating, measured
from facesearch.encoders import EncoderSpec, Variant, find_model, read_variant
from facesearch.encoders.backends import load
from facesearch.quantization.onnx_int8 import QuantizedModel, quantize_onnx
from facesearch.quantization.onnx_layers import has_attention
from facesearch.quantization.openvino_int8 import quantize_openvino
from facesearch.quantization.recipe import (
    BALANCED,
    DYNAMIC,
    EQUALISED,
    NNCF,
    NNCF_TRANSFORMER,
    PAPER,
    STATIC,
    WEIGHTS,
    Recipe,
    choose_recipe,
)
from facesearch.workshop.model_folder import describe_file
from facesearch.workshop.model_import import ImportRequest, import_model
from facesearch.workshop.quantize import CalibrationCrops, calibration_crops

MODELS = ("edgeface-xs", "edgeface-xxs", "dlib-resnet")
RUNS = 40


def recipes(model: str, attention: bool) -> dict[str, tuple[str, Recipe]]:
    """Label -> backend and recipe."""
    rows = {
        "paper": ("onnx", PAPER),
        "static": ("onnx", STATIC),
        "static, SmoothQuant 0.5": ("onnx", replace(STATIC, smooth=0.5)),
        "dynamic": ("onnx", DYNAMIC),
        "nncf": ("openvino", NNCF_TRANSFORMER if attention else NNCF),
    }
    if attention:
        rows |= {
            "paper, a scale per channel": ("onnx", replace(PAPER, per_channel=True)),
            "paper, unsigned activations": ("onnx", replace(PAPER, activations="uint8")),
            "paper, layers with weights only": ("onnx", replace(PAPER, op_types=STATIC.op_types)),
            "paper, linear layers only": ("onnx", replace(PAPER, op_types=DYNAMIC.op_types)),
            "balanced, no SmoothQuant, none kept": ("onnx", replace(BALANCED, smooth=None, keep_float=0)),
            "balanced, no SmoothQuant": ("onnx", replace(BALANCED, smooth=None)),
            "balanced, none kept": ("onnx", replace(BALANCED, keep_float=0)),
            "balanced, 4 kept": ("onnx", replace(BALANCED, keep_float=4)),
        }
    if model == "mobilefacenet":
        rows = {label: rows[label] for label in ("static", "nncf")}
        return rows | {
            "equalised, but no channel scaled, none kept": ("onnx", replace(EQUALISED, smooth=None, keep_float=0)),
            "equalised, full ranges, none kept": ("onnx", replace(EQUALISED, calibration="minmax", keep_float=0)),
            "equalised, none kept": ("onnx", replace(EQUALISED, keep_float=0)),
            "equalised": ("onnx", EQUALISED),
            "equalised, OpenVINO": ("openvino", EQUALISED),
            "weights": ("onnx", WEIGHTS),
            "weights, OpenVINO": ("openvino", WEIGHTS),
        }
    for backend in ("onnx", "openvino"):
        rows[f"chosen for {backend}"] = (backend, choose_recipe(model, backend, attention=attention))
    return rows


def measure(name: str, found: CalibrationCrops, folder: Path) -> list[dict[str, Any]]:
    """The rows of one model."""
    model = find_model(name)
    source = read_variant(model.variant(EncoderSpec(name)))
    attention = has_attention(source)
    rows: list[dict[str, Any]] = []
    encoders = {"onnx": load(model, model.variant(EncoderSpec(name)), 1)}
    crop = found.held_out[:1]
    for label, (backend, recipe) in recipes(name, attention).items():
        started = time.perf_counter()
        if backend == "onnx":
            made = quantize_onnx(source, recipe, found.crops, found.held_out)
        else:
            made = quantize_openvino(source, recipe, found.crops, found.held_out, transformer=attention)
        path = folder / f"{name}.{len(rows)}{'.onnx' if backend == 'onnx' else '.ovir'}"
        path.write_bytes(made.data)
        file = describe_file(model, path, precision="int8", backends=(backend,), scheme=recipe.scheme)
        encoders[label] = load(model, Variant("int8", backend, file=file), 1)
        row: dict[str, Any] = {"model": name, "recipe": label, "backend": backend, "scheme": recipe.scheme}
        rows.append(row | _row(made, 4 * model.parameters) | {"seconds": round(time.perf_counter() - started, 1)})
        print(name, label, f"{made.fidelity.mean:.4f} {made.fidelity.minimum:.4f}", flush=True)
    calls = {label: partial(encoder.encode, crop) for label, encoder in encoders.items()}
    times = alternating(calls, RUNS, time.process_time)
    for row in rows:
        row["milliseconds"] = round(times[row["recipe"]], 3)
        row["speed_against_fp32_onnx"] = round(times["onnx"] / times[row["recipe"]], 2)
    return rows


def _row(made: QuantizedModel, fp32_bytes: int) -> dict[str, Any]:
    by_type: dict[str, list[float]] = defaultdict(list)
    for layer in made.fidelity.layers:
        by_type[layer.op_type].append(layer.snr_db)
    return {
        "cosine_mean": round(made.fidelity.mean, 5),
        "cosine_p1": round(made.fidelity.p1, 5),
        "cosine_min": round(made.fidelity.minimum, 5),
        "bytes": len(made.data),
        "size_ratio": round(len(made.data) / fp32_bytes, 4),
        "kept_float": list(made.kept_float),
        "worst_layers": [
            {"layer": each.layer, "op_type": each.op_type, "snr_db": round(each.snr_db, 1)}
            for each in made.fidelity.layers[:5]
        ],
        "median_snr_db_by_operator": {
            kind: round(float(np.median(values)), 1) for kind, values in sorted(by_type.items())
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--model", action="append", help=f"default: {', '.join(MODELS)}")
    parser.add_argument("--name", default="int8_recipes", help="of the results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["FACESEARCH_HOME"] = home
        rows, calibration = [], {}
        for name in arguments.model or MODELS:
            weights = arguments.weights / f"{name.replace('-', '_')}.safetensors"
            if weights.exists():
                import_model(weights, ImportRequest(name))
            elif not find_model(name).installed:
                print(f"{weights.name} is not there: {name} is left out")
                continue
            found = calibration_crops(find_model(name), arguments.faces)
            calibration[name] = {"crops": len(found.crops), "held_out": len(found.held_out), "sha256": found.sha256}
            rows += measure(name, found, Path(home))
    named = "".join(f" --model {name}" for name in arguments.model or ())
    named += f" --name {arguments.name}" if arguments.model else ""
    packages = (*PACKAGES, "onnx", "openvino", "nncf", "timm")
    measured(
        arguments.name,
        {"calibration": calibration, "recipes": rows},
        f"python -m benchmarks.int8_recipes FACES WEIGHTS{named}",
        packages,
    )


if __name__ == "__main__":
    main()
