"""Provision encoders: the model folder's commands, with a self-test on people who do not exist."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facesearch.errors import UsageError
from facesearch.faces import Face, FaceDetector, find_crop
from facesearch.workshop import model_import
from facesearch.workshop.model_import import Provisioned, Request, remove
from facesearch.workshop.onnx_options import OnnxOptions, parse_options
from facesearch.workshop.sample_people import draw_people, take_photo
from facesearch.workshop.selftest import LabelledCrops

__all__ = ["Provisioned", "Request", "import_model", "onnx_input", "pull", "remove", "sample_crops"]

_PEOPLE = 8
_PHOTOS = 3
_TRIED = 5  # photos taken of a person, should no face be found on some
_SIDE = 240  # pixels


def import_model(path: Path, request: Request) -> Provisioned:
    """Make a model from a file and test it; see `facesearch.workshop.model_import.import_model`."""
    return model_import.import_model(path, replace(request, sampler=sample_crops))


def pull(name: str, request: Request, *, source: str | None = None) -> Provisioned:
    """Fetch a model of the catalog and test it; see `facesearch.workshop.model_import.pull`."""
    return model_import.pull(name, replace(request, sampler=sample_crops), source=source)


def onnx_input(**given: str | int | None) -> OnnxOptions | None:
    """How an ONNX file takes its input, from words of a command; None where none is given.

    mean and scale are one number or three, divided by commas; a number may be a fraction, as 1/127.5. Raises
    `UsageError`.
    """
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        for name in ("mean", "scale"):
            if name in values:
                values[name] = _numbers(str(values[name]))
        return parse_options(values) if values else None
    except ValueError as error:
        raise UsageError(f"the option {error}") from error


def _numbers(text: str) -> float | list[float]:
    try:
        parts = [part.partition("/") for part in text.split(",")]
        found = [float(top) / float(bottom) if sign else float(top) for top, sign, bottom in parts]
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"'{text}' is not one number, or three divided by commas") from error
    return found[0] if len(found) == 1 else found


@lru_cache(maxsize=8)
def sample_crops(kind: str, size: int) -> LabelledCrops:
    """Crops of one kind, resized to `size` pixels, of synthetic people; always the same ones."""
    crop = find_crop(kind)
    crops, people = [], []
    for number, photo, face in _sample_faces():
        cut = Image.fromarray(crop.cut(photo, face))
        crops.append(np.asarray(cut.resize((size, size), Image.Resampling.BILINEAR)))
        people.append(number)
    return LabelledCrops(np.stack(crops), np.array(people))


@lru_cache(maxsize=1)
def _sample_faces() -> list[tuple[int, npt.NDArray[np.uint8], Face]]:
    """Number of a person, photo, face: a few photos of each of a few people."""
    detector = FaceDetector()
    found = []
    for number, person in enumerate(draw_people(_PEOPLE)):
        taken = 0
        for shot in range(_TRIED):
            photo = take_photo(person, shot, (_SIDE, _SIDE))
            faces = detector.detect(photo) if taken < _PHOTOS else []
            if faces:
                found.append((number, photo, max(faces, key=lambda face: face.score)))
                taken += 1
    return found
