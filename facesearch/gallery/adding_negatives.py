"""Photos of which is said that they do not show a person: added as that person's negatives, and deleted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np

from facesearch.errors import RejectedImageError, UsageError
from facesearch.faces import Chosen, FaceChoice, chosen_face
from facesearch.gallery import arguments
from facesearch.gallery.answers import Document
from facesearch.gallery.codec_in_use import CodecInUse
from facesearch.gallery.enrolment_changes import new_templates
from facesearch.gallery.known_photos import forgotten_reason
from facesearch.gallery.parts import Parts
from facesearch.gallery.wiping import wiped
from facesearch.photos.given import is_one, named
from facesearch.photos.photo import Photo, Rejection, composed
from facesearch.pipeline.pipeline import Image, PhotoTemplate
from facesearch.store import NegativeInfo


@dataclass(slots=True)
class NegativesReport:
    """Ids of the negatives added, how many were there already, and the photos that could not be used."""

    added: list[int] = field(default_factory=list)
    skipped: int = 0
    rejected: list[Rejection] = field(default_factory=list)

    def document(self) -> Document:
        return {
            "added": self.added,
            "skipped": self.skipped,
            "rejected": [item.document() for item in self.rejected],
        }


def add_negatives(
    parts: Parts,
    identity: str,
    images: Image | Iterable[Image],
    *,
    face: Chosen,
    aligned: str | None,
    colour: str,
    again: bool,
) -> NegativesReport:
    """See `Gallery.add_negatives`."""
    name, choice = composed(identity), chosen_face(face)
    if aligned is not None and choice is not None:
        raise UsageError("an aligned crop is of one face: there is none to choose")
    parts.store.transactions.require_write()
    settings = parts.settings()
    parts.store.identities.find(name)  # raises before photos are looked at
    report = NegativesReport()
    found: list[tuple[Photo, PhotoTemplate]] = []
    given = cast("Iterable[Image]", [images] if is_one(images) else images)
    for number, image in enumerate(given, start=1):
        try:
            found.append(_seen(parts, Photo.of(name, image, number, colour), choice, aligned, again=again))
        except RejectedImageError as error:
            report.rejected.append(Rejection(named(image, f"photo {number}"), str(error)))
    if not found:
        return report
    encoder = parts.encoder_key()

    def keep(codes: list[bytes], codec: str) -> list[int | Literal["known", "own"]]:
        return parts.store.negatives.add(name, new_templates(found, codes), encoder, codec)

    codec = CodecInUse(parts.store, parts.codecs, settings.codec)
    outcomes = codec.coded(np.stack([seen.face.template for _, seen in found]), keep)
    for (photo, _), outcome in zip(found, outcomes, strict=True):
        if outcome == "own":
            reason = f"this face is enrolled as {name}: facesearch templates remove or move corrects that"
            report.rejected.append(Rejection(str(photo.path), reason))
        elif outcome == "known":
            report.skipped += 1
        else:
            report.added.append(outcome)
    return report


def _seen(
    parts: Parts, photo: Photo, choice: FaceChoice | None, aligned: str | None, *, again: bool
) -> tuple[Photo, PhotoTemplate]:
    """The face that is meant; raises `RejectedImageError`."""
    content = photo.hash()
    if not again and (at := parts.store.corrections.forgotten([content])):
        raise RejectedImageError(forgotten_reason(at[content], "takes it as a negative"))
    return photo, parts.pipeline().photo(photo.load(), content, aligned, choice)


def remove_negatives(parts: Parts, identity: str, asked: Sequence[int | str | os.PathLike[str]]) -> list[NegativeInfo]:
    """See `Gallery.remove_negatives`."""
    if isinstance(asked, str | os.PathLike) or not isinstance(asked, Sequence):
        raise UsageError(f"negatives are a list of numbers and paths, not {arguments.shown(asked)}")
    name = composed(identity)
    theirs = parts.store.negatives.all(name)
    chosen: dict[int, NegativeInfo] = {}
    for each in asked:
        meant = arguments.number_or_path(each, "a negative")
        found = [info for info in theirs if _is_meant(info, meant)]
        if not found:
            shown = each if isinstance(each, int) else os.fspath(each)
            raise UsageError(f"{name} has no negative {shown}: facesearch identities negative NAME lists them")
        chosen |= {info.id: info for info in found}
    if chosen:
        wiped(parts.store, parts.store.negatives.remove(list(chosen)))
    return list(chosen.values())


def _is_meant(info: NegativeInfo, meant: int | Path) -> bool:
    if isinstance(meant, int):
        return info.id == meant
    return info.path == str(meant.absolute()) or f"/{info.path}".endswith(f"/{meant}")
