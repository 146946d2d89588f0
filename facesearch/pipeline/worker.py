"""One process that looks at photos: `facesearch.pipeline.worker TASK SPEC [ALIGNED]`.

TASK is subject, everyone or detected, SPEC is a `PipelineSpec` as JSON. Reads a JSON line per photo from standard
input: `{"path": …}`, and with `content` (base64) what is in the file. Answers each with one on standard output: what
`facesearch.pipeline.tasks` reads, or `{"rejected": reason, "kind": the class of the error}`; `refused` instead of
`rejected` where it can look at none. It ends when its input does: it never outlives who started it.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

from facesearch.encoders import load_encoder
from facesearch.errors import EncoderMismatchError, FacesearchError, RejectedImageError
from facesearch.faces import Face, FaceDetector, most_prominent
from facesearch.photos.decoding import decode, read_bytes, sha256
from facesearch.pipeline.finding import find_faces
from facesearch.pipeline.pipeline import FaceTemplate, Pipeline
from facesearch.pipeline.pipeline_spec import PipelineSpec

Fields = dict[str, Any]
Look = Callable[[str, bytes], Fields]  # the path and the content of a photo -> what the answer says


def main() -> None:
    task, *arguments = sys.argv[1:]
    refusal = None
    try:
        look = _TASKS[task](*arguments)
    except FacesearchError as error:
        refusal = {"refused": str(error), "kind": type(error).__name__}
    for line in sys.stdin:
        sys.stdout.write(json.dumps(refusal or _answer(look, json.loads(line))) + "\n")
        sys.stdout.flush()


def _answer(look: Look, asked: Fields) -> Fields:
    try:
        path, content = asked["path"], asked.get("content")
        return look(path, read_bytes(path) if content is None else base64.b64decode(content))
    except RejectedImageError as error:
        return {"rejected": str(error), "kind": type(error).__name__}


def _subject(text: str, aligned: str) -> Look:
    pipeline = _pipeline(text)

    def look(path: str, data: bytes) -> Fields:
        found = pipeline.photo(decode(data, path), sha256(data), aligned or None)
        several = {"several": found.several, "doubt": found.doubt}
        return {**_size(data, found.width, found.height), **several, **_found_fields(found.face)}

    return look


def _everyone(text: str) -> Look:
    pipeline = _pipeline(text)

    def look(path: str, data: bytes) -> Fields:
        found = pipeline.faces(decode(data, path), sha256(data))
        faces = {"faces": [_found_fields(face) for face in found.faces], "faceless": found.faceless}
        return {**_size(data, found.width, found.height), **faces}

    return look


def _detected(text: str) -> Look:
    detector = FaceDetector(PipelineSpec.from_json(text).min_face, threads=1)

    def look(path: str, data: bytes) -> Fields:
        image = decode(data, path)
        return _face_fields(most_prominent(find_faces(detector, image), *image.shape[:2]), sha256(data))

    return look


def _pipeline(text: str) -> Pipeline:
    """The pipeline of a spec, with the very weights that it names."""
    spec = PipelineSpec.from_json(text)
    pipeline = Pipeline(load_encoder(spec.encoder, threads=1), spec, threads=1)
    if spec.fingerprint and pipeline.spec != spec:
        mine, asked = pipeline.encoder.fingerprint[:12], spec.fingerprint[:12]
        raise EncoderMismatchError(f"the {spec.encoder} here is another one ({mine}…, not {asked}…)")
    return pipeline


def _size(data: bytes, width: int, height: int) -> Fields:
    return {"sha256": sha256(data).hex(), "width": width, "height": height}


def _face_fields(face: Face, content: bytes) -> Fields:
    return {
        "sha256": content.hex(),
        "box": face.box,
        "score": face.score,
        "landmarks": base64.b64encode(face.landmarks.tobytes()).decode("ascii"),
    }


def _found_fields(face: FaceTemplate) -> Fields:
    return {
        "template": base64.b64encode(face.template.tobytes()).decode("ascii"),
        "box": face.box,
        "quality": face.quality,
        "number": face.number,
        "found": face.found,
        "reasons": face.reasons,
        "poor": face.poor,
    }


_TASKS: dict[str, Callable[..., Look]] = {"subject": _subject, "everyone": _everyone, "detected": _detected}


if __name__ == "__main__":
    main()
