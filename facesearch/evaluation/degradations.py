"""Photos made worse, as cameras, networks and hands make them: what a measure of quality has to notice.

image = Degradation("blur", 0.1)(image, eyes=60.0, generator=np.random.default_rng(0))

Strengths are relative to the face, so that photos of all sizes become equally bad.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Pixels = npt.NDArray[np.uint8]
Kind = Literal["blur", "small", "dark", "jpeg", "turned"]

_SENSOR_NOISE = 3.0  # of 255: what a camera adds whatever the light
_PHOTONS = 400.0  # that stand for white: the fewer there are, the more they vary

STRENGTHS: Mapping[Kind, tuple[float, float]] = {
    "blur": (0.03, 0.25),
    "small": (24.0, 5.0),
    "dark": (0.3, 0.02),
    "jpeg": (25.0, 2.0),
    "turned": (15.0, 120.0),
}
"""From hardly to beyond recognition. blur: standard deviation of the Gaussian, in distances between the eyes. small:
pixels between the eyes, enlarged again. dark: share of the light that is left. jpeg: quality. turned: degrees, either
way."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """One way of making a photo worse, with a strength; see `STRENGTHS`."""

    kind: Kind
    strength: float

    def __call__(self, image: Pixels, eyes: float, generator: np.random.Generator) -> Pixels:
        """The photo (h, w, 3) uint8 RGB made worse. eyes: how many pixels the eyes of its face are apart."""
        return _WAYS[self.kind](image, self.strength, eyes, generator)

    @classmethod
    def drawn(cls, generator: np.random.Generator) -> Degradation:
        """Any of them, with any strength; strengths are spread evenly on a scale of ratios."""
        kind = tuple(STRENGTHS)[int(generator.integers(len(STRENGTHS)))]
        return cls(kind, cls.between(kind, float(generator.random())))

    @staticmethod
    def between(kind: Kind, share: float) -> float:
        """The strength that lies a share of the way from the least to the most."""
        least, most = STRENGTHS[kind]
        return math.exp(math.log(least) + share * (math.log(most) - math.log(least)))


def _blur(image: Pixels, strength: float, eyes: float, generator: np.random.Generator) -> Pixels:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(strength * eyes)))


def _small(image: Pixels, strength: float, eyes: float, generator: np.random.Generator) -> Pixels:
    photo = Image.fromarray(image)
    share = min(1.0, strength / eyes)
    small = (max(1, round(photo.width * share)), max(1, round(photo.height * share)))
    return np.asarray(photo.resize(small, Image.Resampling.BOX).resize(photo.size, Image.Resampling.BICUBIC))


def _dark(image: Pixels, strength: float, eyes: float, generator: np.random.Generator) -> Pixels:
    light = image.astype(np.float32) * (strength / 255)
    seen = generator.poisson(light * _PHOTONS).astype(np.float32) * (255 / _PHOTONS)
    noise = generator.normal(0.0, _SENSOR_NOISE, image.shape).astype(np.float32)
    darker: Pixels = np.clip(seen + noise + 0.5, 0, 255).astype(np.uint8)
    return darker


def _jpeg(image: Pixels, strength: float, eyes: float, generator: np.random.Generator) -> Pixels:
    written = io.BytesIO()
    Image.fromarray(image).save(written, "JPEG", quality=max(1, round(strength)))
    return np.asarray(Image.open(written).convert("RGB"))


def _turned(image: Pixels, strength: float, eyes: float, generator: np.random.Generator) -> Pixels:
    angle = strength if generator.random() < 0.5 else -strength
    return np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BICUBIC, expand=True))


_WAYS: dict[Kind, Callable[[Pixels, float, float, np.random.Generator], Pixels]] = {
    "blur": _blur,
    "small": _small,
    "dark": _dark,
    "jpeg": _jpeg,
    "turned": _turned,
}
