"""Squares of a sheet, each with a photo or with one face of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw

from facesearch.drawing.marks import Colour, scaled, write
from facesearch.photos.geometry import Box

RGB = npt.NDArray[np.uint8]

TILE = 128  # px a side
GAP, LINE = 12, 20
BLACK: Colour = (24, 24, 27)
GREY: Colour = (113, 113, 122)
GROUND: Colour = (228, 228, 231)
PAPER: Colour = (255, 255, 255)

_AROUND = 0.4  # of its size, that is shown around a face


def paste(
    sheet: Pillow.Image, draw: ImageDraw.ImageDraw, picture: Pillow.Image | None, left: int, top: int, side: int
) -> None:
    """A picture in the middle of a square; without one, the square says so."""
    draw.rectangle([left, top, left + side - 1, top + side - 1], fill=GROUND)
    if picture is None:
        write(draw, (left + 8, top + side // 2 - 10), "no photo", GREY, side - 16)
        return
    fit = picture if max(picture.size) == side else scaled(picture, side / max(picture.size))
    sheet.paste(fit, (left + (side - fit.width) // 2, top + (side - fit.height) // 2))


def cut(pixels: RGB, box: Box | None) -> Pillow.Image:
    """A face with what is around it, as large as a tile; the whole photo where that is not the one that the box belongs
    to."""
    height, width = pixels.shape[:2]
    if box is not None:
        more = _AROUND * max(box[2], box[3])
        left, top = max(0, int(box[0] - more)), max(0, int(box[1] - more))
        right, bottom = min(width, int(box[0] + box[2] + more)), min(height, int(box[1] + box[3] + more))
        if right > left and bottom > top:
            pixels = pixels[top:bottom, left:right]
    return scaled(Pillow.fromarray(np.ascontiguousarray(pixels)), TILE / max(pixels.shape[:2]))
