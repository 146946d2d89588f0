"""Photos made worse, as cameras, networks and hands make them: what a measure of quality has to notice.

image = Degradation("blur", 0.1)(image, face, np.random.default_rng(0))

Strengths are relative to the face, so that photos of all sizes become equally bad: what happens to single pixels
happens to a photo on which the eyes are at most 40 pixels apart.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from facesearch.faces import Face

Pixels = npt.NDArray[np.uint8]
Way = Callable[[Pixels, float, Face, np.random.Generator], Pixels]
Kind = Literal["blur", "motion", "small", "pixelated", "dark", "noise", "jpeg", "covered", "turned"]

_EYES = 40.0  # pixels
_SENSOR_NOISE = 3.0  # of 255: what a camera adds whatever the light
_PHOTONS = 400.0  # that stand for white: the fewer there are, the more they vary

STRENGTHS: Mapping[Kind, tuple[float, float]] = {
    "blur": (0.03, 0.25),
    "motion": (0.1, 0.8),
    "small": (24.0, 5.0),
    "pixelated": (24.0, 5.0),
    "dark": (0.3, 0.02),
    "noise": (10.0, 120.0),
    "jpeg": (25.0, 1.0),
    "covered": (0.1, 0.6),
    "turned": (15.0, 120.0),
}
"""From hardly to beyond recognition.

blur: standard deviation of the Gaussian, in distances between the eyes. motion: how far the face moves meanwhile, in
any direction, in the same. small: pixels between the eyes, enlarged again smoothly; pixelated: as squares. dark: share
of the light that is left. noise: standard deviation, of 255. jpeg: quality. covered: share of the face behind a
rectangle of one colour. turned: degrees, either way.
"""


@dataclass(frozen=True, slots=True)
class Degradation:
    """One way of making a photo worse, with a strength; see `STRENGTHS`."""

    kind: Kind
    strength: float

    def __call__(self, image: Pixels, face: Face, generator: np.random.Generator) -> Pixels:
        """The photo (h, w, 3) uint8 RGB made worse, with `face` in it."""
        return _WAYS[self.kind](image, self.strength, face, generator)

    @classmethod
    def drawn(cls, generator: np.random.Generator, kinds: Sequence[Kind] = tuple(STRENGTHS)) -> Degradation:
        """Any of these, with any strength; strengths are spread evenly on a scale of ratios."""
        kind = kinds[int(generator.integers(len(kinds)))]
        return cls(kind, cls.between(kind, float(generator.random())))

    @staticmethod
    def between(kind: Kind, share: float) -> float:
        """The strength that lies a share of the way from the least to the most."""
        least, most = STRENGTHS[kind]
        return math.exp(math.log(least) + share * (math.log(most) - math.log(least)))


def _at_one_size(way: Way) -> Way:
    """The same, done where the eyes are at most 40 pixels apart; the result is as large as the photo."""

    def done(image: Pixels, strength: float, face: Face, generator: np.random.Generator) -> Pixels:
        if (share := _EYES / max(face.eyes, 1e-6)) >= 1.0:
            return way(image, strength, face, generator)
        return _resized(way(_scaled(image, share), strength, face.scaled(share), generator), image)

    return done


def _scaled(image: Pixels, share: float) -> Pixels:
    photo = Image.fromarray(image)
    size = (max(1, round(photo.width * share)), max(1, round(photo.height * share)))
    return np.asarray(photo.resize(size, Image.Resampling.BOX))


def _resized(image: Pixels, like: Pixels, way: Image.Resampling = Image.Resampling.BICUBIC) -> Pixels:
    return np.asarray(Image.fromarray(image).resize(like.shape[1::-1], way))


def _blur(image: Pixels, strength: float, face: Face, generator: np.random.Generator) -> Pixels:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(strength * face.eyes)))


@_at_one_size
def _motion(image: Pixels, strength: float, face: Face, generator: np.random.Generator) -> Pixels:
    angle, far = generator.random() * math.pi, strength * face.eyes
    steps = max(2, math.ceil(far) + 1)
    total = np.zeros(image.shape, np.float32)
    for step in np.linspace(-far / 2, far / 2, steps):
        total += _moved(image, round(step * math.sin(angle)), round(step * math.cos(angle)))
    moved: Pixels = (total / steps + 0.5).astype(np.uint8)
    return moved


def _moved(image: Pixels, down: int, right: int) -> Pixels:
    """What is moved out is lost; the border is repeated."""
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image[rows[:, None], columns]


def _small(image: Pixels, strength: float, face: Face, generator: np.random.Generator) -> Pixels:
    return _resized(_scaled(image, min(1.0, strength / face.eyes)), image)


def _pixelated(image: Pixels, strength: float, face: Face, generator: np.random.Generator) -> Pixels:
    return _resized(_scaled(image, min(1.0, strength / face.eyes)), image, Image.Resampling.NEAREST)


@_at_one_size
def _dark(image: Pixels, strength: float, face: Face, generator: np.random.Generator) -> Pixels:
    light = image.astype(np.float32) * (strength / 255)
    seen = generator.poisson(light * _PHOTONS).astype(np.float32) * (255 / _PHOTONS)
    return _noisy(seen, _SENSOR_NOISE, generator)


@_at_one_size
def _noise(image: Pixels, strength: float, face: Face, generator: np.random.Generator) -> Pixels:
    return _noisy(image.astype(np.float32), strength, generator)


def _noisy(image: npt.NDArray[np.float32], deviation: float, generator: np.random.Generator) -> Pixels:
    noise = generator.normal(0.0, deviation, image.shape).astype(np.float32)
    noisy: Pixels = np.clip(image + noise + 0.5, 0, 255).astype(np.uint8)
    return noisy


@_at_one_size
def _jpeg(image: Pixels, strength: float, face: Face, generator: np.random.Generator) -> Pixels:
    written = io.BytesIO()
    Image.fromarray(image).save(written, "JPEG", quality=max(1, round(strength)))
    return np.asarray(Image.open(written).convert("RGB"))


def _covered(image: Pixels, strength: float, face: Face, generator: np.random.Generator) -> Pixels:
    left, top, width, height = face.box
    wide = generator.uniform(strength, 1.0)
    high = strength / wide
    x = left + generator.random() * (1 - wide) * width
    y = top + generator.random() * (1 - high) * height
    covered = image.copy()
    rows, columns = _pixels(y, high * height), _pixels(x, wide * width)
    covered[rows, columns] = generator.integers(0, 256, 3)
    return covered


def _pixels(start: float, length: float) -> slice:
    return slice(max(0, round(start)), max(0, round(start + length)))


def _turned(image: Pixels, strength: float, face: Face, generator: np.random.Generator) -> Pixels:
    angle = strength if generator.random() < 0.5 else -strength
    return np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BICUBIC, expand=True))


_WAYS: Mapping[Kind, Way] = {
    "blur": _blur,
    "motion": _motion,
    "small": _small,
    "pixelated": _pixelated,
    "dark": _dark,
    "noise": _noise,
    "jpeg": _jpeg,
    "covered": _covered,
    "turned": _turned,
}
