"""A photo of somebody: where it is, whose it is, and why it could not be used."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from facesearch.errors import UsageError
from facesearch.photos.decoding import decode, load_image, photo_path, read_bytes, sha256
from facesearch.photos.given import Given, content_of, pixels_of

RGB = npt.NDArray[np.uint8]

_FIXED_WORDS = re.compile(r"\(([A-Z_]+(?:, [A-Z_]+)*)\)$")  # at the end of a sentence for people


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC): the same person has the same name on every system.

    Raises `UsageError` for what is no text.
    """
    if not isinstance(name, str):
        raise UsageError(f"a name is text, not {type(name).__name__}")
    return unicodedata.normalize("NFC", str(name))  # NumPy's strings are written differently in checksums


@dataclass(frozen=True, slots=True)
class Photo:
    """A file, or under the name `path` pixels (h, w, 3) uint8 RGB or the content of a file, and whose photo it is.

    face: which of its faces is meant (`facesearch.faces.FaceChoice.of`), a number or a point; None: it is to be seen.
    sha256: what it is known by, where that is not its own content, as of a frame of a clip.
    """

    identity: str
    path: Path
    pixels: RGB | None = field(default=None, compare=False)
    content: bytes | None = field(default=None, compare=False, repr=False)
    face: int | tuple[float, float] | None = None
    sha256: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, identity: str, image: Given, number: int, colour: str = "rgb") -> Photo:
        """From what a program has; without a path it is known by its number among the photos given.

        Raises what `facesearch.photos.given.pixels_of` does.
        """
        name = composed(identity)
        if isinstance(image, str | os.PathLike):
            return cls(name, photo_path(image))
        if isinstance(image, np.ndarray | Pillow.Image):
            return cls(name, Path(f"pixels {number}"), pixels_of(image, colour))
        return cls(name, Path(f"photo {number}"), content=content_of(image))

    @property
    def in_memory(self) -> bool:
        """Whether it is no file."""
        return self.pixels is not None or self.content is not None

    def load(self) -> RGB:
        """Its pixels; raises `UnreadableImageError`."""
        if self.pixels is not None:
            return self.pixels
        return load_image(self.path) if self.content is None else decode(self.content)

    def hash(self) -> bytes:
        """SHA-256 of the file, or of shape and pixels; raises `UnreadableImageError`."""
        if self.sha256 is not None:
            return self.sha256
        if self.pixels is None:
            return sha256(read_bytes(self.path) if self.content is None else self.content)
        content = hashlib.sha256(repr(self.pixels.shape).encode())
        is_plain = self.pixels.dtype == np.uint8 and self.pixels.flags.c_contiguous
        content.update(self.pixels.data if is_plain else self.pixels.tobytes())
        return content.digest()


def path_sha256(photo: Photo) -> bytes:
    """What a photo is known by whose content cannot be read: the SHA-256 of its path."""
    return sha256(b"a file at " + os.fsencode(photo.path.absolute()))


def fixed_words(reason: str) -> list[str]:
    """What a sentence for people says against a face in words for programs, see `facesearch.pipeline.quality`."""
    found = _FIXED_WORDS.search(reason)
    return found[1].split(", ") if found else []


@dataclass(frozen=True, slots=True)
class Rejection:
    """A photo that could not be enrolled, and why.

    content: SHA-256 of the photo, where it can be known again by it; of its path, where it cannot be read. final: it
    will be rejected again, for what it shows, and need not be looked at again. before: an earlier enrolment rejected it
    for the same reason. decision: somebody has to decide something, as whose photo it is, and no better photo helps.
    """

    path: str
    reason: str
    content: bytes | None = None
    before: bool = False
    final: bool = False
    decision: bool = False

    @property
    def reasons(self) -> list[str]:
        """The same in fixed words, where one fits."""
        return fixed_words(self.reason)

    def document(self) -> dict[str, object]:
        """What programs are told of it."""
        return {"path": self.path, "reason": self.reason, "reasons": self.reasons}
