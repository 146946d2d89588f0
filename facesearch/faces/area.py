"""Shrink an image and cut crops from it by exact area averages, all from one summed-area table.

An output pixel i of n is the plain mean of the input pixels from floor(i·m/n) to ceil((i+1)·m/n) − 1, along both axes:
"adaptive average pooling", the resampling that MTCNN's reference implementation uses. With a summed-area table
(Crow 1984) each costs four look-ups, however large the area is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Planes = npt.NDArray[np.float32]

_BAND = 16  # rows summed at a time: they stay in the processor's cache
_WIDE = 1000  # pixels; from here on a call per row costs less than summing down the columns


def _starts_ends(inside: int, outside: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    index = np.arange(outside)
    return (index * inside) // outside, -((-(index + 1) * inside) // outside)


class AreaSampler:
    """Area averages of one image (h, w, 3) uint8; the table takes 12 bytes per pixel."""

    def __init__(self, image: Image) -> None:
        self.height, self.width = image.shape[:2]
        # Sums are kept modulo 2³²: right for every window below 2³²/255 = 16.8 million pixels.
        self._sums = np.empty((3, self.height + 1, self.width + 1), dtype=np.uint32)
        self._sums[:, 0] = 0
        self._sums[:, :, 0] = 0
        for start in range(0, self.height, _BAND):
            end = min(start + _BAND, self.height)
            band = self._sums[:, start + 1 : end + 1, 1:]
            band[...] = image[start:end].transpose(2, 0, 1)
            np.cumsum(band, axis=2, out=band)
            if self.width < _WIDE:
                # one call, which holds or leaves the interpreter lock once: other threads wait for it
                np.cumsum(self._sums[:, start : end + 1], axis=1, out=self._sums[:, start : end + 1])
                continue
            for row in range(start, end):  # faster than cumsum down the columns
                np.add(self._sums[:, row], self._sums[:, row + 1], out=self._sums[:, row + 1])

    def shrink(self, height: int, width: int, rows: slice = slice(None)) -> Planes:
        """The image at a smaller size (3, height, width) float32, 0..255; of that the `rows`, by default all."""
        top, bottom = (ends[rows] for ends in _starts_ends(self.height, height))
        left, right = _starts_ends(self.width, width)
        strips = np.take(self._sums, bottom, axis=1)
        strips -= np.take(self._sums, top, axis=1)  # (3, rows, W + 1)
        sums = np.take(strips, right, axis=2)
        sums -= np.take(strips, left, axis=2)  # (3, rows, width)
        means = sums.astype(np.float32)
        means *= (1 / (bottom - top)).astype(np.float32)[:, None]
        means *= (1 / (right - left)).astype(np.float32)
        return means

    def crops(self, boxes: npt.NDArray[np.float32], size: int) -> tuple[Planes, npt.NDArray[np.bool_]]:
        """Square crops of the `boxes` (n, 4) left, top, right, bottom: (m, 3, size, size) float32, 0..255.

        Boxes are cut to whole pixels inside the image (1-based and inclusive, as in the reference implementation);
        the second result (n,) says which have any.
        """
        corners = np.trunc(boxes).astype(np.intp)
        left, top = np.maximum(corners[:, 0], 1) - 1, np.maximum(corners[:, 1], 1) - 1
        right, bottom = np.minimum(corners[:, 2], self.width), np.minimum(corners[:, 3], self.height)
        inside = (right > left) & (bottom > top)
        x0, x1 = self._windows(left[inside], right[inside], size)
        y0, y1 = self._windows(top[inside], bottom[inside], size)
        table = self._sums.reshape(3, -1)
        stride = self.width + 1

        def corner(y: npt.NDArray[np.intp], x: npt.NDArray[np.intp]) -> npt.NDArray[np.uint32]:
            sums: npt.NDArray[np.uint32] = np.take(table, (y * stride)[:, :, None] + x[:, None, :], axis=1)
            return sums  # (3, m, size, size)

        sums = corner(y1, x1) - corner(y0, x1) - corner(y1, x0) + corner(y0, x0)
        pixels = ((y1 - y0)[:, :, None] * (x1 - x0)[:, None, :]).astype(np.float32)
        return np.ascontiguousarray((sums.astype(np.float32) / pixels).transpose(1, 0, 2, 3)), inside

    @staticmethod
    def _windows(
        start: npt.NDArray[np.intp], end: npt.NDArray[np.intp], size: int
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        index, length = np.arange(size), (end - start)[:, None]
        return start[:, None] + (index * length) // size, start[:, None] - ((-(index + 1) * length) // size)
