"""Learn the codebooks of trellis codes (`tcq<m>`) that come with the package, on photos of people in no gallery.

    FACESEARCH_HOME=… python -m scripts.build_codebooks FOLDER_OF_PORTRAITS [--encoder dlib-resnet] …

The folder holds photos, each of another person: see docs/data.md. Every photo is detected, cropped as the encoder wants
it and encoded in FP32. A codebook is the mean, the principal axes and the variances of these templates
(`indexes.karhunen`): the same for every size of code. Writes facesearch/assets/codebook-MODEL.klt and its entry in
manifest.json. Encoders that are not embedded have to be there: facesearch encoders pull, or import.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.encoders import find_model, load_encoder
from facesearch.faces import CROPS, FaceDetector, most_prominent
from facesearch.photos.decoding import load_image
from indexes.karhunen import learn_transform
from scripts.build_assets import ASSETS

MODELS = ("mobilefacenet", "dlib-resnet", "edgeface-xs", "edgeface-xxs")
LICENCE = "public domain, as the photographs are; the encoder has terms of its own"
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
    for model in models:
        encoder = load_encoder(f"{model}:fp32@onnx", threads=arguments.threads)
        faces = crops[find_model(model).crop]
        parts = [encoder.encode(faces[at : at + _BATCH]) for at in range(0, len(faces), _BATCH)]
        content = learn_transform(np.concatenate(parts)).to_bytes()
        print(write(model, content, len(faces)), file=sys.stderr, flush=True)
    return 0


def cut(paths: list[Path], kinds: Collection[str], threads: int) -> dict[str, npt.NDArray[np.uint8]]:
    """Per kind of crop the most prominent face of every photo that has one: (n, size, size, 3)."""
    detector = FaceDetector(threads=threads)
    wanted = [crop for crop in CROPS.values() if crop.name in kinds]
    found: dict[str, list[npt.NDArray[np.uint8]]] = {crop.name: [] for crop in wanted}
    for path in paths:
        image = load_image(path)
        faces = detector.detect(image)
        if faces:
            face = most_prominent(faces, *image.shape[:2])
            for crop in wanted:
                found[crop.name].append(crop.cut(image, face))
    return {kind: np.stack(cuts) for kind, cuts in found.items()}


def write(model: str, content: bytes, faces: int) -> dict[str, str | int]:
    """Write a codebook and its row of the manifest, which is returned."""
    name = f"codebook-{model}"
    row: dict[str, str | int] = {
        "name": name,
        "file": f"{name}.klt",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "licence": LICENCE,
        "origin": f"mean, principal axes and variances of {model} templates of {faces} portraits of Congress",
        "rebuild": f"python -m scripts.build_codebooks PORTRAITS --encoder {model}",
    }
    (ASSETS / f"{name}.klt").write_bytes(content)
    note(row)
    return row


def note(row: Mapping[str, str | int]) -> None:
    """Write the row of a file into the manifest, in place of an older one."""
    path = ASSETS / "manifest.json"
    rows = [kept for kept in json.loads(path.read_text(encoding="utf-8"))["assets"] if kept["name"] != row["name"]]
    path.write_text(json.dumps({"assets": [*rows, row]}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
