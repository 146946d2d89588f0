"""Measure the backgrounds that come with the package: how alike encoders find faces of different adults.

    FACESEARCH_HOME=… python -m scripts.build_backgrounds FOLDER_OF_PORTRAITS [--encoder dlib-resnet] …

The folder holds photos, each of another person: see docs/data.md. Writes facesearch/assets/backgrounds.json and its
entry in manifest.json. Encoders that are not embedded have to be there: facesearch encoders pull, or import.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from facesearch.encoders import find_model, load_encoder
from facesearch.encoders.background import measured
from scripts.build_assets import ASSETS
from scripts.build_codebooks import MODELS, cut, note

LICENCE = "public domain, as the photographs are; the encoders have terms of their own"
NAME = "backgrounds"
_BATCH = 64


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", action="append", choices=MODELS, help="repeatable; default: all")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.folder.iterdir() if path.suffix == ".jpg")
    models = arguments.encoder or list(MODELS)
    crops = cut(paths, sorted({find_model(model).crop for model in models}), arguments.threads)
    file = ASSETS / f"{NAME}.json"
    held = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for model in models:
        encoder = load_encoder(f"{model}:fp32@onnx", threads=arguments.threads)
        faces = crops[find_model(model).crop]
        parts = [encoder.encode(faces[at : at + _BATCH]) for at in range(0, len(faces), _BATCH)]
        held[model] = asdict(measured(np.concatenate(parts)))
        print(model, held[model], file=sys.stderr, flush=True)
    text = json.dumps({model: held[model] for model in MODELS if model in held}, indent=1) + "\n"
    file.write_text(text, encoding="utf-8")
    note(
        {
            "name": NAME,
            "file": f"{NAME}.json",
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "size_bytes": len(text.encode()),
            "licence": LICENCE,
            "origin": "mean similarities of portraits of Congress to each other, by each encoder",
            "rebuild": "python -m scripts.build_backgrounds PORTRAITS",
        }
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
