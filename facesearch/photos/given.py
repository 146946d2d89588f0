"""Photos as programs have them in their hands: paths, bytes, open files, Pillow images, arrays of pixels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from facesearch.errors import UnreadableImageError, UsageError
from facesearch.photos.colours import upright_rgb
from facesearch.photos.decoding import MAX_BYTES, decode, load_image
from facesearch.photos.limits import check_size

RGB = npt.NDArray[np.uint8]
Given = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Pillow.Image | npt.NDArray[np.uint8]
"""A file by its path; the content of one, or an open one; an image of Pillow; pixels uint8 (h, w, 3), (h, w, 4) with
transparency, or grey (h, w)."""

COLOURS = ("rgb", "bgr")


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A photo as it was given, to be looked at again; what was an open file is its content."""

    image: Given
    colour: str = "rgb"

    @classmethod
    def of(cls, image: Given, colour: str) -> Probe:
        """Raises what `content_of` does."""
        return cls(content_of(image) if callable(getattr(image, "read", None)) else image, colour)

    def pixels(self) -> RGB:
        """See `pixels_of`."""
        return pixels_of(self.image, self.colour)


_BAND = 1 << 20  # pixels laid on white at once


def pixels_of(image: Given, colour: str = "rgb") -> RGB:
    """The photo as RGB (h, w, 3) uint8, upright where its file or image says how it was held.

    colour: the order of channels of an array, "rgb" or "bgr", as OpenCV has it. Raises `UnreadableImageError` for what
    cannot be read, `UsageError` for what is no photo.
    """
    if colour not in COLOURS:
        raise UsageError(f"colour is {' or '.join(COLOURS)}, not {str(colour)[:40]!r}")
    if isinstance(image, np.ndarray):
        return _of_array(image, colour)
    if isinstance(image, str | os.PathLike):
        return load_image(image)
    if isinstance(image, Pillow.Image):
        return _of_pillow(image)
    return decode(content_of(image))


def content_of(image: Given) -> bytes:
    """The bytes of a photo that was given so, or as an open file, which stays where it was; raises `UsageError`."""
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if not callable(getattr(image, "read", None)):
        raise UsageError(f"a photo is a path, bytes, an open file, a Pillow image or an array, not {_kind(image)}")
    stream: BinaryIO = image  # type: ignore[assignment]
    try:
        before = stream.tell() if stream.seekable() else None
        data = stream.read(MAX_BYTES + 1)
        if before is not None:
            stream.seek(before)
    except (OSError, ValueError, AttributeError) as error:
        raise UnreadableImageError(f"the file cannot be read ({type(error).__name__})") from error
    if not isinstance(data, bytes):
        raise UsageError("a photo is read from a file that is open for bytes (mode 'rb'), not for text")
    return data


def is_one(images: object) -> bool:
    """Whether this is a photo, not several of them."""
    one = (str, os.PathLike, bytes, bytearray, memoryview, Pillow.Image)
    return isinstance(images, one) or callable(getattr(images, "read", None)) or _is_pixels(images)


def named(image: Given, otherwise: str) -> str:
    """What a message calls it: its path, or else this; never its content."""
    return os.fspath(image) if isinstance(image, str | os.PathLike) else otherwise


def _is_pixels(images: object) -> bool:
    return isinstance(images, np.ndarray) and (images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (3, 4)))


def _of_array(image: npt.NDArray[np.uint8], colour: str) -> RGB:
    if not _is_pixels(image) or image.dtype != np.uint8:
        shapes = "pixels are (h, w), (h, w, 3) or (h, w, 4) uint8"
        raise UnreadableImageError(f"{shapes}, not {image.shape} {image.dtype}")
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    layers = image[:, :, 2::-1] if colour == "bgr" else image[:, :, :3]
    if image.shape[2] == 3:
        return image if colour == "rgb" else np.ascontiguousarray(layers)
    whole = np.empty(layers.shape, np.uint8)
    rows = max(1, _BAND // max(image.shape[1], 1))
    for top in range(0, len(image), rows):
        part = slice(top, top + rows)
        alpha = image[part, :, 3:].astype(np.float32) / 255
        whole[part] = np.rint(layers[part] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return whole


def _of_pillow(image: Pillow.Image) -> RGB:
    try:
        check_size(*image.size)
        image.load()
        return upright_rgb(image)
    except UnreadableImageError:
        raise
    except Exception as error:  # what is behind it may be a damaged file, not read yet
        raise UnreadableImageError(f"the image cannot be read ({type(error).__name__})") from error


def _kind(image: object) -> str:
    return f"a {type(image).__name__}"
