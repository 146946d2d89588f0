"""How large a photo may be."""

from __future__ import annotations

from facesearch.errors import UnreadableImageError

MAX_PIXELS = 89_000_000  # just below Image.MAX_IMAGE_PIXELS, where Pillow starts to warn
MIN_SIDE = 10


def check_size(width: int, height: int, most: int = MAX_PIXELS) -> None:
    """Raise `UnreadableImageError` for a photo of more than `most` pixels, or with a side below `MIN_SIDE`."""
    if width * height > most:
        raise UnreadableImageError(f"more than {most / 1_000_000:g} megapixels ({width}×{height})")
    if min(width, height) < MIN_SIDE:
        raise UnreadableImageError(f"too small ({width}×{height}, at least {MIN_SIDE}×{MIN_SIDE} pixels are needed)")
