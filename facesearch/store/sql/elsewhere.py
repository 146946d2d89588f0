"""What shows somebody who is being forgotten and is kept as others': negatives, templates set aside, and
unknown faces."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from typing import NamedTuple

from sqlalchemy import Connection, delete, or_, select

from facesearch.photos.geometry import Box, same_place
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.keyed import KeyedContents
from facesearch.store.sql.models import ImageRow, NegativeRow, SetAsideRow, UnknownFaceRow
from facesearch.store.sql.places import box_of
from facesearch.store.sql.template_infos import BOTH

_PLACE = (SetAsideRow.box_x, SetAsideRow.box_y, SetAsideRow.box_w, SetAsideRow.box_h)


def images_of_deleted(connection: Connection, before: KeyedContents, own: Set[int]) -> list[int]:
    """Images that are still there for a negative or a template set aside, and are of photos whose template of a person
    had been deleted before; but not the person's own."""
    if not before.hashes:
        return []
    images: dict[int, bytes] = {}
    for kept in (NegativeRow, SetAsideRow):
        wanted = select(ImageRow.id, ImageRow.sha256).join(kept, kept.image_id == ImageRow.id)
        images |= {number: sha256 for number, sha256 in connection.execute(wanted)}  # noqa: C416 - rows
    return [number for number, sha256 in images.items() if number not in own and sha256 in before]


def unknown_of(connection: Connection, identity_ids: Sequence[int]) -> set[int]:
    """The faces of the inbox that are faces of these people: of the same images and places."""
    columns = (UnknownFaceRow.box_x, UnknownFaceRow.box_y, UnknownFaceRow.box_w, UnknownFaceRow.box_h)
    found: set[int] = set()
    for kept in BOTH:
        theirs = (kept.box_x, kept.box_y, kept.box_w, kept.box_h)
        wanted = select(UnknownFaceRow.id, *columns, *theirs).join(kept, kept.image_id == UnknownFaceRow.image_id)
        for some in chunks(identity_ids):
            for number, *places in connection.execute(wanted.where(kept.identity_id.in_(some))):
                if same_place(box_of(places[:4]), box_of(places[4:])):
                    found.add(number)
    return found


class Elsewhere(NamedTuple):
    """What went with a person: image id and code of each negative, and of each template of somebody else; and when
    those came that may show the person (epoch seconds)."""

    negatives: list[tuple[int, bytes]]
    templates: list[tuple[int, bytes]]
    times: list[int]


def delete_elsewhere(
    connection: Connection, identity_id: int, faces: Sequence[tuple[int, Box | None]], deleted: Collection[int]
) -> Elsewhere:
    """Delete the negatives of a person who is being forgotten; and what may show the person: negatives of the same
    images, and templates of others that are set aside and of the same face.

    faces: the person's, by image and place. deleted: images whose template of the person is gone, and with it the
    place.
    """
    images = {image for image, _ in faces} | set(deleted)
    gone = Elsewhere([], [], [])
    for some in chunks(sorted(images)) if images else [[]]:
        either = or_(NegativeRow.identity_id == identity_id, NegativeRow.image_id.in_(some))
        unwanted = delete(NegativeRow).where(either)
        told = (NegativeRow.image_id, NegativeRow.code, NegativeRow.identity_id, NegativeRow.created_at)
        for image, code, owner, at in connection.execute(unwanted.returning(*told)):
            gone.negatives.append((image, code))
            gone.times.extend([at] if owner != identity_id else [])  # the person's own are of others
        columns = (SetAsideRow.image_id, SetAsideRow.id, *_PLACE)
        others = select(*columns).where(SetAsideRow.image_id.in_(some), SetAsideRow.identity_id != identity_id)
        ids = [
            number
            for image, number, *place in connection.execute(others)
            if image in deleted or any(each == image and same_place(box, box_of(place)) for each, box in faces)
        ]
        for few in chunks(ids):
            aside = delete(SetAsideRow).where(SetAsideRow.id.in_(few))
            for image, code, at in connection.execute(
                aside.returning(SetAsideRow.image_id, SetAsideRow.code, SetAsideRow.created_at)
            ):
                gone.templates.append((image, code))
                gone.times.append(at)
    return gone
