"""Pictures and image files for tests."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from facesearch.errors import UnreadableImageError
from facesearch.photos.decoding import decode

RGB = npt.NDArray[np.uint8]


def gradient(height: int = 24, width: int = 16) -> RGB:
    """A picture without symmetry, smooth enough for lossy formats: red grows to the right, green downwards."""
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[..., 0] = np.linspace(20, 230, width).astype(np.uint8)
    picture[..., 1] = np.linspace(20, 230, height).astype(np.uint8)[:, None]
    return picture


def encoded(picture: RGB | Image.Image, file_format: str, **options: Any) -> bytes:
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def reason(data: bytes) -> str:
    """Why the content of a file is rejected."""
    with pytest.raises(UnreadableImageError) as caught:
        decode(data)
    return str(caught.value)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def tiff(*entries: tuple[int, int, int, int], tail: bytes = b"") -> bytes:
    """A little-endian TIFF with a directory of entries (tag, kind, count, value or offset)."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + tail


def profile(red: tuple[float, ...], green: tuple[float, ...], blue: tuple[float, ...], gamma: float) -> bytes:
    """A matrix profile (ICC.1) with the primaries given as XYZ."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    curve = b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(gamma * 256)) + bytes(2)
    name = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79)
    white = (0.9642, 1.0, 0.8249)
    tags = {b"desc": name, b"wtpt": xyz(white), b"rXYZ": xyz(red), b"gXYZ": xyz(green), b"bXYZ": xyz(blue)}
    tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, body = struct.pack(">I", len(tags)), b""
    for tag, content in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", 128 + len(table) + len(body), b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    return head + bytes(12) + b"acsp" + bytes(28) + b"".join(map(fixed, white)) + bytes(48) + table + body
