"""Contact sheets of unknown faces: who they may be is seen at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw

from facesearch.drawing.marks import MATCH, write
from facesearch.drawing.tiles import BLACK, GAP, GREY, LINE, PAPER, TILE, cut, paste
from facesearch.errors import RejectedImageError
from facesearch.gallery.unknown_list import ListedFace
from facesearch.photos.decoding import load_image
from facesearch.text.figures import counted

_COLUMNS, _ROWS = 8, 25
_HEAD = 40  # px


def sheets(title: str, faces: Sequence[ListedFace]) -> Iterator[Pillow.Image]:
    """Pictures of at most 200 faces each, with number, name of the photo, and the nearest person enrolled.

    Photos that cannot be read any more are drawn as such.
    """
    most = _COLUMNS * _ROWS
    for first in range(0, len(faces), most):
        some = faces[first : first + most]
        columns, rows = min(_COLUMNS, max(len(some), 3)), -(-len(some) // _COLUMNS)
        column, row = TILE + GAP, TILE + 3 * LINE + GAP
        sheet = Pillow.new("RGB", (GAP + columns * column, _HEAD + rows * row), PAPER)
        draw = ImageDraw.Draw(sheet)
        write(draw, (GAP, GAP), f"{title}: {counted(len(faces), 'face')}", BLACK, sheet.width - 2 * GAP)
        for number, each in enumerate(some):
            left, top = GAP + number % _COLUMNS * column, _HEAD + number // _COLUMNS * row
            paste(sheet, draw, _picture(each), left, top, TILE)
            write(draw, (left, top + TILE), f"f{each.face.id}", BLACK, TILE)
            write(draw, (left, top + TILE + LINE), Path(each.face.path).name, GREY, TILE)
            if each.nearest is not None:
                said = f"{each.nearest.score:.2f} {each.nearest.identity}"
                write(draw, (left, top + TILE + 2 * LINE), said, MATCH if each.alike else GREY, TILE)
        yield sheet


def _picture(each: ListedFace) -> Pillow.Image | None:
    """The face in its photo; None where there is no such file any more."""
    if not Path(each.face.path).is_absolute():  # what was given otherwise has a name that is no path
        return None
    try:
        return cut(load_image(each.face.path), each.face.box)
    except RejectedImageError:
        return None
