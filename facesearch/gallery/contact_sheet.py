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

from facesearch.drawing.marks import MATCH, UNKNOWN, MarkedFace, with_faces, write
from facesearch.drawing.tiles import BLACK, GAP, GREY, GROUND, LINE, PAPER, TILE, cut, paste
from facesearch.errors import RejectedImageError
from facesearch.gallery.answers import FaceAnswer, PhotoAnswers
from facesearch.photos.decoding import load_image
from facesearch.photos.given import Probe, named
from facesearch.store import TemplateInfo

RGB = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]  # (photos done, photos in all)

ROWS = 100  # of a sheet
MOST_CANDIDATES = 5
_PHOTO = 208  # px a side
_ROW = _PHOTO + LINE + 2 * GAP
_COLUMN = TILE + GAP
_WORDS = 176  # px of the column that says who it is


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
    width = 4 * GAP + _PHOTO + TILE + _WORDS + min(most, MOST_CANDIDATES) * _COLUMN
    pictures, done = _Pictures(infos), 0
    for first in range(0, len(rows), ROWS):
        some = rows[first : first + ROWS]
        sheet = Pillow.new("RGB", (width, len(some) * _ROW), PAPER)
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
        draw.line([GAP, top, sheet.width - GAP, top], fill=GROUND)
    top += GAP
    write(draw, (GAP, top), entry.name, BLACK, sheet.width - 2 * GAP)
    top += LINE
    pixels = pictures.probe(entry, answer)
    left = GAP
    if pixels is None:
        paste(sheet, draw, None, left, top, _PHOTO)
    else:
        faces = [] if answer is None else [MarkedFace(answer.box, "", answer.is_match)]
        paste(sheet, draw, with_faces(pixels, faces, _PHOTO), left, top, _PHOTO)
    left += _PHOTO + GAP
    if answer is None:
        why = str(entry.answers) if isinstance(entry.answers, RejectedImageError) else "no face"
        write(draw, (left, top), f"rejected: {why}", UNKNOWN, sheet.width - left - GAP)
        return
    paste(sheet, draw, None if pixels is None else cut(pixels, answer.box), left, top, TILE)
    left += TILE + GAP
    _write_verdict(draw, left, top, answer)
    left += _WORDS
    for candidate in answer.candidates[:MOST_CANDIDATES]:
        paste(sheet, draw, pictures.candidate(candidate.template_id), left, top, TILE)
        write(draw, (left, top + TILE + 2), candidate.identity, BLACK, TILE)
        write(draw, (left, top + TILE + 2 + LINE), f"{candidate.score:.3f}", GREY, TILE)
        write(draw, (left, top + TILE + 2 + 2 * LINE), f"template {candidate.template_id}", GREY, TILE)
        left += _COLUMN


def _write_verdict(draw: ImageDraw.ImageDraw, left: int, top: int, answer: FaceAnswer) -> None:
    lines = [(answer.name or "unknown", MATCH if answer.is_match else UNKNOWN)]
    if answer.candidates:
        lines.append((f"score {answer.candidates[0].score:.3f}", GREY))
    lines.append((f"threshold {answer.threshold:.3f}", GREY))
    if answer.found > 1:
        lines.append((f"face {answer.number} of {answer.found}", GREY))
    if answer.yields_to is not None:
        lines.append((f"face {answer.yields_to} is more alike", GREY))
    for number, (text, colour) in enumerate(lines):
        write(draw, (left, top + number * LINE), text, colour, _WORDS - GAP)


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
