"""Small files that would keep a decoder busy for minutes or fill the memory: each is rejected within moments."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from photo_files import encoded, gradient, png_chunk, reason, tiff
from PIL import Image

from facesearch.photos.decoding import decode

JPEG = encoded(gradient(64, 64), "JPEG")
PNG = encoded(gradient(64, 64), "PNG")
GIF = encoded(Image.fromarray(gradient(64, 64)).quantize(4), "GIF")
GIF_BLOCKS = 13 + 3 * (2 << (GIF[10] & 7))  # where they begin


@pytest.fixture(autouse=True)
def moments() -> Iterator[None]:
    before = time.process_time()
    yield
    assert time.process_time() - before < 5


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def progressive(width: int, height: int, scans: int, components: int = 1) -> bytes:
    """A grey progressive JPEG of a few bytes a scan; the scans after the first change nothing."""
    parts = b"".join(bytes([number + 1, 0x11, 0]) for number in range(components))
    head = segment(0xC2, struct.pack(">BHHB", 8, height, width, components) + parts)
    tables = segment(0xC4, b"\0\1" + bytes(16)) + segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0")
    scan = segment(0xDA, b"\1\1\0\1\x3f\0") + b"\x7f\xff\x00\x7f" * 4
    return b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64) + head + tables + scan * scans + b"\xff\xd9"


@pytest.mark.parametrize(("side", "scans"), [(9400, 8000), (9400, 40), (64, 100_000)])
def test_too_many_scans_for_the_pixels(side: int, scans: int) -> None:
    assert reason(progressive(side, side, scans)) == "too many scans for a photo"


def test_a_progressive_jpeg_that_fills_the_memory() -> None:
    assert "too large for a progressive JPEG" in reason(progressive(9400, 9400, 2, components=4))


def test_scans_are_counted_in_the_photo_and_not_in_its_thumbnail_or_behind_it() -> None:
    thumbnail = segment(0xE2, b"\xff\xda" * 1000)
    video = b"\xff\xda\0\2" * 1000
    data = encoded(gradient(64, 64), "JPEG", progressive=True)
    assert np.array_equal(decode(data[:2] + thumbnail + data[2:] + video), decode(data))


@pytest.mark.parametrize(
    "filling",
    [segment(0xFE, b"") * 200_000, b"\0" * 1_000_000, b"\xff" * 1_000_000, b"\xff\xd9" * 200_000],
    ids=["comments", "zeros", "padding", "ends"],
)
def test_a_jpeg_with_a_million_bytes_of_nothing(filling: bytes) -> None:
    start = 2 + 18  # behind the first segment
    assert reason(JPEG[:start] + filling + JPEG[start:]) == "too many segments for a photo"


def test_a_jpeg_with_full_segments_is_read() -> None:
    data = JPEG[:2] + segment(0xE9, bytes(65_000)) * 900 + JPEG[2:]
    assert np.array_equal(decode(data), decode(JPEG))


def overlapping(size: int, number: int) -> bytes:
    """A TIFF directory whose entries all name the whole block."""
    return tiff(*((tag, 7, size, 0) for tag in range(1000, 1000 + number))).ljust(size, b"\0")


def test_an_exif_block_whose_entries_name_each_other() -> None:
    piece = b"Exif\0\0" + overlapping(60_000, 4000)
    assert reason(JPEG[:2] + segment(0xE1, piece) * 20 + JPEG[2:]) == "damaged EXIF block"
    block = overlapping(8_000_000, 4000)
    assert decode(PNG[:33] + png_chunk(b"eXIf", block) + PNG[33:]).shape == (64, 64, 3)


@pytest.mark.parametrize("place", [33, -12])
def test_a_png_of_a_hundred_thousand_chunks(place: int) -> None:
    data = PNG[:place] + png_chunk(b"tEXt", b"a\0b") * 100_000 + PNG[place:]
    assert reason(data) == "too many chunks for a photo"


def test_a_png_that_goes_on_after_its_last_row() -> None:
    deflate = zlib.compressobj(9)
    rows = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(300)) + deflate.flush()
    assert not decode(PNG[:33] + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")).any()


@pytest.mark.parametrize("blocks", [b"!\xfe\1a\0" * 100_000, b"!\xfe" + b"\1a" * 100_000 + b"\0"])
def test_a_gif_of_a_hundred_thousand_comments(blocks: bytes) -> None:
    assert reason(GIF[:GIF_BLOCKS] + blocks + GIF[GIF_BLOCKS:]) == "too many blocks for a photo"
    assert np.array_equal(decode(GIF[:GIF_BLOCKS] + b"!\xfe\1a\0" * 10 + GIF[GIF_BLOCKS:]), decode(GIF))


@pytest.mark.parametrize(("width", "height"), [(30, 2_900_000), (8_000_000, 11), (9000, 9000)])
def test_a_run_length_bmp_of_a_thousand_bytes(width: int, height: int) -> None:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0)
    data = b"BM" + struct.pack("<IHHI", 2000, 0, 0, 54 + 1024) + header + bytes(1024) + b"\1\1\0\0" * 11
    assert reason(data).startswith("more than 2 megapixels")


TIFF_HEAD = ((256, 4, 1, 1000), (257, 4, 1, 1000), (258, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (((259, 3, 1, 1), (273, 4, 400_000, 8), (279, 4, 400_000, 8)), "too many parts"),
        (((259, 3, 1, 8), (322, 4, 1, 60_000), (323, 4, 1, 60_000), (324, 4, 1, 8), (325, 4, 1, 9)), "damaged"),
        (((259, 3, 1, 34925), (273, 4, 1, 8), (279, 4, 1, 9)), "compression 34925 is not read"),
        (tuple((tag, 7, 2_000_000, 0) for tag in range(1000, 1030)), "damaged"),
    ],
    ids=["strips", "tile", "compression", "overlapping"],
)
def test_a_tiff_that_promises_more_than_it_holds(entries: tuple[tuple[int, int, int, int], ...], words: str) -> None:
    assert words in reason(tiff(*TIFF_HEAD, *entries, tail=bytes(2_000_000)))


def jpeg2000(
    side: int, tile: int, *, levels: int = 1, layers: int = 1, precincts: bytes = b"", more: bytes = b""
) -> bytes:
    """The main header of a codestream."""
    size = struct.pack(">H8IH", 0, side, side, 0, 0, tile, tile, 0, 0, 1) + b"\7\1\1"
    style = struct.pack(">BBHBBBBBB", bool(precincts), 0, layers, 0, levels, 4, 4, 0, 1) + precincts
    quantized = segment(0x5C, b"\x40" * (3 * levels + 2))
    tiles = b"\xff\x90" + struct.pack(">HHIBB", 10, 0, 34, 0, 1) + b"\xff\x93" + bytes(20)
    return b"\xff\x4f" + segment(0x51, size) + segment(0x52, style) + quantized + more + tiles + b"\xff\xd9"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (jpeg2000(5000, 5000, layers=65_535), "too many parts"),
        (jpeg2000(5000, 5000, precincts=b"\x11\x11"), "too many parts"),
        (jpeg2000(5000, 5), "too many parts"),
        (jpeg2000(5000, 5000, more=segment(0x53, bytes(9))), "a kind of JPEG 2000 that is not read"),
        (jpeg2000(5000, 0), "damaged"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x08free" * 100_000, "damaged"),
        (jpeg2000(60_000, 60_000), "more than 30 megapixels"),
    ],
    ids=["layers", "precincts", "tiles", "other style", "no tile", "boxes", "size"],
)
def test_a_jpeg_2000_of_millions_of_packets(data: bytes, words: str) -> None:
    assert words in reason(data)


def test_a_tiled_jpeg_2000_of_many_layers_is_read() -> None:
    data = encoded(gradient(200, 300), "JPEG2000", tile_size=(64, 64), quality_layers=[20, 5, 0], num_resolutions=4)
    assert np.array_equal(decode(data), gradient(200, 300))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"P3 9000 9000 255\n" + b"1 " * 100_000, "more than 0.5 megapixels"),
        (b"P6 4000 4000 200\n" + bytes(100_000), "more than 0.5 megapixels"),
        (b"P3 100 100 255\n" + b"#\n" * 100_000, "too many comments"),
        (b"P6 #" + b"a" * 1_000_000 + b"\n100 100 255\n", "truncated"),
    ],
    ids=["text", "values", "comments", "header"],
)
def test_a_pnm_that_is_slow_to_read(data: bytes, words: str) -> None:
    assert words in reason(data)


@pytest.mark.parametrize("file_format", ["TIFF", "GIF", "PPM", "AVIF", "JPEG2000", "TGA", "WEBP"])
def test_half_a_file_is_rejected(file_format: str) -> None:
    data = encoded(np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8), file_format)
    assert reason(data[: len(data) // 2])
