"""From a photo to templates: find the faces, measure them, choose, cut the encoder's crop, encode."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.encoders import Encoder
from facesearch.errors import EncoderMismatchError, NoFaceError, TinyFaceError
from facesearch.faces import (
    Face,
    FaceChoice,
    FaceDetector,
    clear_subject,
    find_crop,
    find_stage,
    most_prominent,
    several,
)
from facesearch.photos.decoding import decode, read_bytes, sha256
from facesearch.photos.geometry import Box
from facesearch.photos.given import Given, pixels_of
from facesearch.pipeline.finding import aligned_crop, check_way_up, find_faces, within_memory
from facesearch.pipeline.fit_to_enrol import check_upright, doubt, too_poor
from facesearch.pipeline.pipeline_spec import USUAL, PipelineSpec
from facesearch.pipeline.quality import Judged, QualityModel, Reason

RGB = npt.NDArray[np.uint8]
Image = Given  # see `facesearch.photos.given`
Template = npt.NDArray[np.float32]


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds spent per stage."""

    spent: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, since: float) -> None:
        """Count the time since `since` (time.perf_counter) for a stage."""
        self.spent[stage] = self.spent.get(stage, 0.0) + (time.perf_counter() - since) * 1000


@dataclass(frozen=True, slots=True, eq=False)
class FaceTemplate:
    """One face: template (dimension,) float32, box (None for a crop that came aligned), quality in 0..1.

    number: which face of the photo it is, 1 being the largest, of `found` faces. reasons: what makes it hard to
    recognise. poor: too much for a probe to be named.
    """

    template: Template
    box: Box | None
    quality: float
    number: int = 1
    found: int = 1
    reasons: tuple[Reason, ...] = ()
    poor: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PhotoTemplate:
    """The template of a photo's subject, the SHA-256 of the photo's content, and its size in pixels.

    several: the photo surely shows more than one face. doubt: what speaks against enrolling this face, if anything.
    """

    face: FaceTemplate
    sha256: bytes
    width: int
    height: int
    several: bool = False
    doubt: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFaces:
    """All faces of a photo, largest first, the SHA-256 of its content, its size in pixels. faceless: why there are
    none."""

    faces: list[FaceTemplate]
    sha256: bytes
    width: int
    height: int
    faceless: str | None = None


