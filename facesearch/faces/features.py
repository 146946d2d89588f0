"""The features of a face, eyes to mouth, at one size and upright: what is measured of its sharpness and light."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facesearch.faces.align import ARCFACE, similarity, warp
from facesearch.faces.face import Face

SIDE = 64
"""Pixels of the square that the features fill."""

_TOP, _LEFT = 36, 24  # of the aligned crop of 112 pixels: without hair and background


def features(image: npt.NDArray[np.uint8], face: Face) -> npt.NDArray[np.float32]:
    """Of a face in pixels (h, w, 3) uint8 RGB: grey (64, 64) float32, 0 to 255, as large as in a crop of 112×112."""
    transform = similarity(face.landmarks.astype(np.float64), ARCFACE - (_LEFT, _TOP))
    grey: npt.NDArray[np.float32] = warp(image, transform, SIDE).astype(np.float32).mean(axis=2)
    return grey
