"""Make the prototypes of small children that come with the package: templates of faces of nobody.

    FACESEARCH_HOME=… python -m scripts.build_children FOLDER_OF_PORTRAITS [--encoder dlib-resnet] … [--sheet FILE]

Means of four portraits of adults (scripts/portraits.py) are made childlike (scripts/child_faces.py) and encoded.
Normalised scores compare probes with them (facesearch.gallery.scoring). Writes facesearch/assets/children.npz and its
entry in manifest.json; --sheet: a picture of some of the faces.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from facesearch.encoders import find_model
from facesearch.faces import FaceDetector, find_crop, most_prominent
from facesearch.faces.face import Face
from facesearch.photos.decoding import load_image
from scripts.build_assets import ASSETS
from scripts.child_faces import FOR_ONE, FOR_SEVERAL, Pixels, canvas, childlike
from scripts.portraits import LICENCE, MODELS, encoded, parser, photos, write

FILE = "children.npz"
FACES = 100  # half with each set of numbers
_PORTRAITS = 4  # in a face
_SEED = 0


def main() -> int:
    reading = parser(__doc__)
    reading.add_argument("--sheet", type=Path, help="a picture to write")
    arguments = reading.parse_args()
    faces = made(photos(arguments.folder), arguments.threads)
    if arguments.sheet:
        shown = np.concatenate([images[::5] for images, _ in faces])
        rows = [np.concatenate(list(shown[at : at + 10]), axis=1) for at in range(0, len(shown), 10)]
        Image.fromarray(np.concatenate(rows)).save(arguments.sheet)
    file = ASSETS / FILE
    held = dict(np.load(file)) if file.exists() else {}
    for model in arguments.encoder or MODELS:
        crop = find_crop(find_model(model).crop)
        crops = np.stack([crop.cut(image, face) for images, face in faces for image in images])
        held[model] = encoded(model, crops, arguments.threads).astype(np.float16)
        print(model, held[model].shape, file=sys.stderr, flush=True)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **{model: held[model] for model in MODELS if model in held})
    write(
        FILE,
        stream.getvalue(),
        {
            "licence": LICENCE,
            "origin": f"templates, by each encoder, of {FACES} faces made of portraits of Congress, four in each",
            "rebuild": "python -m scripts.build_children PORTRAITS",
        },
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
