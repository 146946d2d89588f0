"""Faces of one image: which of the templates of it are of the face in a box."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from facesearch.photos.geometry import Box, same_place
from facesearch.store.sql.models import TemplateRow, UnknownFaceRow


def box_of(columns: Sequence[float | None]) -> Box | None:
    """A box from its four columns, which are all empty without one."""
    left, top, width, height = columns
    if left is None or top is None or width is None or height is None:
        return None
    return left, top, width, height


def faces_at(
    connection: Connection, kept: type[TemplateRow] | type[UnknownFaceRow], image_id: int, box: Box | None
) -> list[int]:
    """The ids of those that are of the face in this box of an image; see `same_place`."""
    columns = (kept.id, kept.box_x, kept.box_y, kept.box_w, kept.box_h)
    rows = connection.execute(select(*columns).where(kept.image_id == image_id).order_by(kept.id))
    return [number for number, *place in rows if same_place(box_of(place), box)]
