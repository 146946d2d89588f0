"""Image files -> RGB arrays: formats, modes, orientation, limits, and files made to do harm."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facesearch.errors import UnreadableImageError
from facesearch.photos import decoding as images
from facesearch.photos.colours import upright_rgb
from facesearch.photos.limits import MAX_PIXELS

RGB = npt.NDArray[np.uint8]


def _gradient(height: int = 24, width: int = 16) -> RGB:
    """A picture without symmetry, smooth enough to survive JPEG: red grows to the right, green downwards."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.linspace(20, 230, width).astype(np.uint8)
    picture[..., 1] = np.linspace(20, 230, height).astype(np.uint8)[:, None]
    picture[..., 2] = 60
    return picture


def _encoded(image: Image.Image | RGB, file_format: str, **options: Any) -> bytes:
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    stream = io.BytesIO()
    picture.save(stream, file_format, **options)
    return stream.getvalue()


def _heic(picture: RGB) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(picture)).save(stream, quality=95)
    return stream.getvalue()


def _png_claiming(width: int, height: int, depth: int = 8, rows: bytes = bytes(1000)) -> bytes:
    """A colour PNG whose header promises width × height pixels, whatever its rows hold."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    pixels = zlib.compress(rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _reason(data: bytes) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        images.decode(data)
    return str(caught.value)


def _file_reason(path: Path) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        images.load_image(path)
    reason = str(caught.value)
    assert str(path.parent) not in reason
    assert path.name not in reason
    return reason


# formats


@pytest.mark.parametrize("file_format", ["PNG", "BMP"])
def test_lossless_formats_give_the_pixels_that_were_saved(file_format: str) -> None:
    decoded = images.decode(_encoded(_gradient(), file_format))
    assert np.array_equal(decoded, _gradient())
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    assert decoded.flags.writeable


def test_lossless_webp_gives_the_pixels_that_were_saved() -> None:
    assert np.array_equal(images.decode(_encoded(_gradient(), "WEBP", lossless=True)), _gradient())


@pytest.mark.parametrize("options", [{"quality": 95}, {"quality": 95, "progressive": True}])
def test_jpeg_is_decoded_close_to_what_was_saved(options: dict[str, Any]) -> None:
    decoded = images.decode(_encoded(_gradient(), "JPEG", **options))
    assert np.abs(decoded.astype(int) - _gradient()).mean() < 6


def test_lossy_webp_is_decoded_close_to_what_was_saved() -> None:
    decoded = images.decode(_encoded(_gradient(), "WEBP", quality=95))
    assert np.abs(decoded.astype(int) - _gradient()).mean() < 6


def test_the_first_picture_of_a_phones_mpo_file_is_read() -> None:
    second = Image.new("RGB", (16, 24), "blue")
    data = _encoded(_gradient(), "MPO", save_all=True, append_images=[second], quality=95)
    assert np.abs(images.decode(data).astype(int) - _gradient()).mean() < 6


def test_heic_is_decoded_close_to_what_was_saved() -> None:
    picture = _gradient(64, 48)
    decoded = images.decode(_heic(picture))
    assert decoded.shape == picture.shape
    assert np.abs(decoded.astype(int) - picture).mean() < 6


def test_heic_turned_by_the_phone_comes_out_upright() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    picture = _gradient(64, 48)
    stored = Image.fromarray(picture).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    pillow_heif.from_pillow(stored).save(stream, quality=95, exif=exif.tobytes())
    decoded = images.decode(stream.getvalue())
    assert decoded.shape == picture.shape
    assert np.abs(decoded.astype(int) - picture).mean() < 6


def test_heic_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert "pip install facesearch[heic]" in _reason(data)


def test_pillow_heif_is_not_imported_for_other_formats() -> None:
    program = (
        "import io, sys; from PIL import Image; from facesearch.photos import decoding; s = io.BytesIO();"
        "Image.new('RGB', (20, 20)).save(s, 'PNG'); decoding.decode(s.getvalue());"
        "assert 'pillow_heif' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[1])


@pytest.mark.parametrize("file_format", ["PCX", "SGI", "DDS"])
def test_formats_outside_the_list_are_rejected(file_format: str) -> None:
    assert _reason(_encoded(_gradient(), file_format)).startswith("not an image in a known format (JPEG, PNG")


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_an_animated_file_gives_its_first_frame(file_format: str) -> None:
    second = Image.new("RGB", (16, 24), "blue")
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = _encoded(_gradient(), file_format, save_all=True, append_images=[second], duration=50, **options)
    assert np.array_equal(images.decode(data), _gradient())


# modes


def test_grey_is_repeated_over_the_three_channels() -> None:
    grey = _gradient()[..., 0]
    assert np.array_equal(images.decode(_encoded(grey, "PNG")), np.repeat(grey[..., None], 3, axis=2))


def test_palette_colours_are_looked_up() -> None:
    picture = Image.fromarray(_gradient()).quantize(64)
    assert np.array_equal(images.decode(_encoded(picture, "PNG")), np.asarray(picture.convert("RGB")))


def test_a_transparent_palette_entry_becomes_white() -> None:
    picture = Image.new("P", (20, 20), 0)
    picture.putpalette([200, 0, 0, 0, 200, 0])
    picture.paste(1, (10, 0, 20, 20))
    decoded = images.decode(_encoded(picture, "PNG", transparency=0))
    assert decoded[0, 0].tolist() == [255, 255, 255]
    assert decoded[0, 19].tolist() == [0, 200, 0]


def test_a_palette_with_an_alpha_for_every_entry_is_laid_on_white() -> None:
    picture = Image.new("P", (20, 20), 0)
    picture.putpalette([200, 0, 0, 0, 200, 0])
    decoded = images.decode(_encoded(picture, "PNG", transparency=b"\x00\xff"))
    assert decoded[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_transparency_is_laid_on_white(file_format: str) -> None:
    picture = Image.new("RGBA", (20, 20), (100, 0, 0, 0))
    picture.paste((0, 0, 100, 255), (10, 0, 20, 20))
    options = {"lossless": True} if file_format == "WEBP" else {}
    decoded = images.decode(_encoded(picture, file_format, **options))
    assert decoded[0, 0].tolist() == [255, 255, 255]
    assert decoded[0, 19].tolist() == [0, 0, 100]


def test_half_transparent_grey_is_mixed_with_white() -> None:
    decoded = images.decode(_encoded(Image.new("LA", (20, 20), (0, 128)), "PNG"))
    assert decoded.shape == (20, 20, 3)
    assert abs(int(decoded[0, 0, 0]) - 127) <= 1


def test_one_bit_images_become_black_and_white() -> None:
    picture = Image.new("1", (20, 20), 0)
    picture.paste(1, (10, 0, 20, 20))
    decoded = images.decode(_encoded(picture, "PNG"))
    assert (decoded[0, 0, 0], decoded[0, 19, 2]) == (0, 255)


def test_cmyk_jpeg_gives_colours_and_not_their_negative() -> None:
    picture = Image.new("RGB", (32, 32), (200, 40, 40)).convert("CMYK")
    decoded = images.decode(_encoded(picture, "JPEG", quality=95))
    assert np.abs(decoded.astype(int) - (200, 40, 40)).max() < 12


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    deep = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    decoded = images.decode(_encoded(Image.fromarray(deep), "PNG"))
    assert np.array_equal(decoded[..., 0], deep >> 8)
    assert np.array_equal(decoded[..., 0], decoded[..., 2])


@pytest.mark.parametrize(("mode", "dtype"), [("I", "<i4"), ("I;16B", ">u2")])
def test_other_carriers_of_sixteen_bits_are_scaled_alike(mode: str, dtype: str) -> None:
    deep = np.linspace(0, 65535, 400).reshape(20, 20).astype(dtype)
    picture = Image.frombytes(mode, (20, 20), deep.tobytes())
    assert np.array_equal(upright_rgb(picture)[..., 1], deep >> 8)


def test_sixteen_bit_colour_keeps_its_high_byte() -> None:
    rows = b"".join(b"\0" + struct.pack(">HHH", 0x12FF, 0x80FF, 0xFF00) * 20 for _ in range(20))
    assert images.decode(_png_claiming(20, 20, 16, rows))[5, 5].tolist() == [0x12, 0x80, 0xFF]


# orientation


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, 1)),
        (7, lambda a: np.rot90(a, 2).swapaxes(0, 1)),
        (8, lambda a: np.rot90(a, -1)),
    ],
)
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_every_exif_orientation_comes_out_upright(orientation: int, stored: Any, file_format: str) -> None:
    upright = _gradient()
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {"quality": 95, "subsampling": 0}
    data = _encoded(np.ascontiguousarray(stored(upright)), file_format, exif=exif.tobytes(), **options)
    decoded = images.decode(data)
    assert decoded.shape == upright.shape
    assert np.abs(decoded.astype(int) - upright).mean() < (6 if file_format == "JPEG" else 0.01)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_changes_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(images.decode(_encoded(_gradient(), "PNG", exif=exif.tobytes())), _gradient())


def test_a_damaged_exif_block_does_not_cost_the_image() -> None:
    data = _encoded(_gradient(), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert np.array_equal(images.decode(data), _gradient())


# limits


def test_a_header_that_claims_more_pixels_than_allowed_is_rejected_before_decoding() -> None:
    assert _reason(_png_claiming(50_000, 50_000)) == "more than 89 megapixels (50000×50000)"


def test_sizes_between_our_cap_and_pillows_error_are_rejected_too() -> None:
    assert (Image.MAX_IMAGE_PIXELS or 0) > MAX_PIXELS
    assert _reason(_png_claiming(12_000, 12_000)) == "more than 89 megapixels (12000×12000)"


def test_a_webp_canvas_beyond_the_cap_is_rejected_before_the_decoder_allocates_it() -> None:
    flags, edge = b"\0\0\0\0", (16_383).to_bytes(3, "little")
    data = b"RIFF" + (22).to_bytes(4, "little") + b"WEBPVP8X" + (10).to_bytes(4, "little") + flags + edge + edge
    assert _reason(data) == "more than 40 megapixels (16384×16384)"


def test_an_image_below_ten_pixels_is_too_small() -> None:
    assert _reason(_encoded(_gradient(9, 40), "PNG")).startswith("too small (40×9")
    assert images.decode(_encoded(_gradient(10, 10), "PNG")).shape == (10, 10, 3)


def test_a_file_beyond_the_byte_cap_is_rejected_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as stream:
        stream.truncate(images.MAX_BYTES + 1)  # sparse
    assert _file_reason(path) == "larger than 64 MiB"


def test_a_file_of_exactly_the_byte_cap_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _encoded(_gradient(), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    monkeypatch.setattr(images, "MAX_BYTES", len(data))
    assert images.read_bytes(tmp_path / "a.png") == data


def test_more_bytes_than_the_cap_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 2**20)
    assert _reason(bytes(2**20 + 1)) == "larger than 1 MiB"


# files that are no images


def test_a_missing_file_is_named_as_such(tmp_path: Path) -> None:
    assert _file_reason(tmp_path / "absent.jpg") == "no such file"
    assert _file_reason(tmp_path / "absent" / "deeper.jpg") == "no such file"


def test_a_folder_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    assert _file_reason(tmp_path / "folder.jpg") == "is a folder"


def test_an_empty_file_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "nothing.jpg").touch()
    assert _file_reason(tmp_path / "nothing.jpg") == "empty file"
    assert _reason(b"") == "empty file"


def test_a_file_that_may_not_be_read_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(b"x")
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser may read everything

        def refuse(*_: object) -> int:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "open", refuse)
    assert _file_reason(path) == "no permission to read"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert _file_reason(tmp_path / "pipe.jpg") == "not a regular file"


def test_a_loop_of_links_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    assert _file_reason(tmp_path / "loop.jpg").startswith("cannot be read (too many levels")


def test_a_name_with_a_zero_byte_is_rejected() -> None:
    with pytest.raises(UnreadableImageError, match="not a valid file name"):
        images.read_bytes("a\0b.jpg")


def test_text_named_as_an_image_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("not a picture at all, although the name says so")
    assert _file_reason(tmp_path / "notes.jpg").startswith("not an image in a known format (JPEG, PNG, WebP, BMP, HEIC")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP"])
def test_half_a_file_is_a_truncated_image(file_format: str) -> None:
    data = _encoded(_gradient(64, 64), file_format)
    assert _reason(data[: len(data) // 2]) == "truncated image file"


def test_half_a_heic_file_is_a_truncated_image() -> None:
    data = _heic(_gradient(64, 64))
    assert _reason(data[: len(data) // 2]) == "truncated image file"


def test_damaged_pixels_are_called_damaged() -> None:
    data = bytearray(_encoded(_gradient(64, 64), "PNG"))
    data[60:90] = b"\x55" * 30
    assert _reason(bytes(data)) == "damaged image file"


@pytest.mark.parametrize("error", [MemoryError(), OverflowError("x"), RecursionError(), zlib.error("x"), KeyError(1)])
def test_whatever_the_decoder_raises_becomes_a_rejection(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("facesearch.photos.formats.PngImageFile", fail)
    reason = _reason(_encoded(_gradient(), "PNG"))
    assert reason in {"damaged image file", "not enough memory for this photo"}


def test_the_name_is_noted_on_the_error_and_is_no_part_of_the_reason() -> None:
    with pytest.raises(UnreadableImageError) as caught:
        images.decode(b"text", "people/ann/1.jpg")
    assert "ann" not in str(caught.value)
    assert caught.value.__notes__ == ["image: people/ann/1.jpg"]


# hostile bytes

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "JPEG2000", "PPM", "TGA", "AVIF")
_VALID = {name: _encoded(_gradient(), name) for name in _FORMATS}
_MAGIC = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ", b"BM", b"\0\0\0\x18ftypheic", b""]


def _decodes_or_rejects(data: bytes) -> None:
    try:
        decoded = images.decode(data)
    except UnreadableImageError as error:
        reason = str(error)
        assert reason
        assert "\n" not in reason
        assert "Error" not in reason
    else:
        assert decoded.ndim == 3
        assert decoded.shape[2] == 3
        assert decoded.dtype == np.uint8


@settings(max_examples=150, deadline=None)
@given(magic=st.sampled_from(_MAGIC), rest=st.binary(max_size=300))
def test_random_bytes_are_only_ever_rejected(magic: bytes, rest: bytes) -> None:
    _decodes_or_rejects(magic + rest)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), file_format=st.sampled_from(sorted(_VALID)))
def test_a_file_cut_anywhere_is_decoded_or_rejected(data: st.DataObject, file_format: str) -> None:
    whole = _VALID[file_format]
    _decodes_or_rejects(whole[: data.draw(st.integers(0, len(whole)))])


@settings(max_examples=300, deadline=None)
@given(data=st.data(), file_format=st.sampled_from(sorted(_VALID)))
def test_a_file_with_flipped_bits_is_decoded_or_rejected(data: st.DataObject, file_format: str) -> None:
    damaged = bytearray(_VALID[file_format])
    for bit in data.draw(st.lists(st.integers(0, 8 * len(damaged) - 1), min_size=1, max_size=4)):
        damaged[bit // 8] ^= 1 << bit % 8
    _decodes_or_rejects(bytes(damaged))


def test_damaged_heic_is_decoded_or_rejected() -> None:
    whole = _heic(_gradient(32, 32))
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        _decodes_or_rejects(bytes(damaged))
        _decodes_or_rejects(whole[: int(rng.integers(len(whole)))])


# threads and handles


def test_threads_decode_side_by_side() -> None:
    files = list(_VALID.values()) * 8
    expected = [images.decode(data) for data in files]
    barrier = threading.Barrier(4)

    def work(_: int) -> bool:
        barrier.wait()
        return all(np.array_equal(images.decode(d), e) for d, e in zip(files, expected, strict=True))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files cannot be counted here")
def test_no_file_is_left_open(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    good.write_bytes(_VALID["JPEG"])
    bad.write_bytes(_VALID["JPEG"][:200])
    (tmp_path / "album").mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        images.load_image(good)
        _file_reason(bad)
        _file_reason(tmp_path / "album")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_hash_is_sha256_of_the_bytes() -> None:
    assert images.sha256(b"abc") == hashlib.sha256(b"abc").digest()
