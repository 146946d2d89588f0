"""One photo against another."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from facesearch.errors import RejectedImageError
from facesearch.gallery.answers import Verification
from facesearch.pipeline.pipeline import Image, Pipeline, templates_of

Penalties = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]  # of templates (m, d): (m,)


def verify(
    pipeline: Pipeline,
    a: Image,
    b: Image,
    threshold: float,
    *,
    aligned: str | None = None,
    penalties: Penalties,
) -> Verification:
    """Do two photos show the same person? The score is the similarity less the mean penalty of both.

    Raises `RejectedImageError` naming the photo that cannot be used.
    """
    templates = []
    for image in (a, b):
        try:
            templates.append(templates_of(pipeline, image, everyone=False, aligned=aligned)[0].template)
        except RejectedImageError as error:
            name = "image" if isinstance(image, np.ndarray) else os.fspath(image)
            raise type(error)(f"{name}: {error}") from error
    similarity = float(np.clip(np.dot(templates[0], templates[1]), -1.0, 1.0))
    return Verification(similarity, threshold, similarity - float(np.mean(penalties(np.stack(templates)))))
