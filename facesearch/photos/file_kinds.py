"""Which files are photos: by suffix where it is known, else by the first bytes."""

from __future__ import annotations

from pathlib import Path

from facesearch.files.regular import open_regular

_FORMATS = "jpg jpeg jpe jfif mpo png webp bmp dib heic heif hif avif gif tif tiff jp2 j2k jpx tga ppm pgm pbm pnm pfm"
_FORMATS += " raw dng cr2 cr3 nef arw raf orf rw2 jxl"
PHOTO_SUFFIXES = tuple(f".{name}" for name in _FORMATS.split())
"""What cameras, phones and browsers write, the commonest first; not all of it can be read here."""

_VIDEOS = "mp4 m4v mov avi mkv webm 3gp mpg mpeg mts m2ts ts wmv flv ogv"
VIDEO_SUFFIXES = tuple(f".{name}" for name in _VIDEOS.split())

_BESIDE = (
    "xmp json txt csv tsv xml html htm md log ini db aae thm url lnk yaml yml pp3 dop npy npz md5 sha256 "
    "pdf doc docx xls xlsx ods odt zip mp4 mov avi m4v 3gp mp3 wav"
)
_SUFFIXES_BESIDE = frozenset(f".{name}" for name in _BESIDE.split())
"""What stands beside photos: their settings, labels, checksums, films of the same moment."""

HIDDEN = "hidden"
WITHOUT_SUFFIX = "without suffix"

_HEAD = 32
_STARTS = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",  # TIFF, and most raw formats
    b"MM\0*",
    b"\0\0\0\x0cjP  \r\n\x87\n",  # JPEG 2000
    b"\xff\x4f\xff\x51",  # JPEG 2000, a bare codestream
    b"\0\0\0\x0cJXL \r\n\x87\n",
    b"\xff\x0a",  # JPEG XL, bare
)
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}  # bytes
_STILL_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}


def is_video(path: Path) -> bool:
    """Whether a file is a clip, by its suffix."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def left_out_as(path: Path) -> str | None:
    """None for a photo; else what to count the file as: "hidden", or its suffix.

    A file whose suffix says nothing is a photo if its content begins like one, readable here or not, and also if it
    cannot be opened: whoever reads it then says why.
    """
    name = path.name
    if name.startswith("."):
        return HIDDEN
    suffix = path.suffix.lower()
    if suffix in PHOTO_SUFFIXES:
        return None
    if suffix not in _SUFFIXES_BESIDE and _begins_like_a_photo(path):
        return None
    return suffix or WITHOUT_SUFFIX


def _begins_like_a_photo(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD)
    except OSError:
        return True
    if head.startswith(_STARTS):
        return True
    if head.startswith(b"RIFF"):
        return head[8:12] == b"WEBP"
    if head.startswith(b"BM"):
        return int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    if head[:1] == b"P" and head[1:2] in b"123456":
        return head[2:3].isspace()  # PBM, PGM, PPM
    return head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS
