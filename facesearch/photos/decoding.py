"""Image files -> RGB arrays, behind limits that hold for hostile files too.

`read_bytes` (path -> bytes), `decode` (bytes -> array), `load_image` (both), `sha256` (what identifies an image).

Every way in which an image can be unusable ends as `UnreadableImageError`, whose text is a short reason without the
path: the caller knows the path and shows both. All functions are safe to call from several threads.

Each allowed format is opened by its own Pillow class, chosen by the first bytes, instead of by `PIL.Image.open`:

- nothing but the formats below is ever parsed, whatever plugins the process has registered;
- `Image.open` announces large images with a `DecompressionBombWarning`, which can only be turned into an error through
  the warning filters, and those belong to the process and are not safe to swap in threads. Here the size in the header
  is compared with `MAX_PIXELS`, below the size at which Pillow would warn, before a pixel is decoded.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from facesearch.errors import UnreadableImageError, UsageError

MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 89_000_000  # just below Image.MAX_IMAGE_PIXELS, where Pillow starts to warn
MIN_SIDE = 10

_ORIENTATION_TAG = 0x0112
# EXIF orientation -> what turns the stored pixels upright
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


def load_image(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """The image in the file `path` as RGB, shape (h, w, 3) uint8, upright; raises `UnreadableImageError`."""
    return decode(read_bytes(path), os.fspath(path))


def photo_path(image: object) -> Path:
    """Where a photo is; raises `UsageError` for what is no path, such as a number, which `open` takes for a file."""
    if not isinstance(image, str | os.PathLike):
        raise UsageError(f"a photo is a path, or pixels (h, w, 3) uint8, not {type(image).__name__}")
    return Path(image)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of the regular file `path`, at most `MAX_BYTES` long; raises `UnreadableImageError`."""
    path = photo_path(path)
    try:
        with open(path, "rb", opener=_open_without_waiting) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableImageError("not a regular file")
            if status.st_size > MAX_BYTES:
                raise UnreadableImageError(f"larger than {MAX_BYTES // 2**20} MiB")
            # A file that grows meanwhile is read up to the size that was checked.
            data = stream.read(status.st_size)
    except FileNotFoundError:
        raise UnreadableImageError("no such file") from None
    except IsADirectoryError:
        raise UnreadableImageError("is a folder") from None
    except PermissionError:
        # Windows answers a folder with "permission denied".
        raise UnreadableImageError("is a folder" if Path(path).is_dir() else "no permission to read") from None
    except OSError as error:
        raise UnreadableImageError(f"cannot be read ({(error.strerror or 'input/output error').lower()})") from None
    except ValueError:
        raise UnreadableImageError("not a valid file name") from None
    if not data:
        raise UnreadableImageError("empty file")
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    """Opening a named pipe would otherwise wait for a writer that may never come."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def sha256(data: bytes) -> bytes:
    """The 32 bytes that identify an image by its content."""
    return hashlib.sha256(data).digest()


def decode(data: bytes, name: str = "") -> npt.NDArray[np.uint8]:
    """Decode the content of a JPEG (also MPO), PNG, WebP, BMP or, with the extra `heic`, HEIC file.

    The first frame of an animated file, turned upright by its EXIF orientation, transparency laid on white, 16-bit grey
    scaled to 8 bits.

    Args:
        data: the content of the file.
        name: a name for tracebacks; it is noted on the error and is no part of the reason.

    Returns:
        RGB, shape (h, w, 3) uint8, contiguous, writable and owned by the caller.

    Raises:
        UnreadableImageError: not an image of these formats, truncated, damaged, below `MIN_SIDE` or above `MAX_PIXELS`.
    """
    try:
        return _decode(data)
    except UnreadableImageError as error:
        if name:
            error.add_note(f"image: {name}")
        raise
    except Exception as error:
        # Parsers of hostile bytes fail in every way there is: SyntaxError, struct.error, OverflowError, MemoryError, …
        rejection = UnreadableImageError(_reason(error, data))
        if name:
            rejection.add_note(f"image: {name}")
        raise rejection from error


def _decode(data: bytes) -> npt.NDArray[np.uint8]:
    if not data:
        raise UnreadableImageError("empty file")
    if len(data) > MAX_BYTES:
        raise UnreadableImageError(f"larger than {MAX_BYTES // 2**20} MiB")
    with _open(data) as image:
        _check_size(image.size)
        image.load()
        _check_size(image.size)  # a HEIF header may disagree with the picture inside
        upright = _UPRIGHT.get(_orientation(image))
        rgb = _to_rgb(image)
    if upright is not None:
        rgb = rgb.transpose(upright)
    return np.array(rgb)  # (h, w, 3)


def _open(data: bytes) -> ImageFile.ImageFile:
    """Parse the header with the one class that fits the first bytes; decodes nothing."""
    stream = io.BytesIO(data)
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile(stream)  # of an MPO file this is the first picture
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile(stream)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        size = _webp_size(data)
        if size is not None:
            _check_size(size)  # the decoder allocates the whole canvas as soon as it is made
        return WebPImageFile(stream)
    if data.startswith(b"BM"):
        return BmpImageFile(stream)
    if _is_heif(data):
        try:
            import pillow_heif
        except ImportError:
            raise UnreadableImageError("HEIC needs an extra package: pip install facesearch[heic]") from None
        heif_image_file: Callable[[io.BytesIO], ImageFile.ImageFile] = pillow_heif.HeifImageFile
        return heif_image_file(stream)
    raise UnreadableImageError("not an image in a known format (JPEG, PNG, WebP, BMP, HEIC)")


def _is_heif(data: bytes) -> bool:
    """Whether the file starts with an ISO `ftyp` box (ISO/IEC 14496-12) that names an HEVC still-image brand."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    major, compatible = data[8:12], {data[i : i + 4] for i in range(16, end - 3, 4)}
    return major not in _AVIF_BRANDS and bool({major, *compatible} & _HEIF_BRANDS)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) of the canvas by the first chunk of a WebP file (RFC 9649), None where it cannot be told."""
    chunk = data[12:16]
    if chunk == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and len(data) >= 30:
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(f"more than {MAX_PIXELS // 1_000_000} megapixels ({width}×{height})")
    if min(width, height) < MIN_SIDE:
        raise UnreadableImageError(f"too small ({width}×{height}, at least {MIN_SIDE}×{MIN_SIDE} pixels are needed)")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation 1 to 8; 1 where there is none or the EXIF block is damaged: the pixels are still good."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode that the allowed formats decode to -> mode RGB."""
    if image.mode.startswith("I"):  # 16-bit grey: "I;16", "I;16B" and, in a 32-bit integer, "I"
        deep = np.asarray(image).clip(0, 65535)
        return Image.fromarray((deep >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGB", layer.size, "white")
        white.paste(layer, mask=layer.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _reason(error: Exception, data: bytes) -> str:
    """Plain words for what the decoders say in the many ways they have."""
    if isinstance(error, MemoryError):
        return "not enough memory to decode"
    ended = (EOFError, struct.error)
    said = str(error).lower()
    if isinstance(error, ended) or isinstance(error.__cause__, ended) or "truncated" in said or "end of file" in said:
        return "truncated image file"
    if data.startswith(b"RIFF") and int.from_bytes(data[4:8], "little") + 8 > len(data):
        return "truncated image file"
    return "damaged image file"
