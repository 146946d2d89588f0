"""What is shipped and comes from portraits of adults, each of another one: read, encoded, written with its licence.

The folder of portraits is described in docs/data.md. Encoders that are not embedded have to be there: facesearch
encoders pull, or import.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from facesearch.encoders import find_model, load_encoder
from facesearch.faces import CROPS, FaceDetector, most_prominent
from facesearch.photos.decoding import load_image
from scripts.build_assets import ASSETS

MODELS = ("mobilefacenet", "dlib-resnet", "edgeface-xs", "edgeface-xxs")
LICENCE = "public domain, as the photographs are; the encoders have terms of their own"
_BATCH = 64

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def parser(description: str | None) -> argparse.ArgumentParser:
    """That of a script: a folder of portraits, and the encoders that something is made for."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("folder", type=Path)
    found.add_argument("--encoder", action="append", choices=MODELS, help="repeatable; default: all")
    found.add_argument("--threads", type=int, default=0)
    return found


def photos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == ".jpg")


def cut(paths: list[Path], kinds: Collection[str], threads: int) -> dict[str, Pixels]:
    """Per kind of crop the most prominent face of every photo that has one: (n, size, size, 3)."""
    detector = FaceDetector(threads=threads)
    wanted = [crop for crop in CROPS.values() if crop.name in kinds]
    found: dict[str, list[Pixels]] = {crop.name: [] for crop in wanted}
    for path in paths:
        image = load_image(path)
        faces = detector.detect(image)
        if faces:
            face = most_prominent(faces, *image.shape[:2])
            for crop in wanted:
                found[crop.name].append(crop.cut(image, face))
    return {kind: np.stack(cuts) for kind, cuts in found.items()}


def templates(folder: Path, models: Collection[str], threads: int) -> dict[str, Floats]:
    """Per model the templates (n, d) of the portraits, in FP32."""
    crops = cut(photos(folder), {find_model(model).crop for model in models}, threads)
    return {model: encoded(model, crops[find_model(model).crop], threads) for model in models}


def encoded(model: str, crops: Pixels, threads: int) -> Floats:
    """Templates (n, d) of crops (n, size, size, 3), in FP32."""
    encoder = load_encoder(f"{model}:fp32@onnx", threads=threads)
    return np.concatenate([encoder.encode(crops[at : at + _BATCH]) for at in range(0, len(crops), _BATCH)])


class Told(TypedDict):
    """What the manifest says of a file."""

    licence: str
    origin: str
    rebuild: str


def write(file: str, content: bytes, told: Told) -> None:
    """Write a file of the package's assets, and its row of the manifest in place of an older one."""
    (ASSETS / file).write_bytes(content)
    name = Path(file).stem
    sha256 = hashlib.sha256(content).hexdigest()
    row = {"name": name, "file": file, "sha256": sha256, "size_bytes": len(content), **told}
    path = ASSETS / "manifest.json"
    rows = [kept for kept in json.loads(path.read_text(encoding="utf-8"))["assets"] if kept["name"] != name]
    path.write_text(json.dumps({"assets": [*rows, row]}, indent=2) + "\n", encoding="utf-8")
