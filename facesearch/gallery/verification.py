"""One photo against another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from facesearch.errors import RejectedImageError
from facesearch.faces import FaceChoice
from facesearch.gallery.answers import Verification, VerifiedFace
from facesearch.photos.given import named
from facesearch.pipeline.pipeline import Image, Pipeline, templates_of
from facesearch.pipeline.quality import GOOD

Decide = Callable[[npt.NDArray[np.float32]], tuple[float, npt.NDArray[np.float64]]]
"""Of templates (m, d): the threshold, and what is taken off the similarities of each (m,)."""


def verify(
    pipeline: Pipeline,
    a: Image,
    b: Image,
    decide: Decide,
    *,
    aligned: str | None = None,
    face_a: FaceChoice | None = None,
    face_b: FaceChoice | None = None,
    colour: str = "rgb",
) -> Verification:
    """Do two photos show the same person? The score is the similarity less the mean penalty of both.

    Of photos with several faces, the two that are most alike are compared. face_a, face_b: which ones instead.
    Raises `RejectedImageError` naming the photo that cannot be used.
    """
    faces = []
    for image, chosen, which in ((a, face_a, "the first photo"), (b, face_b, "the second photo")):
        try:
            faces.append(templates_of(pipeline, image, everyone=True, face=chosen, aligned=aligned, colour=colour))
        except RejectedImageError as error:
            raise type(error)(f"{named(image, which)}: {error}") from error
    first, second = (np.stack([face.template for face in each]) for each in faces)  # (m, d), (n, d)
    similarity = np.clip(first @ second.T, -1.0, 1.0)  # (m, n)
    threshold, taken = decide(np.concatenate([first, second]))
    score = similarity - (taken[: len(first), None] + taken[len(first) :]) / 2
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    compared = (faces[0][row], faces[1][column])
    both = pipeline.spec.quality != "off" and all(face.quality < GOOD for face in compared)
    told = tuple(
        VerifiedFace(face.box, face.number, face.found, face.quality, face.reasons, face.poor or both)
        for face in compared
    )
    return Verification(float(similarity[row, column]), threshold, float(score[row, column]), (told[0], told[1]))
