"""Image files -> RGB arrays, behind limits that hold for hostile files too.

`read_bytes` (path -> bytes), `decode` (bytes -> array), `load_image` (both), `sha256` (what identifies an image).

Every way in which an image can be unusable ends as `UnreadableImageError`, whose text is a short reason without the
path: the caller knows the path and shows both. All functions are safe to call from several threads.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.errors import UnreadableImageError, UsageError
from facesearch.files.regular import NotRegularError, open_regular
from facesearch.photos.colours import upright_rgb
from facesearch.photos.formats import find_format
from facesearch.photos.limits import check_size

MAX_BYTES = 64 * 1024 * 1024


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
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_BYTES:
                raise UnreadableImageError(f"larger than {MAX_BYTES // 2**20} MiB")
            # A file that grows meanwhile is read up to the size that was checked.
            data = stream.read(size)
    except NotRegularError:
        raise UnreadableImageError("not a regular file") from None
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
    except MemoryError:
        raise UnreadableImageError("not enough memory for this photo") from None
    if not data:
        raise UnreadableImageError("empty file")
    return data


def sha256(data: bytes) -> bytes:
    """The 32 bytes that identify an image by its content."""
    return hashlib.sha256(data).digest()


def decode(data: bytes, name: str = "") -> npt.NDArray[np.uint8]:
    """Decode the content of an image file in one of the formats of `facesearch.photos.formats`.

    The first frame of an animated file or the first page, turned upright by its EXIF orientation, its colours converted
    to sRGB by its colour profile, transparency laid on white, deeper grey scaled to 8 bits.

    Args:
        data: the content of the file.
        name: a name for tracebacks; it is noted on the error and is no part of the reason.

    Returns:
        RGB, shape (h, w, 3) uint8, contiguous, writable and owned by the caller.

    Raises:
        UnreadableImageError: not an image of these formats, truncated, damaged, too small, too large, or built so that
            decoding it takes too long.
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
    known = find_format(data)
    with known.open(data) as image:
        check_size(*image.size, known.most_pixels)
        image.load()
        check_size(*image.size, known.most_pixels)  # a HEIF header may disagree with the picture inside
        return upright_rgb(image)


def _reason(error: Exception, data: bytes) -> str:
    """Plain words for what the decoders say in the many ways they have."""
    if isinstance(error, MemoryError):
        return "not enough memory for this photo"
    ended = (EOFError, struct.error)
    said = str(error).lower()
    if isinstance(error, ended) or isinstance(error.__cause__, ended) or "truncated" in said or "end of file" in said:
        return "truncated image file"
    if data.startswith(b"RIFF") and int.from_bytes(data[4:8], "little") + 8 > len(data):
        return "truncated image file"
    return "damaged image file"
