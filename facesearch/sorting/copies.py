"""Photos with the same content, which are looked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facesearch.photos.photo import Photo


@dataclass(frozen=True, slots=True)
class Copy:
    """A photo with the same content as an earlier one."""

    of: Path


class Copies:
    """Which photos have the content of one that came before them."""

    def __init__(self) -> None:
        self._first: dict[bytes, Path] = {}

    def __call__(self, photos: Sequence[tuple[Photo, bytes]]) -> list[Copy | None]:
        """Of photos with the SHA-256 of their content; None for those that come first."""
        firsts = [(photo, self._first.setdefault(hashed, photo.path)) for photo, hashed in photos]
        return [None if first is photo.path else Copy(first) for photo, first in firsts]
