"""One photo against another."""

from __future__ import annotations

import os

import numpy as np

from facesearch.errors import RejectedImageError
from facesearch.gallery.answers import Verification
from facesearch.pipeline.pipeline import Image, Pipeline, templates_of


def verify(pipeline: Pipeline, a: Image, b: Image, threshold: float, *, aligned: str | None = None) -> Verification:
    """Do two photos show the same person? Raises `RejectedImageError` naming the photo that cannot be used."""
    templates = []
    for image in (a, b):
        try:
            templates.append(templates_of(pipeline, image, everyone=False, aligned=aligned)[0].template)
        except RejectedImageError as error:
            name = "image" if isinstance(image, np.ndarray) else os.fspath(image)
            raise type(error)(f"{name}: {error}") from error
    similarity = float(np.clip(np.dot(templates[0], templates[1]), -1.0, 1.0))
    return Verification(similarity, threshold)
