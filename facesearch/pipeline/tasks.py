"""What worker processes are asked for, and what their answers say (`facesearch.pipeline.worker` gives them)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from facesearch.errors import (
    EncoderMismatchError,
    FacesearchError,
    NoFaceError,
    PoorFaceError,
    RejectedImageError,
    SeveralFacesError,
    TinyFaceError,
    UnreadableImageError,
    WeightsError,
)
from facesearch.faces import Face
from facesearch.pipeline.pipeline import FaceTemplate, PhotoFaces, PhotoTemplate
from facesearch.pipeline.pipeline_spec import PipelineSpec

T_co = TypeVar("T_co", covariant=True)
Answer = Mapping[str, Any]

_REJECTIONS: dict[str, type[RejectedImageError]] = {
    kind.__name__: kind for kind in (NoFaceError, PoorFaceError, SeveralFacesError, TinyFaceError, UnreadableImageError)
}
_REFUSALS: dict[str, type[FacesearchError]] = {kind.__name__: kind for kind in (EncoderMismatchError, WeightsError)}


@dataclass(frozen=True, slots=True)
class Task(Generic[T_co]):
    """What is to be made of photos. words: the name of the task and its arguments."""

    words: tuple[str, ...]
    _read: Callable[[Answer], T_co]

    def read(self, answer: Answer) -> T_co:
        """What an answer says of a photo.

        Raises `RejectedImageError` for a photo that cannot be used, another `FacesearchError` where the worker can do
        nothing at all.
        """
        if "rejected" in answer:
            raise _REJECTIONS.get(answer["kind"], RejectedImageError)(answer["rejected"])
        if "refused" in answer:
            raise _REFUSALS.get(answer["kind"], FacesearchError)(answer["refused"])
        return self._read(answer)


def subject(spec: PipelineSpec, aligned: str | None = None) -> Task[PhotoTemplate]:
    """The template of a photo's subject; aligned: the photos are crops of this kind."""
    return Task(("subject", spec.to_json(), aligned or ""), _photo_template)


def everyone(spec: PipelineSpec) -> Task[PhotoFaces]:
    """All faces of a photo."""
    return Task(("everyone", spec.to_json()), _photo_faces)


def detected(spec: PipelineSpec) -> Task[tuple[Face, bytes]]:
    """The most prominent face of a photo and the SHA-256 of its content."""
    return Task(("detected", spec.to_json()), _face)


def _photo_template(answer: Answer) -> PhotoTemplate:
    size = answer["width"], answer["height"]
    return PhotoTemplate(_found(answer), _content(answer), *size, answer["several"], answer["doubt"])


def _photo_faces(answer: Answer) -> PhotoFaces:
    faces = [_found(fields) for fields in answer["faces"]]
    return PhotoFaces(faces, _content(answer), answer["width"], answer["height"], answer["faceless"])


def _face(answer: Answer) -> tuple[Face, bytes]:
    landmarks = np.frombuffer(base64.b64decode(answer["landmarks"]), dtype=np.float32).reshape(5, 2)
    left, top, width, height = answer["box"]
    return Face((left, top, width, height), answer["score"], landmarks), _content(answer)


def _found(fields: Answer) -> FaceTemplate:
    template = np.frombuffer(base64.b64decode(fields["template"]), dtype=np.float32)  # (dimension,)
    box = None if fields["box"] is None else tuple(fields["box"])
    place = fields["number"], fields["found"]
    return FaceTemplate(template, box, fields["quality"], *place, tuple(fields["reasons"]), fields["poor"])


def _content(answer: Answer) -> bytes:
    return bytes.fromhex(answer["sha256"])
