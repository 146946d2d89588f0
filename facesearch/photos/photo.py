"""A photo of somebody: where it is, whose it is, and why it could not be used."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.errors import UsageError
from facesearch.photos.decoding import photo_path, read_bytes, sha256

RGB = npt.NDArray[np.uint8]


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC): the same person has the same name on every system.

    Raises `UsageError` for what is no text.
    """
    if not isinstance(name, str):
        raise UsageError(f"a name is text, not {type(name).__name__}")
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True, slots=True)
class Photo:
    """A file, or pixels (h, w, 3) uint8 RGB under the name `path`, and whose photo it is.

    face: which of its faces is meant (`facesearch.faces.FaceChoice.of`), a number or a point; None: it is to be seen.
    """

    identity: str
    path: Path
    pixels: RGB | None = field(default=None, compare=False)
    face: int | tuple[float, float] | None = None

    @classmethod
    def of(cls, identity: str, image: str | os.PathLike[str] | RGB, number: int) -> Photo:
        """A file, or pixels, which are known by their number among the photos given."""
        if isinstance(image, np.ndarray):
            return cls(composed(identity), Path(f"pixels {number}"), image)
        return cls(composed(identity), photo_path(image))

    def hash(self) -> bytes:
        """SHA-256 of the file, or of shape and pixels; raises `UnreadableImageError`."""
        if self.pixels is None:
            return sha256(read_bytes(self.path))
        content = hashlib.sha256(repr(self.pixels.shape).encode())
        is_plain = self.pixels.dtype == np.uint8 and self.pixels.flags.c_contiguous
        content.update(self.pixels.data if is_plain else self.pixels.tobytes())
        return content.digest()


@dataclass(frozen=True, slots=True)
class Rejection:
    """A photo that could not be enrolled, and why."""

    path: str
    reason: str
