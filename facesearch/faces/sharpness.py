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

_MEDIANS = np.array([0.226, 0.116, 0.110, 0.125, 0.111, 0.120])
"""What half of the photos of UTKFace exceed, by direction: from the one in which detail changes downwards, a sixth of
a half turn on each time. Eyes and mouth lie across the face."""
_LEAST = 2  # directions: in how many at least a movement shows
_USUAL = 0.44  # what 19 of 20 photos of UTKFace exceed

_ROWS, _COLUMNS = np.meshgrid(np.fft.fftfreq(SIDE, 1 / SIDE), np.fft.rfftfreq(SIDE, 1 / SIDE), indexing="ij")
_RADIUS = np.hypot(_ROWS, _COLUMNS)
_DIRECTION = np.rint(np.arctan2(_ROWS, _COLUMNS) / np.pi * len(_MEDIANS) + len(_MEDIANS) / 2) % len(_MEDIANS)


def _band(low: float, high: float) -> npt.NDArray[np.bool_]:
    band: npt.NDArray[np.bool_] = (low <= _RADIUS) & (high >= _RADIUS)
    return band


_WHOLE = _band(*_COARSE)
_BANDS = [
    (_band(*_FINE) & along, _band(*_FINEST) & along)
    for along in (direction == _DIRECTION for direction in range(len(_MEDIANS)))
]
_WINDOW = np.outer(np.hanning(SIDE), np.hanning(SIDE))


def sharpness(image: npt.NDArray[np.uint8], face: Face) -> float:
    """Of a face in pixels (h, w, 3) uint8 RGB: 1 for a sharp one, less for a blurred or enlarged one, down to 0."""
    return sharpness_of(features(image, face))


def sharpness_of(grey: Grey) -> float:
    """The same of its `features` (64, 64) float32.

    The ratio of fine to coarse detail, in amplitudes and without noise, of the face between eyes and mouth, aligned to
    112×112; in the two directions in which it is least against what is usual there, as a face or camera that moves
    blurs along one line alone. A median photo of UTKFace falls to 0.46 by a Gaussian blur with a standard deviation of
    a sixteenth of the distance between the eyes.
    """
    return min(1.0, float(np.sort(_by_direction(grey) / _MEDIANS)[:_LEAST].mean()) / _USUAL)


def _by_direction(grey: Grey) -> npt.NDArray[np.float64]:
    """(6,): the ratio in each direction."""
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * _WINDOW)) ** 2
    if (whole := float(power[_WHOLE].sum())) <= 0.0:
        return np.zeros(len(_BANDS))
    detail = [float(power[fine].sum()) - _NOISE * fine.sum() * float(power[finest].mean()) for fine, finest in _BANDS]
    return np.sqrt(np.maximum(detail, 0.0) / whole)
