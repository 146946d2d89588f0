"""From a photo to templates: detect, choose the face, cut the encoder's crop, encode."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from facesearch.encoders import Encoder
from facesearch.errors import (
    EncoderMismatchError,
    RejectedImageError,
    TinyFaceError,
    UnreadableImageError,
)
from facesearch.faces import DEFAULT_MIN_FACE, Face, FaceDetector, clear_subject, find_crop, most_prominent
from facesearch.photos.decoding import MIN_SIDE, decode, load_image, read_bytes, sha256
from facesearch.photos.geometry import Box

RGB = npt.NDArray[np.uint8]
Image = str | os.PathLike[str] | RGB  # a file, or pixels (h, w, 3)
Template = npt.NDArray[np.float32]

_TINY = 16  # pixels; a face this small is still found, to say that it is too small
_GOOD_SIZE = 112.0  # pixels; larger faces add nothing to a template


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds spent per stage."""

    spent: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, since: float) -> None:
        """Count the time since `since` (time.perf_counter) for a stage."""
        self.spent[stage] = self.spent.get(stage, 0.0) + (time.perf_counter() - since) * 1000


@dataclass(frozen=True, slots=True, eq=False)
class FaceTemplate:
    """One face: template (dimension,) float32, box (None for a crop that came aligned), quality in 0..1."""

    template: Template
    box: Box | None
    quality: float


@dataclass(frozen=True, slots=True, eq=False)
class PhotoTemplate:
    """The template of a photo's subject, the SHA-256 of the photo's content, and its size in pixels."""

    face: FaceTemplate
    sha256: bytes
    width: int
    height: int


class Templater:
    """Turns photos into templates for one encoder. Safe to share between threads."""

    def __init__(self, encoder: Encoder, *, min_face: int = DEFAULT_MIN_FACE, threads: int = 0) -> None:
        self.encoder = encoder
        self._crop = find_crop(encoder.crop)
        self._detector = FaceDetector(min_face, threads=threads)

    @property
    def min_face(self) -> int:
        """Side in pixels of the smallest face that is taken."""
        return self._detector.min_face

    def subject(self, image: RGB) -> FaceTemplate:
        """For enrolment: the one face that the photo is clearly of.

        Raises `NoFaceError`, `TinyFaceError`, or `SeveralFacesError` where it is not clear who is meant.
        """
        faces = self._found(image)
        return self._encode(image, [clear_subject(faces, *image.shape[:2])])[0]

    def file(self, path: Path, aligned: str | None = None) -> PhotoTemplate:
        """For enrolment: a photo in a file, or a crop of the kind `aligned`. Raises `RejectedImageError`."""
        data = read_bytes(path)
        return self.photo(decode(data, os.fspath(path)), sha256(data), aligned)

    def photo(self, image: RGB, content: bytes, aligned: str | None = None) -> PhotoTemplate:
        """For enrolment: pixels whose content has the SHA-256 `content`. Raises `RejectedImageError`."""
        face = self.aligned(image, aligned) if aligned else self.subject(image)
        height, width = image.shape[:2]
        return PhotoTemplate(face, content, width, height)

    def prominent(self, image: RGB, watch: Stopwatch | None = None) -> FaceTemplate:
        """For a probe: the most prominent face. Raises `NoFaceError` or `TinyFaceError`."""
        start = time.perf_counter()
        faces = self._found(image)
        if watch:
            watch.add("detect", start)
        return self._encode(image, [most_prominent(faces, *image.shape[:2])], watch)[0]

    def everyone(self, image: RGB, watch: Stopwatch | None = None) -> list[FaceTemplate]:
        """For a probe: all faces, largest first. Raises `NoFaceError` or `TinyFaceError`."""
        start = time.perf_counter()
        faces = self._found(image)
        most_prominent(faces, *image.shape[:2])
        if watch:
            watch.add("detect", start)
        return self._encode(image, faces, watch)

    def aligned(self, crop: RGB, kind: str, watch: Stopwatch | None = None) -> FaceTemplate:
        """The template of a photo that is an aligned crop already; only of the `kind` that the encoder takes.

        Raises `RejectedImageError` if it is not square, and as `check_aligned` does.
        """
        self.check_aligned(kind)
        crop = aligned_crop(crop, self._crop.size)
        start = time.perf_counter()
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

    def _found(self, image: RGB) -> list[Face]:
        return find_faces(self._detector, image)

    def _encode(self, image: RGB, faces: Sequence[Face], watch: Stopwatch | None = None) -> list[FaceTemplate]:
        start = time.perf_counter()
        crops = np.stack([self._crop.cut(image, face) for face in faces])  # (n, h, w, 3)
        templates = self.encoder.encode(crops)  # (n, d)
        if watch:
            watch.add("encode", start)
        return [
            FaceTemplate(template, face.box, face.score * min(1.0, face.size / _GOOD_SIZE))
            for template, face in zip(templates, faces, strict=True)
        ]


def find_faces(detector: FaceDetector, image: RGB) -> list[Face]:
    """The faces of at least the detector's smallest size in pixels (h, w, 3), largest first; empty if there is none.

    Raises `TinyFaceError` where there are smaller ones only, `UnreadableImageError` for what are no pixels.
    """
    _check_pixels(image)
    least = detector.min_face
    found = detector.detect(image)
    faces = [face for face in found if face.size >= least]  # the detector also finds some half as large
    if not faces:
        tiny = found or (detector.detect(image, _TINY) if least > _TINY else [])
        if tiny:
            raise TinyFaceError(
                f"the face is only {int(tiny[0].size)} pixels wide, at least {least} are needed (--min-face)"
            )
    return faces


def prominent_face(detector: FaceDetector, path: Path) -> tuple[Face, bytes]:
    """The most prominent face of the photo in a file and the SHA-256 of its content; raises `RejectedImageError`."""
    data = read_bytes(path)
    image = decode(data, os.fspath(path))
    return most_prominent(find_faces(detector, image), *image.shape[:2]), sha256(data)


def aligned_crop(image: RGB, size: int) -> RGB:
    """An image that is an aligned crop already as (size, size, 3); raises `RejectedImageError` if it is not square."""
    _check_pixels(image)
    if image.shape[0] != image.shape[1]:
        raise RejectedImageError(f"an aligned crop is square, this image is {image.shape[1]}×{image.shape[0]}")
    if image.shape[0] == size:
        return image
    return np.asarray(PillowImage.fromarray(image).resize((size, size), PillowImage.Resampling.BILINEAR))


def _check_pixels(image: RGB) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise UnreadableImageError(f"pixels are (h, w, 3) uint8, not {image.shape} {image.dtype}")
    if min(image.shape[:2]) < MIN_SIDE:
        raise UnreadableImageError(f"too small ({image.shape[1]}×{image.shape[0]} pixels)")


def templates_of(
    templater: Templater, image: Image, *, everyone: bool, aligned: str | None = None, watch: Stopwatch | None = None
) -> list[FaceTemplate]:
    """The templates of a probe: of everyone in it, of the most prominent person, or of an `aligned` crop.

    Raises `RejectedImageError` if the photo cannot be used.
    """
    pixels = image if isinstance(image, np.ndarray) else load_image(image)
    if aligned is not None:
        return [templater.aligned(pixels, aligned, watch)]
    return templater.everyone(pixels, watch) if everyone else [templater.prominent(pixels, watch)]
