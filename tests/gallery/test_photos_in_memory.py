"""Photos that are no files: what a web handler, a notebook or a camera loop has in its hands."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from facesearch import Gallery
from facesearch.errors import RejectedImageError, UsageError
from facesearch.photos.given import pixels_of

from .on_server import Server


@pytest.fixture(scope="module")
def photos(people_photos: Path) -> list[Path]:
    """Two photos of one person, then one of another."""
    first, second = sorted(people_photos.iterdir())[:2]
    return [*sorted(first.iterdir())[:2], sorted(second.iterdir())[0]]


@pytest.fixture(scope="module")
def gallery(photos: list[Path], tmp_path_factory: pytest.TempPathFactory, server: Server | None) -> Gallery:
    opened = Gallery.open(tmp_path_factory.mktemp("memory") / "gallery")
    opened.enroll("Ann", photos[0])
    opened.enroll("Zoe", photos[2])
    return opened


def rgba(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGBA"))


GIVEN: dict[str, Callable[[Path], Any]] = {
    "text": str,
    "bytes": Path.read_bytes,
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "stream": lambda path: io.BytesIO(path.read_bytes()),
    "open file": lambda path: path.open("rb"),
    "Pillow image": Image.open,
    "Pillow palette": lambda path: Image.open(path).convert("P"),
    "pixels": lambda path: np.asarray(Image.open(path)),
    "grey pixels": lambda path: np.asarray(Image.open(path).convert("L")),
    "RGBA pixels": rgba,
    "pixels that are a view": lambda path: np.asarray(Image.open(path))[:, ::-1],
}


@pytest.mark.parametrize("given", list(GIVEN))
def test_whatever_a_program_has_is_a_photo(given: str, gallery: Gallery, photos: list[Path]) -> None:
    photo = GIVEN[given](photos[1])
    assert gallery.identify(photo).candidates[0].identity == "Ann"
    assert gallery.verify(photos[0], photo).same  # the same stream is read again
    assert not gallery.verify(photo, photos[2]).same
    assert gallery.template(photo).shape == (192,)
    if hasattr(photo, "close"):
        photo.close()


def test_channels_may_be_in_the_order_of_opencv(gallery: Gallery, photos: list[Path]) -> None:
    image = np.asarray(Image.open(photos[1]))
    bgr = image[:, :, ::-1]
    assert np.array_equal(pixels_of(bgr, "bgr"), image)
    asked = gallery.identify(bgr, colour="bgr").candidates[0].similarity
    assert asked == pytest.approx(gallery.identify(image).candidates[0].similarity, abs=1e-6)
    assert gallery.identify_faces(bgr, colour="bgr")[0].candidates[0].similarity == pytest.approx(asked, abs=1e-6)
    assert gallery.verify(bgr, bgr, colour="bgr").similarity == pytest.approx(1, abs=1e-5)
    with pytest.raises(UsageError, match="colour is rgb or bgr, not 'rgba'"):
        gallery.identify(image, colour="rgba")


def test_transparency_is_laid_on_white_and_images_are_turned_upright(photos: list[Path]) -> None:
    layers = rgba(photos[0]).copy()
    layers[:20, :, 3] = 0
    layers[20:40, :, 3] = 128
    white = pixels_of(layers)
    assert (white[:20] == 255).all()
    assert np.array_equal(white[40:], layers[40:, :, :3])
    half = np.rint(layers[20:40, :, :3] * (128 / 255) + 255 * (127 / 255))
    assert np.abs(white[20:40] - half).max() <= 1
    assert np.array_equal(pixels_of(layers[:, :, [2, 1, 0, 3]], "bgr"), white)
    held = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(photos[0]).save(held, "JPEG", exif=exif)
    held.seek(0)
    image = Image.open(io.BytesIO(held.getvalue()))
    assert np.array_equal(
        pixels_of(image), np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(held.getvalue()))))
    )
    assert np.array_equal(pixels_of(held), pixels_of(image))


def test_photos_in_memory_are_enrolled_once(photos: list[Path], tmp_path: Path) -> None:
    content = photos[0].read_bytes()
    with Gallery.open(tmp_path / "gallery") as gallery:
        assert gallery.enroll("Ann", content).templates == 1
        assert gallery.enroll("Ann", [photos[0]]).skipped == 1  # the same content
        assert gallery.enroll("Ann", [io.BytesIO(content), bytearray(content)]).skipped == 2
        pixels = np.asarray(Image.open(photos[1]))
        assert gallery.enroll("Ann", pixels).templates == 1  # one photo, not one for each row
        assert gallery.enroll("Ann", np.stack([pixels, pixels])).skipped == 2
        assert gallery.enroll("Ann", Image.open(photos[1])).skipped == 1
        assert {info.path for info in gallery.templates("Ann")} == {str(photos[0]), "pixels 1"}  # a file by now
        asked: list[list[Any]] = [[pixels], [photos[2], pixels]]
        for images in asked:
            (rejection,) = gallery.enroll("Eve", images).rejected  # is not hers because it has another number
            assert "the same image is enrolled as Ann" in rejection.reason
        gallery.forget("Eve")
        given: list[Any] = [photos[2].read_bytes(), b"no photo", np.zeros((9, 9), np.float64)]
        mixed = gallery.enroll("Zoe", given, again=True)
        assert (mixed.templates, len(mixed.rejected)) == (1, 2)


SECRET = b"\xff\xd8\xff" + b"secret" * 2000


@pytest.mark.parametrize("wrong", [SECRET, bytearray(SECRET), io.BytesIO(SECRET), memoryview(SECRET)])
def test_no_message_holds_the_content_of_a_photo(wrong: Any, gallery: Gallery, photos: list[Path]) -> None:
    for ask in (gallery.identify, gallery.template, lambda photo: gallery.verify(photos[0], photo)):
        with pytest.raises(RejectedImageError) as refused:
            ask(wrong)
        assert len(str(refused.value)) < 100
        assert "secret" not in str(refused.value)
    (rejection,) = gallery.enroll("Ann", wrong).rejected
    assert "secret" not in rejection.path + rejection.reason
    with pytest.raises(RejectedImageError, match="the second photo: "):
        gallery.verify(photos[0], wrong)


@pytest.mark.parametrize("wrong", [None, 3, 3.5, object(), {}, io.StringIO("text")])
def test_what_is_no_photo_is_refused_in_one_line(wrong: Any, gallery: Gallery) -> None:
    with pytest.raises(UsageError, match="a photo is "):
        gallery.identify(wrong)
    with pytest.raises(UsageError, match="a photo is "):
        gallery.enroll("Ann", [wrong])
    for pixels in (np.zeros((9, 9, 2), np.uint8), np.zeros((64, 64, 3)), np.zeros(64, np.uint8)):
        with pytest.raises(RejectedImageError, match="pixels are"):
            gallery.identify(pixels)  # type: ignore[arg-type]
    for threshold in (95, float("nan"), -1.01):
        with pytest.raises(UsageError, match="a threshold is a similarity between -1 and 1"):
            gallery.identify(np.zeros((64, 64, 3), np.uint8), threshold=threshold)
