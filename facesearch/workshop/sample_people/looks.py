"""What the eigenface model has not learnt, drawn by rule: the colour of skin, and the face of a child.

The model's faces are those of light-skinned adults. Darker skin reflects less light, of blue less than of red. A face
of a child has large eyes, a small nose and mouth, smooth skin and faint brows (Lorenz, 1943, "Kindchenschema").
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from facesearch.workshop.sample_people.people import TEMPLATE, TEXTURE_SIZE

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_DARKEST = np.array([0.48, 0.38, 0.32], np.float32)  # of the light that the lightest skin reflects: red, green, blue
_EYES_KEPT = 0.7  # of their brightness, which does not go with the skin
_SMOOTHING = 2.0  # pixels
_EYE_GROWTH, _NOSE_GROWTH, _MOUTH_GROWTH = 0.22, -0.12, -0.15  # shares of their size


def looking(face: Pixels, skin: float, youth: float) -> Pixels:
    """A face (128, 112, 3) of light skin as one of skin 0 to 1, light to dark, and youth 0 to 1, adult to child."""
    values = _young(face, youth) if youth else face.astype(np.float32)
    eyes = _EYES_KEPT * np.clip(_spot(0, 7) + _spot(1, 7), 0, 1)[..., None]
    shade = _DARKEST ** np.float32(skin)
    shown: Pixels = np.clip(values * (shade * (1 - eyes) + eyes * np.sqrt(shade)), 0, 255).astype(np.uint8)
    return shown


def _young(face: Pixels, youth: float) -> Floats:
    height, width = TEXTURE_SIZE
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    moved = np.zeros((2, height, width), np.float32)
    for landmark, reach, growth in ((0, 11, _EYE_GROWTH), (1, 11, _EYE_GROWTH), (2, 10, _NOSE_GROWTH)):
        x, y = TEMPLATE[landmark]
        moved -= youth * growth * _spot(landmark, reach) * np.stack([columns - x, rows - y])
    x, y = TEMPLATE[3:].mean(axis=0)
    mouth = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 15.0**2))
    moved[0] -= youth * _MOUTH_GROWTH * mouth * (columns - x)
    image = Image.fromarray(displaced(face, moved))
    smooth = np.asarray(image.filter(ImageFilter.GaussianBlur(_SMOOTHING)), np.float32)
    kept = np.clip(_spot(0, 9) + _spot(1, 9) + 0.9 * mouth + 0.6 * _spot(2, 5), 0, 1)[..., None]
    sharp = np.asarray(image, np.float32)
    values = sharp + youth * (1 - kept) * (smooth - sharp)
    brows = np.clip(_spot(0, 8, above=12) + _spot(1, 8, above=12), 0, 1)[..., None] * np.float32(0.6 * youth)
    skin = smooth[60:72, 24:34].mean(axis=(0, 1))
    return np.asarray(values * (1 - brows) + skin * brows, np.float32)


@functools.cache
def _spot(landmark: int, reach: float, above: float = 0) -> Floats:
    """1 at a landmark (or so many pixels above it), falling off with the distance: (h, w)."""
    rows, columns = np.mgrid[: TEXTURE_SIZE[0], : TEXTURE_SIZE[1]].astype(np.float32)
    x, y = TEMPLATE[landmark]
    spot: Floats = np.exp(-((columns - x) ** 2 + (rows - y + above) ** 2) / (2 * reach**2))
    return spot


def displaced(image: Pixels, displacement: Floats) -> Pixels:
    """The image (h, w, 3) read at each pixel plus its displacement (2, h, w) as x, y, bilinearly."""
    height, width, _ = image.shape
    x = np.clip(np.arange(width, dtype=np.float32) + displacement[0], 0, width - 1.001)
    y = np.clip(np.arange(height, dtype=np.float32)[:, None] + displacement[1], 0, height - 1.001)
    left, top = x.astype(np.intp), y.astype(np.intp)
    u, v = (x - left)[..., None], (y - top)[..., None]
    flat = image.reshape(-1, 3).astype(np.float32)
    corner = top * width + left
    upper = flat[corner] * (1 - u) + flat[corner + 1] * u
    lower = flat[corner + width] * (1 - u) + flat[corner + width + 1] * u
    rounded: Pixels = (upper * (1 - v) + lower * v + 0.5).astype(np.uint8)
    return rounded