class Pipeline:
    """Turns photos into templates, as a spec says, with the encoder that it names. Safe to share between threads.

    spec: what is to be done; by default all as usual. threads: that one call may use, 0 for all cores.
    """

    def __init__(self, encoder: Encoder, spec: PipelineSpec = USUAL, *, threads: int = 0) -> None:
        self.encoder = encoder
        self.spec = spec.with_encoder(encoder)
        self._stages = [find_stage(name) for name in self.spec.stages]
        self._crop = find_crop(encoder.crop)
        self._detector = FaceDetector(self.spec.min_face, threads=threads)
        self._quality = QualityModel.of(encoder)

    def file(self, path: Path, aligned: str | None = None) -> PhotoTemplate:
        """For enrolment: a photo in a file, or a crop of the kind `aligned`. Raises `RejectedImageError`."""
        data = read_bytes(path)
        return self.photo(decode(data, os.fspath(path)), sha256(data), aligned)

    def photo(
        self, image: RGB, content: bytes, aligned: str | None = None, face: FaceChoice | None = None
    ) -> PhotoTemplate:
        """For enrolment: the one face that pixels are clearly of, or the one chosen; the content has the SHA-256
        `content`.

        Raises `NoFaceError`, `TinyFaceError`, `SeveralFacesError` where it is not clear who is meant, and
        `PoorFaceError` for a face that the spec's `quality` does not let in.
        """
        height, width = image.shape[:2]
        if aligned:
            return PhotoTemplate(self.aligned(image, aligned), content, width, height)
        faces = self._one_found(image)
        place = (
            faces.index(clear_subject(faces, height, width))
            if face is None
            else face.among([[each.box] for each in faces])
        )
        self._check_upright(image, faces[place])
        (template,) = self._encode(image, faces, [place])
        against = self._doubt(faces[place], template)
        return PhotoTemplate(template, content, width, height, face is None and several(faces), against)

    def one_of(self, image: RGB, content: bytes, choose: Callable[[list[FaceTemplate]], int]) -> PhotoTemplate:
        """For enrolment: of all faces in pixels, largest first, the one at the place that `choose` gives.

        Raises as `photo` does, but for `SeveralFacesError`, and what `choose` raises.
        """
        height, width = image.shape[:2]
        faces = self._one_found(image)
        templates = self._encode(image, faces, range(len(faces)))
        place = choose(templates)
        self._check_upright(image, faces[place])
        return PhotoTemplate(
            templates[place], content, width, height, doubt=self._doubt(faces[place], templates[place])
        )

    def faces(self, image: RGB, content: bytes) -> PhotoFaces:
        """All faces in pixels, poor ones among them; the content has the SHA-256 `content`. Nobody is no error."""
        height, width = image.shape[:2]
        try:
            return PhotoFaces(self.everyone(image), content, width, height)
        except (NoFaceError, TinyFaceError) as error:
            return PhotoFaces([], content, width, height, str(error))

    def prominent(self, image: RGB, watch: Stopwatch | None = None) -> FaceTemplate:
        """For a probe: the most prominent face. Raises `NoFaceError` or `TinyFaceError`."""
        faces = self._timed(image, watch, one=True)
        place = faces.index(most_prominent(faces, *image.shape[:2]))
        return self._encode(image, faces, [place], watch)[0]

    def chosen(self, image: RGB, face: FaceChoice, watch: Stopwatch | None = None) -> FaceTemplate:
        """For a probe: a face that was chosen. Raises `NoFaceError` or `TinyFaceError`."""
        faces = self._timed(image, watch, one=True)
        return self._encode(image, faces, [face.among([[each.box] for each in faces])], watch)[0]

    def everyone(self, image: RGB, watch: Stopwatch | None = None) -> list[FaceTemplate]:
        """For a probe: all faces, largest first. Raises `NoFaceError` or `TinyFaceError`."""
        faces = self._timed(image, watch)
        most_prominent(faces, *image.shape[:2])
        return self._encode(image, faces, range(len(faces)), watch)

    def aligned(self, crop: RGB, kind: str, watch: Stopwatch | None = None) -> FaceTemplate:
        """The template of a photo that is an aligned crop already; only of the `kind` that the encoder takes.

        Raises `RejectedImageError` if it is not square, and as `check_aligned` does.
        """
        self.check_aligned(kind)
        crop = aligned_crop(crop, self._crop.size)
        start = time.perf_counter()
        with within_memory():
            template = self.encoder.encode(crop[None])[0]
        if watch:
            watch.add("encode", start)
        return FaceTemplate(template, None, 1.0)

    def check_aligned(self, kind: str) -> None:
        """Raises `UsageError` for an unknown kind of crop, `EncoderMismatchError` for one the encoder does not take."""
        if find_crop(kind).name != self.encoder.crop:
            raise EncoderMismatchError(
                f"encoder {self.encoder.spec} takes {self.encoder.crop} crops, not {kind}: leave --aligned out"
            )

    def _check_upright(self, image: RGB, face: Face) -> None:
        with within_memory():
            check_upright(self._detector, image, face, self.spec.quality)

    def _doubt(self, face: Face, found: FaceTemplate) -> str | None:
        return doubt(face, Judged(found.quality, found.reasons), self.spec.quality)

    def _found(self, image: RGB) -> list[Face]:
        faces = find_faces(self._detector, image)
        with within_memory():
            for stage in self._stages:
                faces = stage(image, faces)
        return faces

    def _one_found(self, image: RGB) -> list[Face]:
        """The faces of a photo that is of somebody: that it has to be turned is said where none is found as it is."""
        try:
            faces = self._found(image)
            most_prominent(faces, *image.shape[:2])
        except (NoFaceError, TinyFaceError):
            check_way_up(self._detector, image)
            raise
        return faces

    def _timed(self, image: RGB, watch: Stopwatch | None, *, one: bool = False) -> list[Face]:
        start = time.perf_counter()
        faces = self._one_found(image) if one else self._found(image)
        if watch:
            watch.add("detect", start)
        return faces

    def _encode(
        self, image: RGB, faces: Sequence[Face], places: Sequence[int], watch: Stopwatch | None = None
    ) -> list[FaceTemplate]:
        """Of the faces found, those at these places."""
        start = time.perf_counter()
        with within_memory():
            crops = np.stack([self._crop.cut(image, faces[place]) for place in places])  # (n, h, w, 3)
            templates = self.encoder.encode(crops)  # (n, d)
        if watch:
            watch.add("encode", start)
        return [
            self._judged(template, faces[place], place + 1, len(faces))
            for template, place in zip(templates, places, strict=True)
        ]

    def _judged(self, template: Template, face: Face, number: int, found: int) -> FaceTemplate:
        judged = self._quality.judge(face, template)
        poor = too_poor(judged, self.spec.quality)
        return FaceTemplate(template, face.box, judged.quality, number, found, judged.reasons, poor)


def templates_of(
    pipeline: Pipeline,
    image: Image,
    *,
    everyone: bool,
    face: FaceChoice | None = None,
    aligned: str | None = None,
    colour: str = "rgb",
    watch: Stopwatch | None = None,
) -> list[FaceTemplate]:
    """The templates of a probe: of a face that was chosen, of everyone in it, of the most prominent person, or of an
    `aligned` crop.

    colour: the order of channels of an array. Raises `RejectedImageError` if the photo cannot be used.
    """
    pixels = pixels_of(image, colour)
    if aligned is not None:
        return [pipeline.aligned(pixels, aligned, watch)]
    if face is not None:
        return [pipeline.chosen(pixels, face, watch)]
    return pipeline.everyone(pixels, watch) if everyone else [pipeline.prominent(pixels, watch)]
