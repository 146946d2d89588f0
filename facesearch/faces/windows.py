"""Windows of an image: what the detector looks at, with grey where a window reaches beyond the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

RGB = npt.NDArray[np.uint8]

_GREY = 127  # zero to the networks
_BAND = 2_000_000  # pixels that are reduced at a time


@dataclass(frozen=True, slots=True)
class Window:
    """Pixels from (left, top) up to (right, bottom), which are outside; may reach beyond the image."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def grown(self, border: int) -> Window:
        """The same window with a border on all sides."""
        return Window(self.left - border, self.top - border, self.right + border, self.bottom + border)

    def parts(self, length: int, overlap: int) -> Iterator[Window]:
        """The window itself, or, where its longer side is more than `length`, overlapping parts of that length."""
        wide = self.width >= self.height
        start, end = (self.left, self.right) if wide else (self.top, self.bottom)
        while start + length < end:
            yield self._part(start, start + length, wide)
            start += length - overlap
        yield self._part(start, end, wide)

    def _part(self, start: int, end: int, wide: bool) -> Window:
        return Window(start, self.top, end, self.bottom) if wide else Window(self.left, start, self.right, end)

    def of(self, image: RGB, reduction: int) -> RGB:
        """What the window shows of `image` (h, w, 3), at 1/`reduction` of its size by the means of whole squares."""
        height, width = image.shape[:2]
        if self == Window(0, 0, width, height) and reduction == 1:
            return image
        seen = np.empty((-(-self.height // reduction), -(-self.width // reduction), 3), dtype=np.uint8)
        rows = max(1, _BAND // (self.width * reduction)) * reduction
        for top in range(self.top, self.bottom, rows):
            band = self._filled(image, top, min(top + rows, self.bottom))
            first = (top - self.top) // reduction
            reduced = np.asarray(Image.fromarray(band).reduce(reduction)) if reduction > 1 else band
            seen[first : first + len(reduced)] = reduced
        return seen

    def _filled(self, image: RGB, top: int, bottom: int) -> RGB:
        """The rows `top` to `bottom` of the window."""
        height, width = image.shape[:2]
        x0, y0, x1, y1 = max(self.left, 0), max(top, 0), min(self.right, width), min(bottom, height)
        if (x0, y0, x1, y1) == (self.left, top, self.right, bottom):
            return image[top:bottom, x0:x1]
        band = np.full((bottom - top, self.width, 3), _GREY, dtype=np.uint8)
        if x0 < x1 and y0 < y1:
            band[y0 - top : y1 - top, x0 - self.left : x1 - self.left] = image[y0:y1, x0:x1]
        return band
