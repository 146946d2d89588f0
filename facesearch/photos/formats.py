"""Which image formats are read, told by their first bytes.

Each is opened by its own Pillow class instead of by `PIL.Image.open`:

- nothing but these formats is ever parsed, whatever plugins the process has registered, and no other program is run;
- `Image.open` announces large images with a `DecompressionBombWarning`, which can only be turned into an error through
  the warning filters, and those belong to the process and are not safe to swap in threads. Here the size in the header
  is compared with the format's limit, below the size at which Pillow would warn, before a pixel is decoded.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from facesearch.errors import UnreadableImageError
from facesearch.photos import jpeg2000, structure
from facesearch.photos.limits import MAX_PIXELS, check_size
from facesearch.photos.unread import unread_reason

Opened = ImageFile.ImageFile

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_RUN_LENGTH_PIXELS = 2_000_000  # of a BMP; Pillow decodes these in Python
_CONVERTED_PIXELS = 500_000  # of a PNM as text, or with another largest value than 255; likewise


@dataclass(frozen=True, slots=True)
class Format:
    """name: as people call it. matches: file -> whether it is one. open: parses the header and decodes nothing; raises
    anything. most_pixels: what can be decoded in less than 1 GB and in seconds."""

    name: str
    matches: Callable[[bytes], bool]
    open: Callable[[bytes], Opened]
    most_pixels: int = MAX_PIXELS


def find_format(data: bytes) -> Format:
    """The format of the content of a file; raises `UnreadableImageError` that says what it is, if that is known."""
    for known in FORMATS:
        if known.matches(data):
            return known
    names = ", ".join(known.name for known in FORMATS)
    raise UnreadableImageError(unread_reason(data) or f"not an image in a known format ({names})")


def _starts(*magic: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(magic)


def _brands(data: bytes) -> tuple[bytes, set[bytes]]:
    """The major and the compatible brands of the ISO `ftyp` box (ISO/IEC 14496-12) that a file starts with."""
    if data[4:8] != b"ftyp":
        return b"", set()
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    return data[8:12], {data[place : place + 4] for place in range(16, end - 3, 4)}


def _is_avif(data: bytes) -> bool:
    major, compatible = _brands(data)
    return major in _AVIF_BRANDS or (major in (b"mif1", b"msf1") and bool(compatible & _AVIF_BRANDS))


def _is_heif(data: bytes) -> bool:
    major, compatible = _brands(data)
    return not _is_avif(data) and bool({major, *compatible} & _HEIF_BRANDS)


def _is_webp(data: bytes) -> bool:
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def _is_tiff(data: bytes) -> bool:
    return data.startswith((b"II*\0", b"MM\0*")) and not unread_reason(data)


def _open_jpeg(data: bytes) -> Opened:
    structure.check_jpeg(data)
    return JpegImageFile(io.BytesIO(data))  # of an MPO file this is the first picture


def _open_png(data: bytes) -> Opened:
    structure.check_png(data)
    return PngImageFile(io.BytesIO(data))


def _open_webp(data: bytes) -> Opened:
    size = _webp_size(data)
    if size is not None:
        check_size(*size, _WEBP_PIXELS)  # the decoder allocates the whole canvas as soon as it is made
    return WebPImageFile(io.BytesIO(data))


def _open_bmp(data: bytes) -> Opened:
    image = BmpImageFile(io.BytesIO(data))
    if image.tile and image.tile[0].codec_name == "bmp_rle":
        check_size(*image.size, _RUN_LENGTH_PIXELS)
    return image


def _open_gif(data: bytes) -> Opened:
    from PIL.GifImagePlugin import GifImageFile

    structure.check_gif(data)
    return GifImageFile(io.BytesIO(data))


def _open_tiff(data: bytes) -> Opened:
    from PIL.TiffImagePlugin import TiffImageFile

    structure.check_tiff(data)
    return TiffImageFile(io.BytesIO(data))


def _open_jpeg2000(data: bytes) -> Opened:
    from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

    jpeg2000.check(data)
    return Jpeg2KImageFile(io.BytesIO(data))


def _open_pnm(data: bytes) -> Opened:
    from PIL.PpmImagePlugin import PpmImageFile

    structure.check_pnm(data)
    image = PpmImageFile(io.BytesIO(data))
    if image.tile[0].codec_name != "raw":
        check_size(*image.size, _CONVERTED_PIXELS)
    return image


def _open_tga(data: bytes) -> Opened:
    from PIL.TgaImagePlugin import TgaImageFile

    return TgaImageFile(io.BytesIO(data))


def _open_avif(data: bytes) -> Opened:
    from PIL import AvifImagePlugin

    if not AvifImagePlugin.SUPPORTED:
        raise UnreadableImageError("AVIF is not read by the Pillow that is installed")
    return AvifImagePlugin.AvifImageFile(io.BytesIO(data))


def _open_heif(data: bytes) -> Opened:
    try:
        import pillow_heif
    except ImportError:
        raise UnreadableImageError("HEIC needs an extra package: pip install facesearch[heic]") from None
    heif_image_file: Callable[[io.BytesIO], Opened] = pillow_heif.HeifImageFile
    return heif_image_file(io.BytesIO(data))


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


_WEBP_PIXELS = 40_000_000

FORMATS = (
    Format("JPEG", _starts(b"\xff\xd8\xff"), _open_jpeg),
    Format("PNG", _starts(b"\x89PNG\r\n\x1a\n"), _open_png),
    Format("WebP", _is_webp, _open_webp, _WEBP_PIXELS),
    Format("BMP", _starts(b"BM"), _open_bmp),
    Format("HEIC", _is_heif, _open_heif, 60_000_000),
    Format("AVIF", _is_avif, _open_avif, 60_000_000),
    Format("TIFF", _is_tiff, _open_tiff, 60_000_000),
    Format("GIF", _starts(b"GIF87a", b"GIF89a"), _open_gif),
    Format("JPEG 2000", _starts(jpeg2000.BOXES, jpeg2000.CODESTREAM), _open_jpeg2000, 30_000_000),
    Format("PNM", _starts(*(b"P%d" % number for number in range(1, 7)), b"Pf"), _open_pnm),
    Format("TGA", lambda data: data.endswith(b"TRUEVISION-XFILE.\0"), _open_tga),
)
"""What is read, the commonest first."""
