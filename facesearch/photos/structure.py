"""What an image file is built of, counted before a parser sees it.

Pillow reads the parts of a file one by one, in Python, and decodes each scan of a JPEG over all pixels. A small file
can promise enough of them to keep it busy for minutes, or for gigabytes. Photos have a handful; the limits are far
above that.
Every function raises `UnreadableImageError`, and takes the content of a file that starts as one of its format does.
"""

from __future__ import annotations

import re

from facesearch.errors import UnreadableImageError
from facesearch.photos.limits import MAX_PIXELS
from facesearch.photos.tiff_directory import entries, values_fit

_MOST_SEGMENTS = 2_000  # of a JPEG before its pixels: 64 KiB each, so that no real one has more
_MOST_MARKERS = 8_000  # of a JPEG
_MOST_EXIF = 1 << 20  # bytes
_MOST_JUNK = 1 << 16  # bytes between the segments of a JPEG
_MOST_SCANS = 200  # of a JPEG; progressive ones have about ten
_MOST_SCANNED = 3_000_000_000  # scans × pixels
_MOST_HELD = 550_000_000  # bytes of a JPEG of several scans, which is held in whole, two bytes per sample
_MOST_CHUNKS = 20_000  # of a PNG; usually 8 KiB each
_MOST_BLOCKS = 4_000  # of a GIF before its first frame
_MOST_NUMBERS = 200_000  # in one entry of a TIFF directory: two for each row, and more
_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}  # none, CCITT, LZW, JPEG, deflate, PackBits
_COMPRESSION, _TILE_WIDTH, _TILE_HEIGHT = 259, 322, 323
_MOST_HEADER = 4_096  # bytes of a PNM
_MOST_COMMENTS = 100  # in a PNM

# neither a stuffed byte nor a restart marker
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
_START, _END, _SCAN, _EXIF = 0xD8, 0xD9, 0xDA, 0xE1
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}


def check_jpeg(data: bytes) -> None:
    """Too many segments, too much EXIF, or too many scans for the number of pixels."""
    place, exif, pixels, samples, scans, junk = 2, bytearray(), 0, 0, 0, 0
    for number in range(_MOST_MARKERS):
        found = _MARKER.search(data, place)
        if found is None:
            break
        marker, start = found[1][0], found.end()
        if not scans:
            junk += start - 2 - place
            if number > _MOST_SEGMENTS or junk > _MOST_JUNK:
                raise UnreadableImageError("too many segments for a photo")
        if marker == _END and scans:
            break
        length = int.from_bytes(data[start : start + 2], "big")
        if marker == _EXIF and data[start + 2 : start + 8] == b"Exif\0\0" and len(exif) <= _MOST_EXIF:
            exif += data[start + 8 : start + length]
        elif marker in _FRAMES:
            height, width = (int.from_bytes(data[start + at : start + at + 2], "big") for at in (3, 5))
            pixels = max(pixels, min(height * width, MAX_PIXELS))
            samples = max(samples, round(pixels * _samples_per_pixel(data, start)))
        elif marker == _SCAN:
            scans += 1
            if scans > _MOST_SCANS or scans * pixels > _MOST_SCANNED:
                raise UnreadableImageError("too many scans for a photo")
            if scans > 1 and 2 * samples > _MOST_HELD:
                raise UnreadableImageError(f"too large for a progressive JPEG ({pixels // 1_000_000} megapixels)")
            if data.find(b"\xff\xda", start) < 0:  # no other one, as in most photos
                break
        place = start if marker in (_START, _END) else start + max(length, 2)
    else:
        raise UnreadableImageError("too many segments for a photo")
    if len(exif) > _MOST_EXIF or not values_fit(bytes(exif)):
        raise UnreadableImageError("damaged EXIF block")


def _samples_per_pixel(data: bytes, start: int) -> float:
    """Of the frame header at `start`: 3 where no colour is stored at less than full size."""
    count = int.from_bytes(data[start + 7 : start + 8], "big")
    sampled = [(factors >> 4) * (factors & 15) for factors in data[start + 9 : start + 8 + 3 * count : 3]]
    return sum(sampled) / max(sampled, default=1) if any(sampled) else 0.0


def check_png(data: bytes) -> None:
    """Too many chunks."""
    place = 8
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(data) or data[place + 4 : place + 8] == b"IEND":
            return
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    raise UnreadableImageError("too many chunks for a photo")


def check_gif(data: bytes) -> None:
    """Too many blocks before the first frame."""
    flags = data[10] if len(data) > 10 else 0
    place = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    in_extension = False
    for _ in range(_MOST_BLOCKS):
        if place >= len(data):
            return
        byte = data[place]
        if in_extension:
            place, in_extension = place + byte + 1, byte > 0
        elif byte in b",;":
            return
        else:
            in_extension = byte == 0x21
            place += 2 if in_extension else 1
    raise UnreadableImageError("too many blocks for a photo")


def check_tiff(data: bytes) -> None:
    """Entries that are too long, tiles that are too large, or a compression that no photo needs."""
    if not values_fit(data):
        raise UnreadableImageError("damaged image file")
    tile = {_TILE_WIDTH: 1, _TILE_HEIGHT: 1}
    for entry in entries(data):
        if entry.is_numbers and entry.count > _MOST_NUMBERS:
            raise UnreadableImageError("too many parts for a photo")
        if entry.tag == _COMPRESSION and entry.number not in _COMPRESSIONS:
            raise UnreadableImageError(f"a TIFF of compression {entry.number} is not read: save it as JPEG or PNG")
        if entry.tag in tile:
            tile[entry.tag] = entry.number
    if tile[_TILE_WIDTH] * tile[_TILE_HEIGHT] > MAX_PIXELS:
        raise UnreadableImageError("damaged image file")


def check_pnm(data: bytes) -> None:
    """A header that does not end, or too many comments."""
    if len(re.sub(rb"#[^\r\n]*", b"", data[:_MOST_HEADER]).split(maxsplit=4)) < (3 if data[1:2] in b"14" else 4):
        raise UnreadableImageError("truncated image file")
    if data[1:2] in b"123" and data.count(b"#") > _MOST_COMMENTS:
        raise UnreadableImageError("too many comments for a photo")
