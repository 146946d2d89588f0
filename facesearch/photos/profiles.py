"""Colour profiles (ICC) -> sRGB, so that a photo in a wide gamut looks as in a viewer."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageCms

Convert = Callable[[Image.Image], Image.Image]

_MOST_BYTES = 4 << 20
_SPACES = {"RGB": b"RGB ", "RGBA": b"RGB ", "L": b"GRAY", "CMYK": b"CMYK"}
_SEEN = 3  # of 255: what a profile has to change for it to matter


def to_srgb(info: Mapping[str | tuple[int, int], object], mode: str) -> Convert:
    """What converts images of this mode (RGB, RGBA, L, CMYK) to sRGB by the profile in a file's `info`.

    Returns them as they are where there is no profile, or one that is damaged, of another colour space, or sRGB.
    """
    data = info.get("icc_profile")
    if not isinstance(data, bytes) or len(data) > _MOST_BYTES or data[16:20] != _SPACES[mode]:
        return _as_it_is
    try:
        convert = _conversion(ImageCms.ImageCmsProfile(io.BytesIO(data)), mode, "RGBA" if mode == "RGBA" else "RGB")
        return _as_it_is if mode != "CMYK" and _changes_nothing(convert, mode) else convert
    except (OSError, ValueError, ImageCms.PyCMSError):
        return _as_it_is


def from_lab(image: Image.Image) -> Image.Image:
    """An image of mode LAB in sRGB."""
    return _conversion(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB", "RGB")(image)


def _conversion(profile: ImageCms.ImageCmsProfile, mode: str, to: str) -> Convert:
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, to)

    def convert(image: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None  # noqa: S101 - it is where nothing is converted in place
        return converted

    return convert


def _as_it_is(image: Image.Image) -> Image.Image:
    return image


def _changes_nothing(convert: Convert, mode: str) -> bool:
    """Whether the profile is sRGB, by whatever name, or close to it."""
    levels = np.arange(0, 256, 51)
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(6, 36, 3)
    sample = Image.fromarray(colours.astype(np.uint8)).convert(mode)
    before, after = (np.asarray(image.convert("RGB")).astype(int) for image in (sample, convert(sample)))
    return int(np.abs(after - before).max()) <= _SEEN
