"""Decoded images of any mode -> upright RGB arrays, as a viewer shows them.

Large images are converted in bands of rows, so that what is needed meanwhile stays small beside the image itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from facesearch.photos.profiles import from_lab, to_srgb
from facesearch.photos.tiff_directory import values_fit

_Convert = Callable[[Image.Image], Image.Image]

_BAND = 4_000_000  # pixels
_ORIENTATION_TAG = 0x0112
# EXIF orientation -> what turns the stored pixels upright
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ROWS_BECOME_COLUMNS = {5, 6, 7, 8}
_FIRST_BECOMES_LAST = {3, 4, 6, 7}


def upright_rgb(image: Image.Image) -> npt.NDArray[np.uint8]:
    """A loaded image, turned upright by its EXIF orientation, as sRGB (h, w, 3) uint8 that the caller owns."""
    orientation = _orientation(image)
    convert = _conversion(image)
    width, height = image.size
    across = orientation in _ROWS_BECOME_COLUMNS
    upright = np.empty((width, height, 3) if across else (height, width, 3), np.uint8)
    for top, band in _bands(image):
        part = convert(band)
        if orientation in _UPRIGHT:
            part = part.transpose(_UPRIGHT[orientation])
        start = height - top - band.height if orientation in _FIRST_BECOMES_LAST else top
        rows = slice(start, start + band.height)
        upright[(slice(None), rows) if across else rows] = np.asarray(part)
    return upright


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The image in bands of rows, each with the number of its first row."""
    width, height = image.size
    rows = max(1, _BAND // width)
    if rows >= height:
        yield 0, image
        return
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(top + rows, height)))


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation 1 to 8; 1 where there is none or the EXIF block is damaged: the pixels are still good."""
    block = image.info.get("exif")
    if isinstance(block, bytes) and not values_fit(block.removeprefix(b"Exif\0\0")):
        return 1
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def _conversion(image: Image.Image) -> _Convert:
    """What turns bands of the image into mode RGB."""
    if image.mode.startswith(("I", "F")):
        return _shallow(image)
    if image.mode == "LAB":
        return from_lab
    if image.has_transparency_data:
        in_srgb = to_srgb(image.info, "RGBA")
        return lambda band: _on_white(in_srgb(band.convert("RGBA")))
    mode = image.mode if image.mode in ("L", "CMYK") else "RGB"
    in_srgb = to_srgb(image.info, mode)
    return lambda band: _as_rgb(in_srgb(band if band.mode == mode else band.convert(mode)))


def _as_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(layer: Image.Image) -> Image.Image:
    white = Image.new("RGB", layer.size, "white")
    white.paste(layer, mask=layer.getchannel("A"))
    return white


def _shallow(image: Image.Image) -> _Convert:
    """For grey of more than 8 bits: the highest bits that are in use, as a sensor of 12 bits may fill a file of 16.

    Floating-point grey is taken as 0..1, or in the same way where it is above.
    """
    top = max(float(np.nan_to_num(np.asarray(band), posinf=0.0).max()) for _, band in _bands(image))
    if image.mode.startswith("F") and top <= 1:
        return lambda band: _grey(np.nan_to_num(np.asarray(band)).clip(0, 1) * 255)
    bits = max(int(top).bit_length() - 8, 0)
    return lambda band: _grey(np.nan_to_num(np.asarray(band)).clip(0, top) // (1 << bits))


def _grey(values: npt.NDArray[np.generic]) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")
