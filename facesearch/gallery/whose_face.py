"""Which face of a photo of several is that of the person whose photo it is: the one that the gallery takes for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from facesearch.errors import RejectedImageError, SeveralFacesError, UnknownIdentityError
from facesearch.gallery.answers import Candidate
from facesearch.photos.photo import Photo, Rejection
from facesearch.pipeline.pipeline import FaceTemplate, PhotoTemplate, Pipeline
from facesearch.store import GalleryStore

Search = Callable[[npt.NDArray[np.float32]], list[list[Candidate]]]  # templates (m, d) -> the first candidate of each

_NAMED = 3  # faces of a photo that are said to be taken for others


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A photo of several faces, none of them clearly the subject; reason: what to say where that stays so."""

    reason: str


def unchosen(photo: Photo, found: PhotoTemplate | Ambiguous) -> PhotoTemplate | Rejection:
    """The photo of somebody without templates: with its clear subject, or rejected where there is none."""
    if isinstance(found, PhotoTemplate):
        return found
    return Rejection(str(photo.path), found.reason, content=photo.hash(), decision=True)


class WhoseFace:
    """Chooses faces for people who are enrolled. search: of the gallery. threshold: score from which on it matches."""

    def __init__(self, store: GalleryStore, pipeline: Pipeline, search: Search, threshold: float) -> None:
        self._store, self._pipeline, self._search, self._threshold = store, pipeline, search, threshold

    def chosen(self, photo: Photo) -> PhotoTemplate | Rejection:
        """The photo of somebody enrolled with the face that is taken for them; a rejection where none is: the photo may
        be somebody else's."""
        try:
            return self._pipeline.one_of(photo.load(), photo.hash(), partial(self._theirs, photo.identity))
        except RejectedImageError as error:
            unsure = isinstance(error, SeveralFacesError)
            return Rejection(str(photo.path), str(error), content=photo.hash(), decision=unsure)

    def _theirs(self, identity: str, faces: Sequence[FaceTemplate]) -> int:
        """The place of the face that is taken for them; raises `SeveralFacesError`."""
        firsts = self._search(np.stack([face.template for face in faces]))
        scores = [
            candidates[0].score if candidates and candidates[0].identity == identity else -np.inf
            for candidates in firsts
        ]
        best = int(np.argmax(scores))
        if scores[best] < self._threshold:
            raise SeveralFacesError(
                f"none of its {len(faces)} faces is taken for {identity}, who is enrolled"
                f"{self._others(firsts)}: if one is theirs, choose it with --face"
            )
        return best

    def _others(self, firsts: Sequence[Sequence[Candidate]]) -> str:
        """Which faces are taken for somebody else, as words to go on with."""
        found = [
            f"face {number} is taken for {candidates[0].identity}"
            for number, candidates in enumerate(firsts, start=1)
            if candidates and candidates[0].score >= self._threshold
        ]
        more = [f"{len(found) - _NAMED} more for others"] if len(found) > _NAMED else []
        return f" ({', '.join(found[:_NAMED] + more)})" if found else ""

    def is_enrolled(self, identity: str) -> bool:
        """Whether there are templates of somebody, whom faces can be compared with."""
        try:
            return self._store.identities.find(identity).templates > 0
        except UnknownIdentityError:
            return False
