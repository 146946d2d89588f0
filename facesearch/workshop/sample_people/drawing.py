"""Photographs of people who do not exist.

A photo is a pure function of (person, shot): the face a little changed, put in front of a background at some size,
angle and place, lit from somewhere, and saved as JPEG by a camera that is not perfect.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from facesearch.errors import UsageError
from facesearch.workshop.sample_people.looks import displaced, looking
from facesearch.workshop.sample_people.people import (
    CHROMA_STEP,
    TEMPLATE,
    TEXTURE_SIZE,
    FaceModel,
    Person,
    displacement_basis,
    face_weight,
)

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_SMALLEST = 64  # pixels: less is no photo
_COARSE = 4  # scene is painted at a quarter of the resolution, which makes it out of focus
_EYE_DISTANCE = float(TEMPLATE[1, 0] - TEMPLATE[0, 0])
_CENTRE = (55.5, 64.0)  # x, y of the middle of the face in the texture
_TEXTURE_NOISE = 0.14  # standard deviations that a texture coefficient changes from photo to photo
_LIGHT_NOISE = 0.25  # the same for components that differ between the sides of the face
_SHAPE_NOISE = 0.2
_DARK_HAIR = ((28, 24, 22), (36, 28, 24), (45, 33, 26))
_HAIR = (*_DARK_HAIR, (70, 48, 34), (104, 76, 50), (150, 118, 78), (92, 52, 34))
_GREY_HAIR = (135, 132, 128)
_DARK_SKIN = 0.5
_BASIS = displacement_basis().astype(np.float32)
_FACE_MASK = Image.fromarray((np.clip(face_weight() * 1.6 - 0.3, 0, 1) * 255).astype(np.uint8))


@dataclass(frozen=True, slots=True)
class _Placement:
    """Where a face is in a photo: distance of the eyes in pixels, angle in radians, x and y of its centre."""

    eyes: float
    angle: float
    x: float
    y: float

    def to_texture(self, left: int = 0, top: int = 0) -> tuple[float, ...]:
        """Six numbers, in Pillow's order, that bring x, y of the photo, counted from a corner, to the texture's."""
        scale = _EYE_DISTANCE / self.eyes
        c, s = scale * np.cos(self.angle), scale * np.sin(self.angle)
        x, y = _CENTRE
        dx, dy = left - self.x, top - self.y
        return (c, s, x + c * dx + s * dy, -s, c, y - s * dx + c * dy)


def take_photo(person: Person, shot: int, size: tuple[int, int] = (320, 320)) -> Pixels:
    """A photo (height, width, 3) uint8 RGB of one person; `shot` 0, 1, 2, … are different photos.

    The same arguments give the same pixels under the same versions of numpy and Pillow. `size` is (height, width) in
    pixels. Raises UsageError where a side is below 64 or the shot is negative.
    """
    height, width = _checked(size, shot)
    generator = _generator(person, shot)
    side = min(height, width)
    eyes = side * generator.uniform(0.15, 0.21)
    place = _Placement(
        eyes=eyes,
        angle=float(np.radians(np.clip(generator.normal(0, 6), -15, 15))),
        x=width / 2 + generator.uniform(-0.08, 0.08) * side,
        y=height * 0.48 + generator.uniform(-0.06, 0.06) * side,
    )
    scene = _background(height, width, generator)
    _add_person(scene, person, place, generator)
    return _develop(scene, generator)


def group_photo(
    people: Sequence[Person], shot: int = 0, size: tuple[int, int] = (320, 640), *, dominant: int | None = None
) -> Pixels:
    """A photo (height, width, 3) uint8 RGB of several people side by side, in their order from left to right.

    With `dominant`, the position in `people` of one of them, that face is in front and more than twice as wide.
    Raises UsageError for no people, too many for the width, or a position that there is not.
    """
    height, width = _checked(size, shot)
    if dominant is not None and not 0 <= dominant < len(people):
        raise UsageError(f"dominant face {dominant} of {len(people)} people: give a position from 0")
    shares = np.ones(len(people))
    if dominant is not None:
        shares[dominant] = 2.6
    if not len(people) or width * shares.min() / shares.sum() < _SMALLEST:
        raise UsageError(f"{len(people)} people do not fit a photo {width} pixels wide; give each {_SMALLEST} pixels")
    generator = _generator(people[0], shot, len(people))
    scene = _background(height, width, generator)
    edges = np.concatenate([[0], np.cumsum(shares / shares.sum() * width)])
    for number, person in sorted(enumerate(people), key=lambda pair: shares[pair[0]]):
        room = min(edges[number + 1] - edges[number], height)
        place = _Placement(
            eyes=room * generator.uniform(0.19, 0.21),
            angle=float(np.radians(generator.uniform(-6, 6))),
            x=float(edges[number] + edges[number + 1]) / 2,
            y=height * 0.47 + generator.uniform(-0.03, 0.03) * height,
        )
        _add_person(scene, person, place, generator)
    return _develop(scene, generator)


def write_photos(
    folder: Path, people: Sequence[Person], photos_per_person: int, size: tuple[int, int] = (320, 320)
) -> list[Path]:
    """Writes `<identity>/<identity>_0001.jpg` and so on, as LFW is laid out, and returns the paths in that order."""
    paths: list[Path] = []
    for person in people:
        home = folder / person.identity
        home.mkdir(parents=True, exist_ok=True)
        for shot in range(photos_per_person):
            path = home / f"{person.identity}_{shot + 1:04d}.jpg"
            Image.fromarray(take_photo(person, shot, size)).save(path, quality=95)
            paths.append(path)
    return paths


def _checked(size: tuple[int, int], shot: int) -> tuple[int, int]:
    height, width = size
    if shot < 0:
        raise UsageError(f"shot {shot} of a synthetic person: give 0 or more")
    if min(height, width) < _SMALLEST:
        raise UsageError(f"a synthetic photo of {height} × {width} pixels: ask for {_SMALLEST} or more on each side")
    return height, width


def _generator(person: Person, *more: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([person.seed, person.number, 2, *more]))


def _background(height: int, width: int, generator: np.random.Generator) -> Image.Image:
    """An out-of-focus wall or garden."""
    base = generator.uniform(50, 190) + generator.normal(0, 10, 3)
    cells = generator.normal(0, 1, (5, 5, 1)) * generator.uniform(2, 22) + generator.normal(0, 4, (5, 5, 3))
    slope = np.linspace(-1, 1, 5)[:, None, None] * generator.uniform(-30, 30)
    image = Image.fromarray(np.clip(base + cells + slope, 0, 255).astype(np.uint8))
    # Twice bicubic: once would show the grid of cells.
    return image.resize((20, 20), Image.Resampling.BICUBIC).resize((width, height), Image.Resampling.BICUBIC)


def _face(person: Person, generator: np.random.Generator) -> Image.Image:
    """The face as it is in one photo: an RGB image of `TEXTURE_SIZE`."""
    model = FaceModel.load()
    height, width = TEXTURE_SIZE
    count = len(model.deviations)
    coefficients = person.coefficients.copy()
    coefficients[:count] += generator.normal(0, np.where(model.symmetric, _TEXTURE_NOISE, _LIGHT_NOISE))
    coefficients[count:] += generator.normal(0, _SHAPE_NOISE, len(coefficients) - count)
    values = np.clip(model.texture(coefficients[:count]), 0, 255).astype(np.uint8)
    luma, chroma = values[: height * width].reshape(height, width), values[height * width :]
    planes = [Image.fromarray(luma)]
    for plane in chroma.reshape(2, height // CHROMA_STEP, width // CHROMA_STEP):
        planes.append(Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC))
    rgb = looking(np.asarray(Image.merge("YCbCr", planes).convert("RGB")), person.skin, person.youth)
    # The texture has its landmarks at TEMPLATE; moving a landmark by d means reading at p - d, near enough for small d.
    moved = (model.landmarks(coefficients[count:]) - TEMPLATE).astype(np.float32)
    return Image.fromarray(displaced(rgb, -np.tensordot(moved.T, _BASIS, axes=1)))


def _add_person(scene: Image.Image, person: Person, place: _Placement, generator: np.random.Generator) -> None:
    """Puts one more person in front of the scene."""
    face = _face(person, generator)
    _add_body(scene, person, np.asarray(face), place, generator)
    reach = place.eyes / _EYE_DISTANCE * 85  # half the diagonal of the texture
    left, top = max(int(place.x - reach), 0), max(int(place.y - reach), 0)
    size = (min(int(place.x + reach), scene.width) - left, min(int(place.y + reach), scene.height) - top)
    affine = place.to_texture(left, top)
    placed = face.transform(size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)
    # Not every face has the same outline: the oval is a little wider or narrower, longer or shorter.
    mask = _FACE_MASK.transform(TEXTURE_SIZE[::-1], Image.Transform.AFFINE, _outline(person), Image.Resampling.BILINEAR)
    mask = mask.transform(size, Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    scene.paste(placed, (left, top), mask)


def _outline(person: Person) -> tuple[float, ...]:
    own = np.random.default_rng(np.random.SeedSequence([person.seed, person.number, 4]))
    wide, long = 1 / own.uniform(0.9, 1.05, 2)
    x, y = _CENTRE
    return (wide, 0, x - wide * x, 0, long, y - long * y)


def _add_body(
    scene: Image.Image, person: Person, face: Pixels, place: _Placement, generator: np.random.Generator
) -> None:
    """Shoulders, neck and hair behind the face, out of focus; the neck takes the face's colour."""
    own = np.random.default_rng(np.random.SeedSequence([person.seed, person.number, 3]))
    colours = _DARK_HAIR if person.skin > _DARK_SKIN else _HAIR
    colours = colours if person.youth else (*colours, _GREY_HAIR)
    hair = np.array(colours[own.integers(len(colours))]) * own.uniform(0.8, 1.2)
    skin = face[96:110, 40:72].mean(axis=(0, 1)) * 0.7
    cloth = np.clip(generator.uniform(25, 190) + generator.normal(0, 18, 3), 10, 235)
    a, b, c, d, e, f = place.to_texture()
    rows, columns = np.mgrid[_COARSE / 2 : scene.height : _COARSE, _COARSE / 2 : scene.width : _COARSE]
    x = (a * columns + b * rows + (c - _CENTRE[0])).astype(np.float32)
    y = (d * columns + e * rows + (f - _CENTRE[1])).astype(np.float32)
    long = own.random() < 0.5
    width, volume = own.uniform(49, 54) if long else own.uniform(45, 49), own.uniform(44, 54)
    from_crown = np.maximum(y + 18, 0) / (own.uniform(80, 140) if long else 42) + np.minimum(y + 18, 0) / volume
    shine = 0.9 + 0.35 * np.exp(-((x - own.uniform(-20, 20)) ** 2 + (y + 58) ** 2) / 500)
    shoulder = 66 + (x / 16) ** 2 * 1.6 + 12 * np.exp(-((x / 24) ** 2))
    layers = (
        (np.hypot(x / width, from_crown) - 1, hair * shine[..., None]),
        (np.maximum(np.maximum(np.abs(x) / 30, (y - 95) / 60) - 1, (20 - y) / 10), skin),
        ((shoulder - y) / 60, cloth),
    )
    size = (x.shape[1], x.shape[0])
    painted = scene.resize(size)
    cover = np.zeros(x.shape)
    for outside, colour in layers:
        mask = np.clip(0.5 - outside * 8, 0, 1)
        layer = np.broadcast_to(np.clip(colour, 0, 255), (*x.shape, 3)).astype(np.uint8)
        painted.paste(Image.fromarray(layer), mask=Image.fromarray((mask * 255).astype(np.uint8)))
        cover = np.maximum(cover, mask)
    alpha = Image.fromarray((cover * 255).astype(np.uint8)).resize(scene.size, Image.Resampling.BILINEAR)
    scene.paste(painted.resize(scene.size, Image.Resampling.BILINEAR), mask=alpha)


