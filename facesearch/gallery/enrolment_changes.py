"""What an enrolment changes in its gallery, and what a dry run would change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np

from facesearch.gallery.codec_in_use import CodecInUse
from facesearch.gallery.known_photos import stored_path
from facesearch.photos.geometry import Box
from facesearch.photos.photo import Photo
from facesearch.pipeline.pipeline import PhotoTemplate
from facesearch.store import EncoderKey, EnrolledPhoto, GalleryStore, NewTemplate

Batch = Sequence[tuple[Photo, PhotoTemplate]]
Told = tuple[bytes, str]  # SHA-256 of a photo's content, and why it is rejected


class EnrolmentChanges(Protocol):
    """What an enrolment asks to be changed."""

    def add(self, batch: Batch) -> list[int | None]:
        """Add templates; returns their numbers, None for photos that are enrolled already."""
        ...

    def enrolled(self, sha256s: Sequence[bytes]) -> Mapping[bytes, Sequence[EnrolledPhoto]]:
        """What is enrolled by now of photos with these contents."""
        ...

    def move(self, template_id: int, identity: str) -> None:
        """A template is somebody else's."""
        ...

    def relocate(self, template_id: int, path: str) -> None:
        """The photo of a template is at another path."""
        ...

    def remember_rejected(self, reasons: Mapping[bytes, str]) -> None:
        """Photos with these contents need not be looked at again."""
        ...

    def unsure(self, people: Collection[str]) -> set[str]:
        """Those of these people with new templates of whom it cannot be said which face of several is theirs."""
        ...

    def told_before(self, told: Collection[Told]) -> set[Told]:
        """Those of these rejections that an earlier enrolment told; the others are remembered to be told now."""
        ...


class StoredChanges:
    """Changes that are made, each in a transaction. encoder: what templates are made by, codec: how they are stored."""

    def __init__(self, store: GalleryStore, encoder: EncoderKey, codec: CodecInUse) -> None:
        self._store, self._encoder, self._codec = store, encoder, codec

    def add(self, batch: Batch) -> list[int | None]:
        vectors = np.stack([template.face.template for _, template in batch])
        return self._codec.add(vectors, lambda codes: new_templates(batch, codes), self._encoder)

    def enrolled(self, sha256s: Sequence[bytes]) -> Mapping[bytes, Sequence[EnrolledPhoto]]:
        return self._store.templates.enrolled(sha256s)

    def move(self, template_id: int, identity: str) -> None:
        self._store.corrections.move([template_id], identity)

    def relocate(self, template_id: int, path: str) -> None:
        self._store.corrections.relocate(template_id, path)

    def remember_rejected(self, reasons: Mapping[bytes, str]) -> None:
        self._store.corrections.remember_rejected(reasons, self._encoder.pipeline)

    def unsure(self, people: Collection[str]) -> set[str]:
        return set()

    def told_before(self, told: Collection[Told]) -> set[Told]:
        return self._store.corrections.told_before(told, remember=True)


class ForetoldChanges:
    """Changes that are not made. store: of the gallery; None where there is none yet."""

    def __init__(self, store: GalleryStore | None) -> None:
        self._store = store
        self._there: dict[bytes, EnrolledPhoto] = {}

    @property
    def people(self) -> set[str]:
        """Who would have new templates."""
        return {each.identity for each in self._there.values()}

    def add(self, batch: Batch) -> list[int | None]:
        added: list[int | None] = []
        for photo, template in batch:
            new = template.sha256 not in self._there
            added.append(0 if new else None)
            if new:
                self._there[template.sha256] = EnrolledPhoto(0, photo.identity, stored_path(photo), template.face.box)
        return added

    def enrolled(self, sha256s: Sequence[bytes]) -> Mapping[bytes, Sequence[EnrolledPhoto]]:
        return {sha256: [self._there[sha256]] for sha256 in sha256s}

    def move(self, template_id: int, identity: str) -> None:
        """Nothing is changed."""

    def relocate(self, template_id: int, path: str) -> None:
        """Nothing is changed."""

    def remember_rejected(self, reasons: Mapping[bytes, str]) -> None:
        """Nothing is changed."""

    def unsure(self, people: Collection[str]) -> set[str]:
        enrolled = (
            set() if self._store is None else {each.name for each in self._store.identities.all() if each.templates}
        )
        return set(people) - enrolled

    def told_before(self, told: Collection[Told]) -> set[Told]:
        return set() if self._store is None else self._store.corrections.told_before(told, remember=False)


def new_templates(batch: Batch, codes: Sequence[bytes]) -> list[NewTemplate]:
    """What is stored of photos' faces, with their codes."""
    return [
        NewTemplate(
            identity=photo.identity,
            sha256=template.sha256,
            path=stored_path(photo),
            width=template.width,
            height=template.height,
            code=code,
            quality=round(template.face.quality, 3),
            box=_rounded(template.face.box),
        )
        for (photo, template), code in zip(batch, codes, strict=True)
    ]


def _rounded(box: Box | None) -> Box | None:
    """Whole pixels, which SQLite stores in a byte or two."""
    return None if box is None else (round(box[0]), round(box[1]), round(box[2]), round(box[3]))
