"""Contact sheets: the faces that were asked about, a row each, beside the photos of their candidates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw

from facesearch.errors import RejectedImageError
from facesearch.gallery.answers import FaceAnswer, PhotoAnswers
from facesearch.gallery.drawing import MATCH, UNKNOWN, Colour, MarkedFace, scaled, with_faces, write
from facesearch.photos.decoding import load_image
from facesearch.photos.geometry import Box
from facesearch.photos.given import Probe, named
from facesearch.store import TemplateInfo

RGB = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]  # (photos done, photos in all)

ROWS = 100  # of a sheet
MOST_CANDIDATES = 5
_PHOTO, TILE = 208, 128  # px a side
_GAP, _LINE = 12, 20
_ROW = _PHOTO + _LINE + 2 * _GAP
_COLUMN = TILE + _GAP
_WORDS = 176  # px of the column that says who it is
_AROUND = 0.4  # of its size, that is shown around a face
_BLACK: Colour = (24, 24, 27)
_GREY: Colour = (113, 113, 122)
_GROUND: Colour = (228, 228, 231)
_PAPER: Colour = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """A photo that was asked about, under a name: the answers for its faces, or why it could not be used.

    probe: the photo itself, where no answer has it.
    """

    name: str
    answers: PhotoAnswers | RejectedImageError
    probe: Probe | None = None


Asked = SheetEntry | PhotoAnswers | RejectedImageError


def sheet_entries(asked: Sequence[Asked]) -> list[SheetEntry]:
    """What was asked, as it goes on sheets; photos that are no files are known by their number."""
    return [
        each if isinstance(each, SheetEntry) else SheetEntry(_name_of(each, f"photo {number}"), each)
        for number, each in enumerate(asked, start=1)
    ]


def _name_of(answers: PhotoAnswers | RejectedImageError, otherwise: str) -> str:
    first = answers[0].photo if isinstance(answers, PhotoAnswers) and answers else None
    return otherwise if first is None else named(first.image, otherwise)


@dataclass(frozen=True, slots=True)
class _Row:
    entry: SheetEntry
    answer: FaceAnswer | None
    is_last: bool  # of its photo


def contact_sheets(
    entries: Sequence[SheetEntry], infos: Mapping[int, TemplateInfo], progress: Progress | None = None
) -> Iterator[Pillow.Image]:
    """Sheets of at most `ROWS` faces each, in the order of the photos.

    infos: of the candidates' templates, whose photos are shown where they are files that can still be read.
    """
    rows = [
        _Row(entry, answer, is_last)
        for entry in entries
        for answer, is_last in _with_last([] if isinstance(entry.answers, RejectedImageError) else entry.answers)
    ]
    most = max((len(row.answer.candidates) for row in rows if row.answer), default=0)
    width = 4 * _GAP + _PHOTO + TILE + _WORDS + min(most, MOST_CANDIDATES) * _COLUMN
    pictures, done = _Pictures(infos), 0
    for first in range(0, len(rows), ROWS):
        some = rows[first : first + ROWS]
        sheet = Pillow.new("RGB", (width, len(some) * _ROW), _PAPER)
        draw = ImageDraw.Draw(sheet)
        for number, row in enumerate(some):
            _draw_row(sheet, draw, number * _ROW, row, pictures)
            if row.is_last:
                done += 1
                if progress:
                    progress(done, len(entries))
        yield sheet


def candidate_ids(entries: Sequence[SheetEntry]) -> list[int]:
    """The templates whose photos sheets of these entries show."""
    answers = [each for entry in entries if isinstance(entry.answers, PhotoAnswers) for each in entry.answers]
    return list({one.template_id for each in answers for one in each.candidates[:MOST_CANDIDATES]})


def _with_last(answers: Sequence[FaceAnswer]) -> list[tuple[FaceAnswer | None, bool]]:
    """A row for each face, one without a face where there is none; whether it is the photo's last."""
    faces: Sequence[FaceAnswer | None] = answers or [None]
    return [(each, number == len(faces)) for number, each in enumerate(faces, start=1)]


