"""Make the prototypes of small children that come with the package: templates of faces of nobody.

    FACESEARCH_HOME=… python -m scripts.build_children FOLDER_OF_PORTRAITS [--encoder dlib-resnet] … [--sheet FILE]

The folder holds photos, each of another adult: see docs/data.md. Means of four portraits are made childlike
(scripts/child_faces.py) and encoded. Normalised scores compare probes with them (facesearch.gallery.scoring). Writes
facesearch/assets/children.npz and its entry in manifest.json; --sheet: a picture of some of the faces. Encoders that
are not embedded have to be there: facesearch encoders pull, or import.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from facesearch.encoders import find_model, load_encoder
from facesearch.faces import FaceDetector, find_crop, most_prominent
from facesearch.faces.face import Face
from facesearch.photos.decoding import load_image
from scripts.build_assets import ASSETS
from scripts.build_codebooks import MODELS, note
from scripts.child_faces import FOR_ONE, FOR_SEVERAL, Pixels, canvas, childlike

LICENCE = "public domain, as the photographs are; the encoders have terms of their own"
NAME = "children"
FACES = 100  # half with each set of numbers
_PORTRAITS = 4  # in a face
_SEED = 0
_BATCH = 50


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", action="append", choices=MODELS, help="repeatable; default: all")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="a picture to write")
    arguments = parser.parse_args()
    faces = made(sorted(path for path in arguments.folder.iterdir() if path.suffix == ".jpg"), arguments.threads)
    if arguments.sheet:
        shown = np.concatenate([images[::5] for images, _ in faces])
        rows = [np.concatenate(list(shown[at : at + 10]), axis=1) for at in range(0, len(shown), 10)]
        Image.fromarray(np.concatenate(rows)).save(arguments.sheet)
    file = ASSETS / f"{NAME}.npz"
    held = dict(np.load(file)) if file.exists() else {}
    for model in arguments.encoder or MODELS:
        encoder, crop = load_encoder(f"{model}:fp32@onnx", threads=arguments.threads), find_crop(find_model(model).crop)
        crops = np.stack([crop.cut(image, face) for images, face in faces for image in images])
        parts = [encoder.encode(crops[at : at + _BATCH]) for at in range(0, len(crops), _BATCH)]
        held[model] = np.concatenate(parts).astype(np.float16)
        print(model, held[model].shape, file=sys.stderr, flush=True)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **{model: held[model] for model in MODELS if model in held})
    content = stream.getvalue()
    file.write_bytes(content)
    note(
        {
            "name": NAME,
            "file": file.name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
            "licence": LICENCE,
            "origin": f"templates, by each encoder, of {FACES} faces made of portraits of Congress, four in each",
            "rebuild": "python -m scripts.build_children PORTRAITS",
        }
    )
    return 0


def made(paths: list[Path], threads: int) -> list[tuple[Pixels, Face]]:
    """For each set of numbers half of the faces, and where in all of them the face is."""
    detector, found = FaceDetector(threads=threads), []
    for path in paths:
        photo = load_image(path)
        if faces := detector.detect(photo):
            found.append(canvas(photo, most_prominent(faces, *photo.shape[:2])))
    portraits, generator = np.stack(found), np.random.default_rng(_SEED)
    means = np.stack(
        [portraits[generator.choice(len(portraits), _PORTRAITS, replace=False)].mean(axis=0) for _ in range(FACES)]
    )
    return [childlike(means[: FACES // 2], FOR_ONE), childlike(means[FACES // 2 :], FOR_SEVERAL)]


if __name__ == "__main__":
    sys.exit(main())
