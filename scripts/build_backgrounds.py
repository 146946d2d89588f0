"""Measure the backgrounds that come with the package: how alike encoders find faces of different adults.

    FACESEARCH_HOME=… python -m scripts.build_backgrounds FOLDER_OF_PORTRAITS [--encoder dlib-resnet] …

See scripts/portraits.py and `facesearch.encoders.background`. Writes facesearch/assets/backgrounds.json and its entry
in manifest.json.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from facesearch.encoders.background import measured
from scripts.build_assets import ASSETS
from scripts.portraits import LICENCE, MODELS, parser, templates, write

FILE = "backgrounds.json"


def main() -> int:
    arguments = parser(__doc__).parse_args()
    file = ASSETS / FILE
    held = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for model, found in templates(arguments.folder, arguments.encoder or MODELS, arguments.threads).items():
        held[model] = asdict(measured(found))
        print(model, held[model], file=sys.stderr, flush=True)
    text = json.dumps({model: held[model] for model in MODELS if model in held}, indent=1) + "\n"
    write(
        FILE,
        text.encode(),
        {
            "licence": LICENCE,
            "origin": "mean similarities of portraits of Congress to each other, by each encoder",
            "rebuild": "python -m scripts.build_backgrounds PORTRAITS",
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
