"""Faces drawn on their photo: a box, a name and a score each. Pillow alone; its own font, whatever a name holds."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from facesearch.photos.geometry import Box
from facesearch.text.characters import escaped
from facesearch.text.figures import ELLIPSIS

RGB = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
MATCH: Colour = (21, 128, 61)
UNKNOWN: Colour = (180, 83, 9)
WHITE: Colour = (255, 255, 255)

_LARGEST, _SMALLEST = 1024, 320  # px of the longer side of a picture
_FONT = 16  # px
_LONGEST = 200  # characters of a text that are looked at


@dataclass(frozen=True, slots=True)
class MarkedFace:
    """A face and what is written beside it. box: in pixels of the photo, None stands for all of it."""

    box: Box | None
    text: str
    is_match: bool


def with_faces(pixels: RGB, faces: Sequence[MarkedFace], side: int | None = None) -> Pillow.Image:
    """A photo (h, w, 3) with boxes around faces and what is written of them; scaled, so that its longer side is `side`
    px, by default that of the photo within 320 to 1024."""
    longer = max(pixels.shape[:2])
    scale = (min(max(longer, _SMALLEST), _LARGEST) if side is None else side) / longer
    picture = scaled(Pillow.fromarray(pixels), scale)
    draw, line = ImageDraw.Draw(picture), max(2, max(picture.size) // 300)
    for face in faces:
        left, top, width, height = face.box or (0.0, 0.0, pixels.shape[1], pixels.shape[0])
        outline = [
            *(min(max(left * scale, 0), picture.width - 1), min(max(top * scale, 0), picture.height - 1)),
            *(min((left + width) * scale, picture.width - 1), min((top + height) * scale, picture.height - 1)),
        ]
        if outline[2] < outline[0] or outline[3] < outline[1]:
            continue
        colour = MATCH if face.is_match else UNKNOWN
        draw.rectangle(outline, outline=colour, width=line)
        if face.text:
            _label(draw, picture, face.text, (outline[0], outline[1]), colour)
    return picture


def scaled(picture: Pillow.Image, scale: float) -> Pillow.Image:
    """A picture of another size, at least one pixel each way."""
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Pillow.Resampling.LANCZOS, reducing_gap=3.0)


def write(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, colour: Colour, width: float) -> None:
    """Text from outside in one line, cut to fit a width in px; characters that the font lacks are boxes."""
    draw.text(at, fitted(text, width), fill=colour, font=_font())


def fitted(text: str, width: float) -> str:
    """The beginning of a text, with an ellipsis where it would be wider than so many px."""
    shown = _drawable(escaped(text[:_LONGEST]))
    if _width(shown) <= width and len(text) <= _LONGEST:
        return shown
    low, high = 0, len(shown)
    while low < high:  # the longest beginning that fits
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _width(shown[:middle] + _drawable(ELLIPSIS)) <= width else (low, middle - 1)
    return shown[:low] + _drawable(ELLIPSIS) if low else ""


def _label(
    draw: ImageDraw.ImageDraw, picture: Pillow.Image, text: str, corner: tuple[float, float], colour: Colour
) -> None:
    """A text on a ground of a colour, above a corner where there is room, else below it; inside the picture."""
    shown = fitted(text, picture.width - 6)
    width, height = _width(shown) + 6, _FONT + 6
    left = max(0.0, min(corner[0], picture.width - width))
    top = corner[1] - height if corner[1] >= height else corner[1]
    draw.rectangle([left, top, left + width, top + height], fill=colour)
    draw.text((left + 3, top + 2), shown, fill=WHITE, font=_font())


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.load_default(_FONT)
    except (ImportError, OSError):  # a Pillow without FreeType has one for Latin letters
        return ImageFont.load_default()


def _drawable(text: str) -> str:
    """Text that the font can be asked for."""
    return text if isinstance(_font(), ImageFont.FreeTypeFont) else text.encode("latin-1", "replace").decode("latin-1")


def _width(text: str) -> float:
    return _font().getlength(text)
