"""Photos as small JPEG data URIs, read from a data set's folder only."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from facesearch.errors import UnreadableImageError

_SIDE = 160  # px: sharp at 112 CSS pixels on most screens
_QUALITY = 80


def picture(folder: str, path: str) -> str | None:
    """A data URI of the photo `path` within `folder`; None where there is none, or where it leads out of the folder."""
    from PIL import Image

    from facesearch.photos.decoding import load_image

    try:
        root = Path(folder).resolve()
        photo = (root / path).resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, no name of a file
        return None
    if not photo.is_relative_to(root):  # a run is a file, and may say anything
        return None
    try:
        image = Image.fromarray(load_image(photo))
    except UnreadableImageError:
        return None
    image.thumbnail((_SIDE, _SIDE))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode("ascii")
