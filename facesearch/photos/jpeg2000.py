"""How much work a JPEG 2000 file asks for (ISO/IEC 15444-1, annex A), before it is decoded.

A few hundred bytes can promise millions of packets, each of which takes time and memory even if it is empty.
"""

from __future__ import annotations

import struct

from facesearch.errors import UnreadableImageError

BOXES = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM = b"\xff\x4f\xff\x51"

_MOST_BOXES = 1_000
_MOST_PARTS = 5_000  # tiles, and markers of headers
_MOST_PACKETS = 500_000
_SIZE, _CODING, _CODING_OF_ONE, _PROGRESSION, _TILE, _DATA, _END = 0x51, 0x52, 0x53, 0x5F, 0x90, 0x93, 0xD9


def check(data: bytes) -> None:
    """Raise `UnreadableImageError` for a file that is damaged or asks for too much work."""
    try:
        start = 0 if data.startswith(CODESTREAM) else _codestream(data)
        _check_codestream(data, start)
    except (struct.error, IndexError):
        raise UnreadableImageError("truncated image file") from None


def _codestream(data: bytes) -> int:
    """Where the codestream begins among the boxes of the file."""
    place = 0
    for _ in range(_MOST_BOXES):
        length, kind = struct.unpack_from(">I4s", data, place)
        header = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, place + 8)
            header = 16
        if kind == b"jp2c":
            return place + header
        if length < header:
            break
        place += length
    raise UnreadableImageError("damaged image file")


def _check_codestream(data: bytes, start: int) -> None:
    width, height, left, top, tile_width, tile_height, tile_left, tile_top, components = struct.unpack_from(
        ">8IH", data, start + 8
    )
    if not (tile_width and tile_height and left < width and top < height):
        raise UnreadableImageError("damaged image file")
    tiles = -(-(width - tile_left) // tile_width) * -(-(height - tile_top) // tile_height)
    tile = (min(tile_width, width - left), min(tile_height, height - top))
    place, in_tile, tile_end = start + 2, False, 0
    for _ in range(_MOST_PARTS):
        if place + 4 > len(data):
            return
        if data[place] != 0xFF:
            raise UnreadableImageError("damaged image file")
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == _END:
            return
        if marker == _DATA:
            if tile_end <= place:  # the last one, to the end of the file
                return
            place, in_tile = tile_end, False
            continue
        if marker == _TILE:
            in_tile = True
            (size,) = struct.unpack_from(">I", data, place + 6)
            tile_end = place + size if size else 0
        elif marker in (_CODING_OF_ONE, _PROGRESSION) or (marker == _CODING and in_tile):
            raise UnreadableImageError("a kind of JPEG 2000 that is not read: save it as JPEG or PNG")
        elif marker == _CODING and tiles * components * _packets(data, place, tile) > _MOST_PACKETS:
            raise UnreadableImageError("too many parts to decode")
        place += 2 + length
    raise UnreadableImageError("too many parts to decode")


def _packets(data: bytes, place: int, tile: tuple[int, int]) -> int:
    """Packets of one component of one tile, by the coding style at `place`."""
    style, layers, levels = data[place + 4], int.from_bytes(data[place + 6 : place + 8], "big"), data[place + 9]
    packets = 0
    for resolution in range(levels + 1):
        sizes = data[place + 14 + resolution] if style & 1 else 0xFF
        shrunk = levels - resolution
        across, down = (
            -(-side // (1 << shrunk + exponent)) for side, exponent in zip(tile, (sizes & 15, sizes >> 4), strict=True)
        )
        packets += (across + 1) * (down + 1)
    return layers * packets
