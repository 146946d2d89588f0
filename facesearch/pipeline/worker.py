"""One process that looks at photos: `facesearch.pipeline.worker templates SPEC ALIGNED`, `everyone SPEC`, `faces SPEC`.

SPEC is a `PipelineSpec` as JSON. Reads a JSON line per photo, `{"path": …}`, from standard input, and answers each with
one on standard output: the fields of a `PhotoTemplate`, of a `PhotoFaces`, or of the most prominent `Face`, or
`{"rejected": reason, "kind": the class of the error}`. It ends when its input does: it never outlives who started it.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facesearch.encoders import load_encoder
from facesearch.errors import RejectedImageError
from facesearch.faces import Face, FaceDetector
from facesearch.photos.decoding import decode, read_bytes, sha256
from facesearch.pipeline.finding import prominent_face
from facesearch.pipeline.pipeline import FaceTemplate, PhotoTemplate, Pipeline
from facesearch.pipeline.pipeline_spec import PipelineSpec

Answer = Callable[[Path], dict[str, Any]]


def main() -> None:
    task, *arguments = sys.argv[1:]
    answer = _TASKS[task](*arguments)
    for line in sys.stdin:
        try:
            found = answer(Path(json.loads(line)["path"]))
        except RejectedImageError as error:
            found = {"rejected": str(error), "kind": type(error).__name__}
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


def _templates(text: str, aligned: str) -> Answer:
    spec = PipelineSpec.from_json(text)
    pipeline = Pipeline(load_encoder(spec.encoder, threads=1), spec, threads=1)
    return lambda path: _template_fields(pipeline.file(path, aligned or None))


def _everyone(text: str) -> Answer:
    spec = PipelineSpec.from_json(text)
    pipeline = Pipeline(load_encoder(spec.encoder, threads=1), spec, threads=1)

    def answer(path: Path) -> dict[str, Any]:
        data = read_bytes(path)
        found = pipeline.faces(decode(data, str(path)), sha256(data))
        return {
            "sha256": found.sha256.hex(),
            "width": found.width,
            "height": found.height,
            "faces": [_found_fields(face) for face in found.faces],
            "faceless": found.faceless,
        }

    return answer


def _faces(text: str) -> Answer:
    detector = FaceDetector(PipelineSpec.from_json(text).min_face, threads=1)
    return lambda path: _face_fields(*prominent_face(detector, path))


def _face_fields(face: Face, content: bytes) -> dict[str, Any]:
    return {
        "sha256": content.hex(),
        "box": face.box,
        "score": face.score,
        "landmarks": base64.b64encode(face.landmarks.tobytes()).decode("ascii"),
    }


def _template_fields(found: PhotoTemplate) -> dict[str, Any]:
    return {
        "sha256": found.sha256.hex(),
        "width": found.width,
        "height": found.height,
        "several": found.several,
        "doubt": found.doubt,
        **_found_fields(found.face),
    }


def _found_fields(face: FaceTemplate) -> dict[str, Any]:
    return {
        "template": base64.b64encode(face.template.tobytes()).decode("ascii"),
        "box": face.box,
        "quality": face.quality,
        "number": face.number,
        "found": face.found,
        "reasons": face.reasons,
        "poor": face.poor,
    }


_TASKS: dict[str, Callable[..., Answer]] = {"templates": _templates, "everyone": _everyone, "faces": _faces}


if __name__ == "__main__":
    main()
