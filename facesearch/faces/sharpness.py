"""How much detail a face shows, whatever its size, brightness and contrast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facesearch.faces.face import Face
from facesearch.faces.features import SIDE, features

Grey = npt.NDArray[np.float32]

_FINE = (6.0, 14.0)  # cycles across that square: what a blur takes away and noise hardly adds to
_COARSE = (1.0, 4.0)  # what no blur takes away
_FINEST = (20.0, 32.0)  # where blurred faces show nothing but noise
_NOISE = 2.0  # noise is stronger where it is less fine: cameras and codecs smooth it
_USUAL = 0.19  # what 19 of 20 photos of UTKFace exceed

_ROWS, _COLUMNS = np.meshgrid(np.fft.fftfreq(SIDE, 1 / SIDE), np.fft.rfftfreq(SIDE, 1 / SIDE), indexing="ij")
_RADIUS = np.hypot(_ROWS, _COLUMNS)
_BANDS = tuple((low <= _RADIUS) & (high >= _RADIUS) for low, high in (_FINE, _COARSE, _FINEST))
_WINDOW = np.outer(np.hanning(SIDE), np.hanning(SIDE))


def sharpness(image: npt.NDArray[np.uint8], face: Face) -> float:
    """Of a face in pixels (h, w, 3) uint8 RGB: 1 for a sharp one, less for a blurred or enlarged one, down to 0."""
    return sharpness_of(features(image, face))


def sharpness_of(grey: Grey) -> float:
    """The same of its `features` (64, 64) float32.

    The ratio of fine to coarse detail, in amplitudes and without noise, of the face between eyes and mouth, aligned to
    112×112. A median photo of UTKFace falls to 0.5 by a Gaussian blur with a standard deviation of a sixteenth of the
    distance between the eyes.
    """
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * _WINDOW)) ** 2
    fine, coarse, noise = (power[band] for band in _BANDS)
    detail = float(fine.sum()) - _NOISE * fine.size * float(noise.mean())
    whole = float(coarse.sum())
    return 0.0 if min(detail, whole) <= 0.0 else min(1.0, float(np.sqrt(detail / whole)) / _USUAL)
