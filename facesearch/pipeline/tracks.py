"""Faces of a clip -> tracks: the same face from frame to frame, as one probe.

A face goes on a track that ended shortly before where their boxes overlap and their templates do not speak against it,
or where the templates are alike whatever the boxes do, as after a cut. What stands in one frame is on different tracks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from facesearch.encoders import Encoder, find_model
from facesearch.errors import NoFaceError, TinyFaceError, UnknownEncoderError
from facesearch.faces.face import overlap, size
from facesearch.photos.geometry import Box
from facesearch.photos.video import Frame
from facesearch.pipeline.pipeline import FaceTemplate, Pipeline
from facesearch.pipeline.quality import Reason

Template = npt.NDArray[np.float32]

_LONGEST_GAP = 1.5  # seconds that a face may be out of sight
_OVERLAP = 0.3  # intersection over union from which on boxes follow each other
_ALIKE = 3  # place in `Background.reached`: 1 of 10,000 pairs of people are as alike
_AGAINST = 1  # likewise: 1 of 100 are, and frames of one face that follow each other hardly ever are not


class Likeness(NamedTuple):
    """What an encoder's cosines say of two faces. alike: from which on they are one person's, wherever they are;
    against: below which they are two people's, as after a cut, also where their boxes overlap."""

    alike: float
    against: float

    @classmethod
    def of(cls, encoder: Encoder) -> Likeness:
        """As was measured on different adults; of other encoders by their threshold, and overlap alone."""
        try:
            background = find_model(encoder.spec.model).background
        except UnknownEncoderError:  # it was handed in
            background = None
        if background is None or len(background.reached) <= _ALIKE:
            return cls(encoder.threshold, -1.0)
        return cls(background.reached[_ALIKE], background.reached[_AGAINST])


class Sight(NamedTuple):
    """A face in one frame. number: of the frame, among those looked at."""

    time: float
    number: int
    box: Box
    quality: float
    template: Template
    reasons: tuple[Reason, ...] = ()
    poor: bool = False

    @property
    def size(self) -> float:
        return size(self.box)

    @property
    def worth(self) -> float:
        """How much it tells of the face: its quality, and its size up to that of a crop."""
        return self.quality * min(self.size, 112.0) / 112.0


@dataclass(slots=True)
class Track:
    """The same face in some frames of a clip, in order."""

    sights: list[Sight] = field(default_factory=list)
    _sum: Template | None = None

    def add(self, sight: Sight) -> None:
        self.sights.append(sight)
        weighted = sight.template * np.float32(max(sight.worth, 1e-3) ** 2)
        self._sum = weighted if self._sum is None else self._sum + weighted

    @property
    def start(self) -> float:
        return self.sights[0].time

    @property
    def end(self) -> float:
        return self.sights[-1].time

    @property
    def best(self) -> Sight:
        """The sight that tells most."""
        return max(self.sights, key=lambda sight: sight.worth)

    @property
    def prominence(self) -> float:
        """How much of the clip it takes: the sum of its sizes in pixels."""
        return sum(sight.size for sight in self.sights)

    @property
    def template(self) -> Template:
        """The mean of the templates, weighted by the square of what they tell, at unit length."""
        assert self._sum is not None  # noqa: S101 - a track has sights
        length = float(np.linalg.norm(self._sum))
        return self.best.template if length < 1e-6 else self._sum / np.float32(length)


@dataclass(frozen=True, slots=True)
class Clip:
    """What a clip shows. tracks: the most prominent first. seconds: time of the last of the `frames` looked at."""

    tracks: list[Track]
    frames: int
    seconds: float


def tracks_of(pipeline: Pipeline, frames: Iterable[Frame], progress: Callable[[int], None]) -> Clip:
    """The tracks of a clip. progress: called with the number of frames done."""
    tracks: list[Track] = []
    likeness = Likeness.of(pipeline.encoder)
    count, seconds = 0, 0.0
    for count, frame in enumerate(frames, start=1):
        seconds = frame.time
        try:
            faces = pipeline.everyone(frame.pixels)
        except (NoFaceError, TinyFaceError):
            faces = []
        follow(tracks, [_sight(face, frame.time, count - 1) for face in faces if face.box is not None], likeness)
        progress(count)
    return Clip(sorted(tracks, key=lambda track: -track.prominence), count, seconds)


def follow(tracks: list[Track], sights: list[Sight], likeness: Likeness) -> None:
    """Put the faces of one frame on the tracks that they go on, or begin new ones."""
    now = sights[0].time if sights else 0.0
    going = [track for track in tracks if now - track.end <= _LONGEST_GAP]
    pairs = [
        (fit, place, number)
        for place, sight in enumerate(sights)
        for number, track in enumerate(going)
        if (fit := _fit(track, sight, likeness)) is not None
    ]
    placed: dict[int, int] = {}
    for _, place, number in sorted(pairs, reverse=True):
        if place not in placed and number not in placed.values():
            placed[place] = number
    for place, sight in enumerate(sights):
        if place in placed:
            going[placed[place]].add(sight)
        else:
            new = Track()
            new.add(sight)
            tracks.append(new)


def _fit(track: Track, sight: Sight, likeness: Likeness) -> float | None:
    """How well a face goes on a track; None where it does not."""
    cosine = float(track.template @ sight.template)
    over = overlap(track.sights[-1].box, sight.box)
    if cosine >= likeness.alike or (over >= _OVERLAP and cosine >= likeness.against):
        return cosine + over
    return None


def _sight(face: FaceTemplate, time: float, number: int) -> Sight:
    assert face.box is not None  # noqa: S101 - faces that were found
    return Sight(time, number, face.box, face.quality, face.template, face.reasons, face.poor)