def _draw_row(sheet: Pillow.Image, draw: ImageDraw.ImageDraw, top: int, row: _Row, pictures: _Pictures) -> None:
    entry, answer = row.entry, row.answer
    if top:
        draw.line([_GAP, top, sheet.width - _GAP, top], fill=_GROUND)
    top += _GAP
    write(draw, (_GAP, top), entry.name, _BLACK, sheet.width - 2 * _GAP)
    top += _LINE
    pixels = pictures.probe(entry, answer)
    left = _GAP
    if pixels is None:
        paste(sheet, draw, None, left, top, _PHOTO)
    else:
        faces = [] if answer is None else [MarkedFace(answer.box, "", answer.is_match)]
        paste(sheet, draw, with_faces(pixels, faces, _PHOTO), left, top, _PHOTO)
    left += _PHOTO + _GAP
    if answer is None:
        why = str(entry.answers) if isinstance(entry.answers, RejectedImageError) else "no face"
        write(draw, (left, top), f"rejected: {why}", UNKNOWN, sheet.width - left - _GAP)
        return
    paste(sheet, draw, None if pixels is None else cut(pixels, answer.box), left, top, TILE)
    left += TILE + _GAP
    _write_verdict(draw, left, top, answer)
    left += _WORDS
    for candidate in answer.candidates[:MOST_CANDIDATES]:
        paste(sheet, draw, pictures.candidate(candidate.template_id), left, top, TILE)
        write(draw, (left, top + TILE + 2), candidate.identity, _BLACK, TILE)
        write(draw, (left, top + TILE + 2 + _LINE), f"{candidate.score:.3f}", _GREY, TILE)
        write(draw, (left, top + TILE + 2 + 2 * _LINE), f"template {candidate.template_id}", _GREY, TILE)
        left += _COLUMN


def _write_verdict(draw: ImageDraw.ImageDraw, left: int, top: int, answer: FaceAnswer) -> None:
    lines = [(answer.name or "unknown", MATCH if answer.is_match else UNKNOWN)]
    if answer.candidates:
        lines.append((f"score {answer.candidates[0].score:.3f}", _GREY))
    lines.append((f"threshold {answer.threshold:.3f}", _GREY))
    if answer.found > 1:
        lines.append((f"face {answer.number} of {answer.found}", _GREY))
    if answer.yields_to is not None:
        lines.append((f"face {answer.yields_to} is more alike", _GREY))
    for number, (text, colour) in enumerate(lines):
        write(draw, (left, top + number * _LINE), text, colour, _WORDS - _GAP)


def paste(
    sheet: Pillow.Image, draw: ImageDraw.ImageDraw, picture: Pillow.Image | None, left: int, top: int, side: int
) -> None:
    """A picture in the middle of a square; without one, the square says so."""
    draw.rectangle([left, top, left + side - 1, top + side - 1], fill=_GROUND)
    if picture is None:
        write(draw, (left + 8, top + side // 2 - 10), "no photo", _GREY, side - 16)
        return
    fit = picture if max(picture.size) == side else scaled(picture, side / max(picture.size))
    sheet.paste(fit, (left + (side - fit.width) // 2, top + (side - fit.height) // 2))


def cut(pixels: RGB, box: Box | None) -> Pillow.Image:
    """A face with what is around it; the whole photo where that is not the one that the box belongs to."""
    height, width = pixels.shape[:2]
    if box is not None:
        more = _AROUND * max(box[2], box[3])
        left, top = max(0, int(box[0] - more)), max(0, int(box[1] - more))
        right, bottom = min(width, int(box[0] + box[2] + more)), min(height, int(box[1] + box[3] + more))
        if right > left and bottom > top:
            pixels = pixels[top:bottom, left:right]
    return scaled(Pillow.fromarray(np.ascontiguousarray(pixels)), TILE / max(pixels.shape[:2]))


class _Pictures:
    """Photos as they are needed, each of a probe read once, those of candidates kept as small tiles."""

    def __init__(self, infos: Mapping[int, TemplateInfo]) -> None:
        self._infos = infos
        self.candidate = functools.lru_cache(maxsize=512)(self._candidate)
        self._last: tuple[SheetEntry, RGB | None] | None = None

    def probe(self, entry: SheetEntry, answer: FaceAnswer | None) -> RGB | None:
        """The photo that was asked about; None where it cannot be read."""
        if self._last is None or self._last[0] is not entry:
            probe = entry.probe if answer is None or answer.photo is None else answer.photo
            try:
                self._last = entry, None if probe is None else probe.pixels()
            except RejectedImageError:
                self._last = entry, None
        return self._last[1]

    def _candidate(self, template_id: int) -> Pillow.Image | None:
        """The face that a template was made of; None where there is no such file any more."""
        info = self._infos.get(template_id)
        if info is None or not Path(info.path).is_absolute():  # what was given otherwise has a name that is no path
            return None
        try:
            return cut(load_image(info.path), info.box)
        except RejectedImageError:
            return None
