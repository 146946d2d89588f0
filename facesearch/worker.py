"""One process that turns photos into templates: `python -m facesearch.worker ENCODER MIN_FACE ALIGNED`.

Reads a JSON line per photo, `{"path": …}`, from standard input, and answers each with one on standard output: the
fields of a `PhotoTemplate`, or `{"rejected": reason}`. It ends when its input does: it never outlives who started it.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from facesearch.encoders import load_encoder
from facesearch.errors import RejectedImageError
from facesearch.templating import Templater


def main() -> None:
    encoder, min_face, aligned = sys.argv[1:]
    templater = Templater(load_encoder(encoder, threads=1), min_face=int(min_face), threads=1)
    for line in sys.stdin:
        answer = _answer(templater, Path(json.loads(line)["path"]), aligned or None)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _answer(templater: Templater, path: Path, aligned: str | None) -> dict[str, Any]:
    try:
        found = templater.file(path, aligned)
    except RejectedImageError as error:
        return {"rejected": str(error)}
    return {
        "sha256": found.sha256.hex(),
        "width": found.width,
        "height": found.height,
        "template": base64.b64encode(found.face.template.tobytes()).decode("ascii"),
        "box": found.face.box,
        "quality": found.face.quality,
    }


if __name__ == "__main__":
    main()
