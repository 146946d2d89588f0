"""Which of several faces a photo is of, and which one is meant by somebody who says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from facesearch.errors import NoFaceError, SeveralFacesError, UsageError
from facesearch.faces.face import Box, Face

_SURE = 0.9  # a weaker detection does not make a photo ambiguous
_RIVAL = 0.7  # a face this prominent, relative to the most prominent one, might be meant as well


def prominence(face: Face, height: int, width: int) -> float:
    """Size in pixels, less towards the edges of a photo (height, width): people put their subject in the middle.

    size · exp(−2 r²), r the distance of the face's centre from the photo's in units of its sides: 1 in the middle,
    0.61 in the middle of an edge.
    """
    x, y, w, h = face.box
    distance = math.hypot((x + w / 2) / width - 0.5, (y + h / 2) / height - 0.5)
    return face.size * math.exp(-2 * distance * distance)


def most_prominent(faces: Sequence[Face], height: int, width: int) -> Face:
    """The face that a photo is most likely of; raises `NoFaceError` if there is none."""
    if not faces:
        raise NoFaceError("no face found")
    return max(faces, key=lambda face: prominence(face, height, width))


def clear_subject(faces: Sequence[Face], height: int, width: int) -> Face:
    """The face that a photo is clearly of; raises `SeveralFacesError` where another one might be meant as well."""
    best = most_prominent(faces, height, width)
    least = _RIVAL * prominence(best, height, width)
    rivals = [face for face in faces if face.score >= _SURE and prominence(face, height, width) >= least]
    if len(rivals) > 1:
        raise SeveralFacesError(
            f"{len(rivals)} faces of similar size, none clearly the subject: crop the photo, or choose one (--face)"
        )
    return best


def several(faces: Sequence[Face]) -> bool:
    """Whether a photo surely shows more than one face."""
    return sum(face.score >= _SURE for face in faces) > 1


Chosen = int | str | tuple[float, float] | None
"""How a face is asked for: its number, 1 being the largest, or a point (x, y), also as text; None: it is not."""


@dataclass(frozen=True, slots=True)
class FaceChoice:
    """One face of a photo: by its number, 1 being the largest, or by a point (x, y) in pixels that lies in its box."""

    number: int | None = None
    point: tuple[float, float] | None = None

    @classmethod
    def of(cls, asked: int | str | tuple[float, float]) -> FaceChoice:
        """From a number or a point, also as text, "2" or "120,80"; raises `UsageError` for anything else."""
        if isinstance(asked, str):
            parts = asked.split(",")
            try:
                return cls.of(int(asked) if len(parts) == 1 else (float(parts[0]), float(",".join(parts[1:]))))
            except ValueError:
                pass
        elif isinstance(asked, int) and not isinstance(asked, bool) and asked > 0:
            return cls(number=asked)
        elif isinstance(asked, tuple) and len(asked) == 2 and all(math.isfinite(value) for value in asked):
            return cls(point=(float(asked[0]), float(asked[1])))
        raise UsageError(f"a face is chosen by its number, 1 being the largest, or a point as 120,80, not by {asked!r}")

    def among(self, seen: Sequence[Sequence[Box]]) -> int:
        """The place of that face among several, the first of which is number 1, by the boxes that each is seen in: one
        in a photo, one for each frame in a clip. Raises `NoFaceError`."""
        if self.number is not None:
            if self.number > len(seen):
                found = "1 was" if len(seen) == 1 else f"{len(seen)} were"
                raise NoFaceError(f"there is no face {self.number}: {found} found")
            return self.number - 1
        assert self.point is not None  # noqa: S101 - for the type checker
        x, y = self.point
        for place, boxes in enumerate(seen):
            for left, top, width, height in boxes:
                if left <= x <= left + width and top <= y <= top + height:
                    return place
        raise NoFaceError(f"no face was found at {x:g},{y:g}")


def chosen_face(asked: Chosen) -> FaceChoice | None:
    """The choice that was asked for, if one was; raises `UsageError` for what is neither a number nor a point."""
    return None if asked is None else FaceChoice.of(asked)
