"""Faces that encoders take for those of small children, made of portraits of adults.

The mean of a few portraits is nobody's face. It is warped: eyes further apart and lower, nose and mouth small, cheeks
round, little chin; brows and texture of the skin are smoothed away, irises darkened. Fourteen numbers say how much of
each. They were fitted so that encoders find the faces like those of half of UTKFace's children below five, for one
encoder and for three together; no pixel and no template of UTKFace enters.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from facesearch.faces.align import ARCFACE, similarity, warp
from facesearch.faces.face import Face

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

SIDE, BORDER = 176, 32  # pixels of a canvas: the ArcFace crop with a border around it
FOR_ONE = {
    "eye_size": -0.703,
    "eye_apart": -0.272,
    "eye_down": -0.076,
    "brow_down": 0.883,
    "nose_width": 0.399,
    "nose_down": 1.008,
    "mouth_width": 0.997,
    "mouth_down": -0.09,
    "jaw_width": -0.226,
    "chin_down": 1.295,
    "cheek_width": 0.366,
    "browless": 0.673,
    "smooth": 0.851,
    "dark_eyes": 1.0,
}
"""Fitted for MobileFaceNet."""
FOR_SEVERAL = {
    "eye_size": -0.227,
    "eye_apart": -0.846,
    "eye_down": -0.159,
    "brow_down": 0.887,
    "nose_width": 0.453,
    "nose_down": 0.851,
    "mouth_width": 0.97,
    "mouth_down": -0.006,
    "jaw_width": 0.144,
    "chin_down": 1.608,
    "cheek_width": 0.282,
    "browless": 0.333,
    "smooth": 1.0,
    "dark_eyes": 1.0,
}
"""Fitted for MobileFaceNet, dlib's ResNet and EdgeFace-XS together."""

_LEFT, _RIGHT, _MIDDLE = 38.3, 73.5, 56.0  # pixels of the ArcFace crop
_BLUR = 3.0  # pixels
_IRIS = 25.0  # grey level


def canvas(photo: Pixels, face: Face) -> Pixels:
    """A face of a photo (h, w, 3), turned and scaled as for an ArcFace crop, with a border: (SIDE, SIDE, 3)."""
    return warp(photo, similarity(face.landmarks.astype(np.float64), ARCFACE + BORDER), SIDE)


def childlike(canvases: Floats, numbers: Mapping[str, float]) -> tuple[Pixels, Face]:
    """Canvases (n, SIDE, SIDE, 3) made childlike, and where in all of them the face is."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64) - BORDER
    moved_x, moved_y = _displacement(numbers, x, y)
    places = [y + moved_y + BORDER, x + moved_x + BORDER]
    shaped = np.stack(
        [
            np.stack([ndimage.map_coordinates(face[..., c], places, order=1, mode="nearest") for c in range(3)], -1)
            for face in canvases
        ]
    )
    smooth = ndimage.gaussian_filter(shaped, (0, _BLUR, _BLUR, 0), mode="nearest", truncate=3.0)
    kept = _spot(x, y, _LEFT, 52, 8, 5) + _spot(x, y, _RIGHT, 52, 8, 5)
    kept += 0.9 * _spot(x, y, _MIDDLE, 91, 12, 5) + 0.7 * _spot(x, y, _MIDDLE, 75, 7, 4)
    shaped = _mixed(shaped, smooth, numbers["smooth"] * (1 - np.clip(kept, 0, 1)))
    rows = slice(BORDER + 62, BORDER + 72)
    cheeks = [shaped[:, rows, BORDER + at : BORDER + at + 14].mean((1, 2), keepdims=True) for at in (26, 72)]
    brows = np.clip(_spot(x, y, _LEFT - 1, 39, 11, 4.5) + _spot(x, y, _RIGHT + 1, 39, 11, 4.5), 0, 1)
    shaped = _mixed(shaped, (cheeks[0] + cheeks[1]) / 2, numbers["browless"] * brows)
    irises = _spot(x, y, _LEFT, 53, 3.2) + _spot(x, y, _RIGHT, 53, 3.2)
    shaped = _mixed(shaped, np.full(3, _IRIS), numbers["dark_eyes"] * irises)
    landmarks = (_landmarks(numbers) + BORDER).astype(np.float32)
    box = (float(BORDER), float(BORDER), float(SIDE - 2 * BORDER), float(SIDE - 2 * BORDER))
    return shaped.round().clip(0, 255).astype(np.uint8), Face(box, 1.0, landmarks)


def _mixed(faces: Floats, other: Floats, share: Floats) -> Floats:
    return faces * (1 - share[..., None]) + other * share[..., None]


def _spot(x: Floats, y: Floats, at_x: float, at_y: float, wide: float, high: float | None = None) -> Floats:
    """A round or oval spot that fades out: 1 in its middle, wide and high are standard deviations in pixels."""
    high = wide if high is None else high
    spot: Floats = np.exp(-((x - at_x) ** 2) / (2 * wide**2) - (y - at_y) ** 2 / (2 * high**2))
    return spot


def _displacement(numbers: Mapping[str, float], x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Where in the portrait a pixel of the child's face comes from, relative to its own place."""
    across, down = np.zeros_like(x), np.zeros_like(y)
    for side, eye in ((-1, _LEFT), (1, _RIGHT)):
        spot = _spot(x, y, eye, 53, 9)
        across -= numbers["eye_size"] * spot * (x - eye)
        down -= numbers["eye_size"] * spot * (y - 53)
        spot = _spot(x, y, eye, 50, 13)
        across += side * 10 * numbers["eye_apart"] * spot
        down += 10 * numbers["eye_down"] * spot + 10 * numbers["brow_down"] * _spot(x, y, eye, 37, 14, 7)
        across -= side * 10 * numbers["cheek_width"] * _spot(x, y, _MIDDLE + side * 32, 74, 14)
        across -= side * 10 * numbers["jaw_width"] * _spot(x, y, _MIDDLE + side * 28, 98, 14)
    across += numbers["nose_width"] * _spot(x, y, _MIDDLE, 74, 9) * (x - _MIDDLE)
    down += 10 * numbers["nose_down"] * _spot(x, y, _MIDDLE, 74, 10)
    across += numbers["mouth_width"] * _spot(x, y, _MIDDLE, 92, 14, 10) * (x - _MIDDLE)
    down += 10 * numbers["mouth_down"] * _spot(x, y, _MIDDLE, 92, 16, 10)
    down += 10 * numbers["chin_down"] * _spot(x, y, _MIDDLE, 110, 25, 12)
    return across, down


def _landmarks(numbers: Mapping[str, float]) -> Floats:
    """Where ArcFace's five points come to lie: the displacement inverted by iteration."""
    found: Floats = ARCFACE.copy()
    for _ in range(25):
        across, down = _displacement(numbers, found[:, 0], found[:, 1])
        found = (found + ARCFACE - np.stack([across, down], axis=1)) / 2
    return found
