"""Image formats as people have them: what is read, and what is named in place of being read."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from photo_files import encoded, gradient, profile, reason, tiff
from PIL import Image, ImageCms

from facesearch.photos.decoding import decode

BLUE = Image.new("RGB", (16, 24), "blue")
DISPLAY_P3 = profile((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841), 2.2)
SWAPPED = profile((0.1571, 0.0666, 0.7841), (0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), 2.2)


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "packbits"}),
        ("JPEG2000", {}),
        ("JPEG2000", {"no_jp2": True}),
        ("PPM", {}),
        ("TGA", {}),
        ("TGA", {"compression": "tga_rle"}),
    ],
)
def test_lossless_formats_give_the_pixels_that_were_saved(file_format: str, options: dict[str, Any]) -> None:
    assert np.array_equal(decode(encoded(gradient(), file_format, **options)), gradient())


@pytest.mark.parametrize(("file_format", "options"), [("AVIF", {"quality": 95}), ("TIFF", {"compression": "jpeg"})])
def test_lossy_formats_give_nearly_the_pixels_that_were_saved(file_format: str, options: dict[str, Any]) -> None:
    assert np.abs(decode(encoded(gradient(), file_format, **options)).astype(int) - gradient()).mean() < 8


def test_a_gif_gives_the_colours_of_its_palette() -> None:
    picture = Image.fromarray(gradient()).quantize(64)
    assert np.array_equal(decode(encoded(picture, "GIF")), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("file_format", ["GIF", "AVIF", "TIFF", "MPO"])
def test_of_several_frames_or_pages_the_first_is_read(file_format: str) -> None:
    data = encoded(gradient(), file_format, save_all=True, append_images=[BLUE])
    assert np.abs(decode(data).astype(int) - gradient()).mean() < 16


def test_a_transparent_gif_is_laid_on_white() -> None:
    picture = Image.new("P", (20, 20), 0)
    picture.putpalette([200, 0, 0, 0, 200, 0])
    picture.paste(1, (10, 0, 20, 20))
    decoded = decode(encoded(picture, "GIF", transparency=0))
    assert decoded[0, 0].tolist() == [255, 255, 255]
    assert decoded[0, 19].tolist() == [0, 200, 0]


@pytest.mark.parametrize("file_format", ["TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_the_new_formats_is_followed_once(file_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if file_format == "AVIF" else {}
    expected = decode(encoded(gradient(), "PNG", exif=exif.tobytes()))
    decoded = decode(encoded(gradient(), file_format, exif=exif.tobytes(), **options))
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < 8


# depth


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_the_bits_of_a_sensor_in_a_file_of_sixteen_are_stretched(file_format: str, bits: int) -> None:
    deep = np.linspace(0, 2**bits - 1, 400).reshape(20, 20).astype(np.uint16)
    decoded = decode(encoded(Image.fromarray(deep), file_format))
    assert np.array_equal(decoded[..., 0], deep >> (bits - 8))
    assert np.array_equal(decoded[..., 0], decoded[..., 2])


def test_eight_bits_in_a_file_of_sixteen_stay_as_they_are() -> None:
    shallow = np.linspace(0, 255, 400).reshape(20, 20).astype(np.uint16)
    assert np.array_equal(decode(encoded(Image.fromarray(shallow), "PNG"))[..., 1], shallow)


def test_a_black_file_of_sixteen_bits_stays_black() -> None:
    assert not decode(encoded(Image.fromarray(np.zeros((20, 20), np.uint16)), "PNG")).any()


@pytest.mark.parametrize("most", [1.0, 255.0, 4095.0])
def test_floating_point_grey_is_shown_from_black_to_white(most: float) -> None:
    values = np.linspace(0, most, 400, dtype=np.float32).reshape(20, 20)
    values[0, 0] = np.nan
    decoded = decode(encoded(Image.fromarray(values), "TIFF"))
    assert decoded[0, 0, 0] == 0
    assert decoded.max() == 255
    assert abs(int(decoded[10, 0, 0]) - 128) <= 2


# colour profiles


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_channels_that_a_profile_swaps_come_out_in_their_places(mode: str) -> None:
    stored = Image.new(mode, (20, 20), (250, 10, 10))
    red, green, blue = (int(value) for value in decode(encoded(stored, "PNG", icc_profile=SWAPPED))[5, 5])
    assert blue > 200 > 100 > max(red, green)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_photo_in_a_wide_gamut_is_more_colourful_than_its_numbers(file_format: str) -> None:
    options: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}
    if file_format in ("AVIF", "JPEG"):
        options = {"quality": 95}
    picture = Image.new("RGB", (32, 32), (180, 80, 80))
    plain = decode(encoded(picture, file_format, **options))[16, 16].astype(int)
    shown = decode(encoded(picture, file_format, icc_profile=DISPLAY_P3, **options))[16, 16].astype(int)
    assert shown[0] - plain[0] >= 8
    assert plain[1] - shown[1] >= 8


def test_a_profile_that_says_srgb_changes_no_pixel() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(decode(encoded(gradient(), "PNG", icc_profile=srgb)), gradient())


@pytest.mark.parametrize("damaged", [b"", b"no profile", DISPLAY_P3[:140], bytes(4 << 20) + DISPLAY_P3])
def test_a_damaged_profile_does_not_cost_the_image(damaged: bytes) -> None:
    assert np.array_equal(decode(encoded(gradient(), "TIFF", icc_profile=damaged)), gradient())


def test_a_profile_for_other_channels_is_left_out() -> None:
    grey = Image.fromarray(gradient()[..., 0])
    assert np.array_equal(decode(encoded(grey, "PNG", icc_profile=DISPLAY_P3))[..., 0], gradient()[..., 0])


def test_tiff_in_lab_gives_colours() -> None:
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (20, 20), (200, 40, 40)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    assert np.abs(decode(encoded(lab, "TIFF"))[5, 5].astype(int) - (200, 40, 40)).max() < 8


def test_a_large_picture_is_turned_as_a_small_one_is() -> None:
    exif = Image.Exif()
    tall = Image.fromarray(np.repeat(np.arange(250, dtype=np.uint8)[:, None], 20_000, axis=1))  # several bands
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        decoded = decode(encoded(tall, "PNG", exif=exif.tobytes(), compress_level=1))
        along = decoded[:, 7, 0] if decoded.shape[0] == 250 else decoded[7, :, 0]
        expected = np.arange(250)
        assert np.array_equal(along, expected[::-1] if orientation in (3, 4, 6, 7) else expected)


# what is not read


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\x0a" + bytes(90), "JPEG XL is not read"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(90), "JPEG XL is not read"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(90), "RAW file: export it as JPEG"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1" + bytes(90), "RAW file"),
        (b"FUJIFILMCCD-RAW 0201" + bytes(90), "RAW file"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(90), "a video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(90), "a video"),
        (b"\x1aE\xdf\xa3" + bytes(90), "a video"),
        (b"RIFF\0\0\0\0AVI LIST" + bytes(90), "a video"),
        (b"8BPS\0\1" + bytes(90), "Photoshop is not read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(90), "PostScript is not read"),
        (b"%PDF-1.7\n" + bytes(90), "PDF is not read"),
        (b"II+\0\x08\0\0\0" + bytes(90), "BigTIFF is not read"),
        (b"\n<!DOCTYPE html><html>" + bytes(90), "a web page, not an image"),
        (b"<?xml version='1.0'?><svg/>" + bytes(90), "a drawing"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(data: bytes, words: str) -> None:
    assert words in reason(data)


@pytest.mark.parametrize("extra", [(50706, 1, 4, 0x0401), (254, 4, 1, 1)])
def test_the_preview_in_a_cameras_raw_file_is_not_taken_for_the_photo(extra: tuple[int, int, int, int]) -> None:
    size = ((256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8), (330, 4, 1, 8))
    assert "RAW file" in reason(tiff(*size, extra, tail=bytes(400)))


def test_a_scan_that_is_marked_as_reduced_is_read_where_it_is_the_only_picture() -> None:
    picture = Image.fromarray(gradient())
    assert np.array_equal(decode(encoded(picture, "TIFF", tiffinfo={254: 1})), gradient())


def test_the_raw_check_takes_headers_of_both_byte_orders() -> None:
    data = b"MM\0*" + struct.pack(">IH", 8, 1) + struct.pack(">HHII", 50706, 1, 4, 0x01040000) + bytes(100)
    assert "RAW file" in reason(data)
