"""What is drawn of an answer: boxes and names on the photo, and contact sheets. Looked at pixel by pixel."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from facesearch import FaceAnswer, Gallery, PhotoAnswers, RejectedImageError
from facesearch.drawing import marks, tiles
from facesearch.drawing.marks import MATCH, UNKNOWN, MarkedFace, fitted, with_faces
from facesearch.gallery import contact_sheet
from facesearch.photos.decoding import load_image
from facesearch.photos.given import Probe
from facesearch.photos.photo import Photo
from facesearch.workshop.sample_people import draw_people, group_photo


def _near(picture: Image.Image, colour: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    """Which pixels (h, w) have about this colour."""
    away = np.abs(np.asarray(picture.convert("RGB"), np.int16) - np.array(colour))
    return np.asarray((away < 12).all(axis=2))


def test_a_box_lies_where_the_face_is_and_the_name_above_it() -> None:
    grey = np.full((400, 600, 3), 128, np.uint8)
    picture = with_faces(grey, [MarkedFace((200, 150, 100, 120), "Ada 0.83", is_match=True)])
    assert picture.size == (600, 400)
    green = _near(picture, MATCH)
    rows, columns = np.flatnonzero(green.any(axis=1)), np.flatnonzero(green.any(axis=0))
    assert (columns[0], rows[-1]) == (200, 270)
    assert columns[-1] == 300
    assert green[200, 200] and green[200, 300] and not green[200, 250]  # an outline
    assert rows[0] == 150 - 22  # the label's ground
    assert _near(picture, (255, 255, 255))[128:150, 200:300].any()  # and its letters
    assert _near(with_faces(grey, [MarkedFace(None, "unknown", is_match=False)]), UNKNOWN)[0].all()


def test_large_photos_are_made_small_and_small_ones_legible() -> None:
    large = with_faces(np.full((3000, 6000, 3), 128, np.uint8), [MarkedFace((3000, 0, 3000, 3000), "", is_match=True)])
    assert large.size == (1024, 512)
    assert np.flatnonzero(_near(large, MATCH).any(axis=0))[0] == 512
    assert with_faces(np.zeros((112, 112, 3), np.uint8), []).size == (320, 320)
    assert with_faces(np.zeros((3, 5000, 3), np.uint8), [MarkedFace(None, "Ada", is_match=True)]).size == (1024, 1)


@pytest.mark.parametrize(
    "box",
    [(-50, -50, 1000, 1000), (590, 390, 100, 100), (700, 500, 20, 20), (-90, -90, 10, 10), (10, 10, 0, 0)],
)
def test_a_box_beyond_the_photo_is_drawn_as_far_as_it_goes(box: tuple[float, float, float, float]) -> None:
    with_faces(np.zeros((400, 600, 3), np.uint8), [MarkedFace(box, "somebody", is_match=False)])


@pytest.mark.parametrize(
    "name", ["名前", "أحمد", "\u202eadA", "two\nlines", "\x1b[31m", "\ud800", "🧑‍🚀", "Å" * 50_000, "", "\U0010ffff"]
)
def test_every_name_can_be_drawn_within_its_width(name: str) -> None:
    shown = fitted(name, 100)
    assert "\n" not in shown and "\x1b" not in shown
    assert len(shown) <= 100
    with_faces(np.zeros((50, 80, 3), np.uint8), [MarkedFace((1, 1, 9, 9), name, is_match=True)])


def test_a_font_of_latin_letters_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageFont

    bitmap = ImageFont.load_default_imagefont()
    monkeypatch.setattr(marks, "_font", lambda: bitmap)
    with_faces(np.zeros((90, 300, 3), np.uint8), [MarkedFace((1, 1, 9, 9), "Łukasz 名前 …" * 9, is_match=True)])


def test_an_answer_shows_its_face_and_a_notebook_its_png(everybody: Gallery, probes: list[Photo]) -> None:
    answer = everybody.identify(probes[0].path, threshold=-1)
    picture = answer.show()
    assert picture.size == load_image(probes[0].path).shape[1::-1]
    assert answer.box is not None
    left, top, _, height = answer.box
    assert _near(picture, MATCH)[int(top + height / 2), int(left)]
    png = answer._repr_png_()
    assert png is not None
    assert Image.open(io.BytesIO(png)).size == picture.size
    unknown = everybody.identify(probes[0].path, threshold=1)
    assert not _near(unknown.show(), MATCH).any()
    assert _near(unknown.show(), UNKNOWN).any()


def test_all_faces_of_a_photo_are_on_one_picture(everybody: Gallery) -> None:
    answers = everybody.identify_faces(group_photo(draw_people(3), dominant=1), threshold=-1)
    assert isinstance(answers, PhotoAnswers)
    green = _near(answers.show(), MATCH) | _near(answers.show(), UNKNOWN)
    for answer in answers:
        assert answer.box is not None
        assert green[round(answer.box[1] + answer.box[3] / 2), round(answer.box[0])]


def test_a_photo_is_shown_however_it_was_given(everybody: Gallery, probes: list[Photo]) -> None:
    path = probes[0].path
    expected = np.asarray(everybody.identify(path).show())
    pixels = load_image(path)
    with path.open("rb") as file:
        from_file = everybody.identify(file)
    with Image.open(path) as opened:
        from_pillow = everybody.identify(opened)
        assert np.array_equal(np.asarray(from_pillow.show()), expected)
    for answer in (
        everybody.identify(path.read_bytes()),
        from_file,  # which is closed by now
        everybody.identify(pixels),
        everybody.identify(np.ascontiguousarray(pixels[:, :, ::-1]), colour="bgr"),
    ):
        assert np.array_equal(np.asarray(answer.show()), expected)


def test_photos_are_shown_upright(everybody: Gallery, probes: list[Photo], tmp_path: Path) -> None:
    upright = Image.fromarray(load_image(probes[0].path))
    turned = upright.transpose(Image.Transpose.ROTATE_90)  # to be turned clockwise by whoever shows it
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    shown = everybody.identify(tmp_path / "turned.png").show()
    assert np.array_equal(np.asarray(shown), np.asarray(everybody.identify(np.asarray(upright)).show()))


def test_without_its_photo_an_answer_is_text(everybody: Gallery, probes: list[Photo], tmp_path: Path) -> None:
    shutil.copy(probes[0].path, tmp_path / "gone.jpg")
    answer = everybody.identify(tmp_path / "gone.jpg")
    (tmp_path / "gone.jpg").unlink()
    assert answer._repr_png_() is None
    with pytest.raises(RejectedImageError, match="no such file"):
        answer.show()
    with pytest.raises(RejectedImageError, match="no photo to show"):
        FaceAnswer(None, 0.5, ()).show()
    assert PhotoAnswers()._repr_png_() is None
    assert answer == everybody.identify(probes[0].path)  # the photo is no part of what was answered
    assert "photo" not in repr(answer)


def test_a_sheet_has_a_row_for_each_face_beside_its_candidates(everybody: Gallery, probes: list[Photo]) -> None:
    group = group_photo(draw_people(3), dominant=1)
    asked = everybody.identify_photos([probes[0].path, group, np.zeros((50, 50, 3), np.uint8)], k=3, threshold=-1)
    (sheet,) = everybody.sheets(asked)
    assert sheet.height == 5 * contact_sheet._ROW
    pixels = np.asarray(sheet)
    candidates = 4 * tiles.GAP + contact_sheet._PHOTO + tiles.TILE + contact_sheet._WORDS
    assert sheet.width == candidates + 3 * contact_sheet._COLUMN
    first = pixels[:, candidates - tiles.GAP :][tiles.GAP + tiles.LINE + 60, :][10:100]
    assert first.std() > 5  # a photo, and no plain ground
    assert _near(sheet, MATCH)[: contact_sheet._ROW].any()
    assert _near(sheet, UNKNOWN)[4 * contact_sheet._ROW :].any()  # why the last one was rejected


def test_photos_that_are_gone_or_no_photos_leave_an_empty_tile(
    everybody: Gallery, probes: list[Photo], known: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (answers,) = everybody.identify_photos([probes[0].path], k=1)
    assert isinstance(answers, PhotoAnswers)
    entries = contact_sheet.sheet_entries([answers])
    number = answers[0].candidates[0].template_id
    (info,) = everybody.template_infos([number])
    (there,) = contact_sheet.contact_sheets(entries, {number: info})
    shutil.copy(info.path, tmp_path / "photo 1")  # a photo from memory has such a name
    (tmp_path / "text.jpg").write_text("no photo")
    empty = []
    for path in (tmp_path / "gone.jpg", tmp_path / "text.jpg", tmp_path, "photo 1", "x\0y"):
        empty.append(next(contact_sheet.contact_sheets(entries, {number: replace(info, path=str(path))})))
    (none,) = contact_sheet.contact_sheets(entries, {})
    for sheet in empty:
        assert sheet.tobytes() == none.tobytes() != there.tobytes()
    elsewhere = replace(info, box=(5000.0, 5000.0, 80.0, 80.0))  # another photo has the file's name now
    assert next(contact_sheet.contact_sheets(entries, {number: elsewhere})).tobytes() != none.tobytes()


def test_many_faces_take_several_sheets(
    everybody: Gallery, probes: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_sheet, "ROWS", 2)
    asked = everybody.identify_photos([probe.path for probe in probes[:5]])
    told: list[tuple[int, int]] = []
    sheets = list(everybody.sheets(asked, lambda done, total: told.append((done, total))))
    assert [sheet.height // contact_sheet._ROW for sheet in sheets] == [2, 2, 1]
    assert told == [(done, 5) for done in range(1, 6)]
    assert list(everybody.sheets([])) == []


def test_a_photo_that_cannot_be_read_any_more_has_its_row(everybody: Gallery, tmp_path: Path) -> None:
    entry = contact_sheet.SheetEntry("x\x1b.jpg", RejectedImageError("no such file"), Probe(tmp_path / "x.jpg"))
    (sheet,) = everybody.sheets([entry])
    assert sheet.height == contact_sheet._ROW
