"""Learn the codebooks of trellis codes (`tcq<m>`) that come with the package, on photos of people in no gallery.

    FACESEARCH_HOME=… python -m scripts.build_codebooks FOLDER_OF_PORTRAITS [--encoder dlib-resnet] …

Every photo is detected, cropped as the encoder wants it and encoded in FP32 (scripts/portraits.py). A codebook is the
mean, the principal axes and the variances of these templates (`indexes.karhunen`): the same for every size of code.
Writes facesearch/assets/codebook-MODEL.klt and its entry in manifest.json.
"""

from __future__ import annotations

import sys

from indexes.karhunen import learn_transform
from scripts.portraits import MODELS, parser, templates, write

LICENCE = "public domain, as the photographs are; the encoder has terms of its own"


def main() -> int:
    arguments = parser(__doc__).parse_args()
    for model, found in templates(arguments.folder, arguments.encoder or MODELS, arguments.threads).items():
        content = learn_transform(found).to_bytes()
        portraits = f"{len(found)} portraits of Congress"
        write(
            f"codebook-{model}.klt",
            content,
            {
                "licence": LICENCE,
                "origin": f"mean, principal axes and variances of {model} templates of {portraits}",
                "rebuild": f"python -m scripts.build_codebooks PORTRAITS --encoder {model}",
            },
        )
        print(model, len(found), "faces,", len(content), "bytes", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