def _develop(scene: Image.Image, generator: np.random.Generator) -> Pixels:
    """Light, lens, sensor and JPEG: the scene as a camera would give it, (h, w, 3) uint8."""
    width, height = scene.size
    angle = generator.uniform(0, 2 * np.pi)
    rise = generator.uniform(0, 0.3)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None] * np.float32(np.cos(angle) * rise)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle) * rise)
    warmth = generator.normal(0, 0.04)
    tint = np.array([1 + warmth, 1.0, 1 - warmth], dtype=np.float32)
    gain = np.float32(generator.uniform(0.85, 1.15))
    light = (1 + x + y)[..., None] * (tint * gain)
    exposed = np.minimum(np.asarray(scene) * light, 255).astype(np.uint8)
    curve = 255 * (np.arange(256) / 255) ** generator.uniform(0.85, 1.2)
    image = Image.fromarray(exposed).point(np.tile(np.rint(curve).astype(np.int64), 3).tolist())
    blur = generator.uniform(0, 0.9) * min(height, width) / 320
    if blur > 0.3:
        image = image.filter(ImageFilter.BoxBlur(blur))
    grain = generator.integers(-128, 128, (height, width), dtype=np.int8).astype(np.float32)
    noisy = np.asarray(image, dtype=np.float32) + (grain * np.float32(generator.uniform(0.01, 0.06)))[..., None]
    buffer = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(
        buffer, "JPEG", quality=int(generator.integers(70, 96))
    )
    with Image.open(buffer) as developed:
        return np.asarray(developed.convert("RGB")).copy()
