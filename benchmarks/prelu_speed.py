"""What PRelu costs in MobileFaceNet, and what the ways to write it otherwise save or lose.

    python -m benchmarks.prelu_speed

The included MobileFaceNet with its 33 PRelu as one operator each, as a·x + (1 − a)·Relu(x), and as the sum of two Relu
that an import writes (`facesearch.inference.onnx_prelu`): processor time of one crop with one thread, all in turns,
medians; how far embeddings are from those of PRelu; the cosine of INT8 on OpenVINO to FP32, calibrated with synthetic
people. Writes benchmarks/results/prelu_speed.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper

from benchmarks.common import alternating, measured
from facesearch.encoders import EncoderSpec, find_model, read_variant
from facesearch.inference.onnx_graph import drop_unused_nodes, fold_constants
from facesearch.inference.onnx_prelu import split_prelus
from facesearch.inference.onnx_session import open_session
from facesearch.quantization.openvino_int8 import quantize_openvino
from facesearch.quantization.recipe import choose_recipe
from facesearch.workshop.quantize import CalibrationCrops, calibration_crops

MODEL = "mobilefacenet"
COMMAND = "python -m benchmarks.prelu_speed"
PACKAGES = ("numpy", "onnx", "onnxruntime", "openvino", "nncf")

Pixels = Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    runs = parser.parse_args().runs
    model = find_model(MODEL)
    crops = calibration_crops(model, None)
    forms = written()
    crop = crops.held_out[:1]
    on_onnx = {name: _on_onnx(data, crop) for name, data in forms.items()}
    on_openvino = {name: _on_openvino(data, crop) for name, data in forms.items()}
    onnx_ms = alternating(on_onnx, runs, time.process_time)
    openvino_ms = alternating(on_openvino, runs, time.process_time)
    expected = on_onnx["PRelu"]()
    rows = [
        {
            "form": name,
            "ms_onnx": round(onnx_ms[name], 2),
            "ms_openvino": round(openvino_ms[name], 2),
            "furthest": float(np.abs(on_onnx[name]() - expected).max() / np.abs(expected).max()),
            "cosine_int8_openvino": round(_int8_cosine(data, crops), 4),
        }
        for name, data in forms.items()
    ]
    for row in rows:
        print(row)
    measured("prelu_speed", {"model": MODEL, "runs": runs, "rows": rows}, f"{COMMAND} --runs {runs}", PACKAGES)


def written() -> dict[str, bytes]:
    """MobileFaceNet with each way to write its PRelu."""
    stored = onnx.load_model_from_string(read_variant(find_model(MODEL).variant(EncoderSpec(MODEL))))
    fold_constants(stored)
    plain = _with_prelus(stored)
    split = onnx.ModelProto()
    split.CopyFrom(plain)
    assert split_prelus(split) == 33
    named = {"PRelu": plain, "a·x + (1 − a)·Relu(x)": stored, "Relu(x) + (−a)·Relu(−x)": split}
    return {name: model.SerializeToString() for name, model in named.items()}


def _with_prelus(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with PRelu in place of a·x + (1 − a)·Relu(x), which is known by its names."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for node in made.graph.node:
        if node.output[0].endswith(".leaky"):
            source = node.output[0].removesuffix(".leaky")
            node.CopyFrom(helper.make_node("PRelu", [source, f"{source}.slope"], list(node.output), name=node.name))
    drop_unused_nodes(made)
    return made


def _on_onnx(data: bytes, crop: Pixels) -> Callable[[], Any]:
    session = open_session(data, threads=1)
    return lambda: session.run(None, {"crops": crop})[0]


def _on_openvino(data: bytes, crop: Pixels) -> Callable[[], Any]:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(data), "CPU", settings).create_infer_request()
    return lambda: request.infer([crop])


def _int8_cosine(data: bytes, crops: CalibrationCrops) -> float:
    made = quantize_openvino(data, choose_recipe(MODEL, "openvino"), crops.crops, crops.held_out)
    return float(made.fidelity.mean)


if __name__ == "__main__":
    main()
