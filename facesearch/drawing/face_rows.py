"""Sheets of faces that belong together, a row each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw

from facesearch.drawing.marks import write
from facesearch.drawing.tiles import BLACK, GAP, GROUND, LINE, PAPER, TILE, cut, paste
from facesearch.errors import RejectedImageError
from facesearch.photos.decoding import load_image
from facesearch.photos.geometry import Box

Progress = Callable[[int, int], None]  # (rows done, rows in all)

ROWS = 100  # of a sheet
MOST_FACES = 12  # of a row
_ROW = LINE + TILE + 2 * GAP


@dataclass(frozen=True, slots=True)
class ShownFace:
    """A face of the photo in a file. box: in pixels of the photo; None stands for all of it."""

    path: Path
    box: Box | None


@dataclass(frozen=True, slots=True)
class FaceRow:
    """Faces under a heading; more than `MOST_FACES` are shown by as many, spread over all of them."""

    heading: str
    faces: Sequence[ShownFace]

    def shown(self) -> Sequence[ShownFace]:
        count = len(self.faces)
        if count <= MOST_FACES:
            return self.faces
        return [self.faces[number * count // MOST_FACES] for number in range(MOST_FACES)]


def row_sheets(rows: Sequence[FaceRow], progress: Progress | None = None) -> Iterator[Pillow.Image]:
    """Sheets of at most `ROWS` rows each. Photos that cannot be read any more are shown as missing."""
    shown = [(row.heading, row.shown()) for row in rows]
    width = GAP + max((len(faces) for _, faces in shown), default=0) * (TILE + GAP)
    for first in range(0, len(shown), ROWS):
        some = shown[first : first + ROWS]
        sheet = Pillow.new("RGB", (max(width, 2 * TILE), len(some) * _ROW), PAPER)
        draw = ImageDraw.Draw(sheet)
        for number, (heading, faces) in enumerate(some):
            top = number * _ROW
            if top:
                draw.line([GAP, top, sheet.width - GAP, top], fill=GROUND)
            write(draw, (GAP, top + GAP), heading, BLACK, sheet.width - 2 * GAP)
            for place, face in enumerate(faces):
                paste(sheet, draw, _picture(face), GAP + place * (TILE + GAP), top + GAP + LINE, TILE)
            if progress:
                progress(first + number + 1, len(shown))
        yield sheet


def _picture(face: ShownFace) -> Pillow.Image | None:
    try:
        return cut(load_image(face.path), face.box)
    except RejectedImageError:
        return None
