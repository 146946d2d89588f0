"""Builds the eigenface model that draws synthetic people.

    pip install 'facesearch[torch]' && python -m scripts.build_people FOLDER_OF_PORTRAITS

FOLDER_OF_PORTRAITS holds photos, each of another person: see docs/data.md. Writes facesearch/assets/people.npz and
people.json beside it. The model is that of Turk and Pentland, "Eigenfaces for Recognition" (1991), on faces whose five
landmarks were brought to one place first: the mean, the principal components and their standard deviations. Light and
contrast of the photo are taken out before. Colour is learnt from the photos that have any, apart from light and dark.
These are statistics of some thousand people; no photograph is in them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesearch.faces import FaceDetector
from facesearch.photos.decoding import load_image
from facesearch.workshop.sample_people.people import (
    CHROMA_STEP,
    TEMPLATE,
    TEXTURE_SIZE,
    displacement_basis,
    face_weight,
)

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

ASSET = Path(__file__).parents[1] / "facesearch" / "assets" / "people.npz"
LUMA, CHROMA, ASYMMETRIC = 220, 20, 40  # components alike on both sides, of light and of colour; of unlike sides
COMPONENTS = LUMA + CHROMA + ASYMMETRIC
PIXELS = TEXTURE_SIZE[0] * TEXTURE_SIZE[1]
SHAPE_COMPONENTS = 6  # ten coordinates less the four that the similarity transform has used up
LEAST_EYES = 20.0  # pixels between the eyes of a photo
SOFTEST_EDGE = 4.0  # grey levels: a face whose luminance changes less than that from pixel to pixel is out of focus
FARTHEST_NOSE = 4.5  # pixels of the texture from the middle, sideways: beyond it the head is turned
FARTHEST_LANDMARK = 12.0  # pixels of the texture: beyond it the detector or the photo is odd
LEAST_COLOUR = 2.5  # standard deviation of a face's chroma in grey levels: below it a photo is black and white
BRIGHTNESS = 150.0  # grey levels that the mean of every face is brought to
USUAL_CONTRAST = 33.0  # grey levels, the standard deviation of a face's luminance in the median photo
FLATTEST = 15.0  # grey levels: the contrast of a face is not raised from below that
BORDER = 100  # pixels added around a photo, so that the transform never reads outside


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Textures (n, values) in the model's layout, landmark offsets (n, 10) in pixels, and which (n,) have colour."""

    textures: NDArray[np.float32]
    offsets: Floats
    coloured: NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the eigenface model of synthetic people.")
    parser.add_argument("folder", type=Path, help="photos of faces, each of another person")
    parser.add_argument("--output", type=Path, default=ASSET)
    arguments = parser.parse_args()

    paths = sorted(arguments.folder.glob("*.jpg"))
    faces = usable(paths)
    used, coloured = len(faces.textures), int(faces.coloured.sum())
    if used <= LUMA or coloured <= CHROMA:
        raise SystemExit(f"{arguments.folder}: {used} usable photos, {coloured} in colour, are too few to learn from")
    print(f"{len(paths)} photos, {used} frontal and sharp, {coloured} of them in colour")
    # numpy dates every member of the archive 1980-01-01, so the same arrays give the same bytes.
    np.savez_compressed(arguments.output, allow_pickle=False, **principal_components(faces))
    digest = hashlib.sha256(arguments.output.read_bytes()).hexdigest()
    manifest = {
        "file": arguments.output.name,
        "sha256": digest,
        "bytes": arguments.output.stat().st_size,
        "built_by": "scripts/build_people.py",
        "images": used,
        "components": COMPONENTS,
        "contains": "Statistics only: mean, principal components and standard deviations of aligned faces of adults, "
        "over all images and their mirror images. No photograph is contained.",
        "origin": "Official portraits of members of the United States Congress, as the Biographical Directory of the "
        "United States Congress shows them (collected by voteview/member_photos)",
        "licence": "The photographs are works of the United States government and as such in the public domain; "
        "so are these statistics.",
        "method": "Turk and Pentland: Eigenfaces for Recognition, Journal of Cognitive Neuroscience 3(1), 1991",
    }
    arguments.output.with_suffix(".json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    print(f"{arguments.output}  {arguments.output.stat().st_size} bytes  SHA-256 {digest}")


def usable(paths: list[Path]) -> Faces:
    """The frontal and sharp faces among photos of one person each."""
    detector, basis = FaceDetector(), displacement_basis()  # (5, h, w)
    textures: list[NDArray[np.float32]] = []
    offsets: list[Floats] = []
    coloured: list[bool] = []
    for path in paths:
        photo = load_image(path)
        found = detector.detect(photo)
        if not found:
            continue
        points = np.asarray(found[0].landmarks, np.float64)
        matrix = similarity(TEMPLATE, points)  # template -> photo
        linear, shift = matrix[:, :2], matrix[:, 2]
        offset = (points - shift) @ np.linalg.inv(linear).T - TEMPLATE  # (5, 2)
        if (
            np.linalg.norm(points[1] - points[0]) < LEAST_EYES
            or np.linalg.norm(offset, axis=1).max() > FARTHEST_LANDMARK
        ):
            continue
        texture = sample(photo, linear, shift, np.tensordot(offset.T, basis, axes=1))
        luma = texture[:PIXELS].reshape(TEXTURE_SIZE)
        if abs(offset[2, 0]) > FARTHEST_NOSE or np.abs(np.diff(luma[24:108, 16:96], axis=0)).mean() < SOFTEST_EDGE:
            continue
        textures.append(exposed(texture))
        offsets.append(offset.ravel())
        coloured.append(bool(texture[PIXELS:].reshape(2, 32, 28)[:, 6:26, 6:22].std(axis=(1, 2)).mean() > LEAST_COLOUR))
    return Faces(np.stack(textures), np.stack(offsets), np.array(coloured))


def similarity(source: Floats, target: Floats) -> Floats:
    """The (2, 3) similarity transform that brings points (n, 2) closest to others (Umeyama, 1991)."""
    from_mean, to_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - from_mean, target - to_mean
    left, values, right = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, np.sign(np.linalg.det(left @ right))])
    linear = (left * sign) @ right * (values @ sign / (a**2).sum())
    return np.column_stack([linear, to_mean - linear @ from_mean])


def sample(photo: Pixels, linear: Floats, shift: Floats, displacement: Floats) -> NDArray[np.float32]:
    """The photo's texture (values,) under a transform and a displacement (2, h, w), light from the side taken out."""
    height, width = TEXTURE_SIZE
    rows, columns = np.mgrid[:height, :width]
    points = np.stack([columns, rows]) + displacement  # (2, h, w) as x, y
    x, y = np.tensordot(linear, points, axes=1) + shift[:, None, None] + BORDER
    padded = np.pad(photo, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), mode="edge").astype(np.float64)
    x, y = np.clip(x, 0, padded.shape[1] - 2), np.clip(y, 0, padded.shape[0] - 2)
    left, top = x.astype(np.int64), y.astype(np.int64)
    u, v = (x - left)[..., None], (y - top)[..., None]
    upper = padded[top, left] * (1 - u) + padded[top, left + 1] * u
    lower = padded[top + 1, left] * (1 - u) + padded[top + 1, left + 1] * u
    rgb = np.clip(np.rint(upper * (1 - v) + lower * v), 0, 255).astype(np.uint8)  # (h, w, 3)
    image = Image.fromarray(rgb).convert("YCbCr")
    luma = np.asarray(image)[..., 0].astype(np.float64)
    # A light from one side is the photo's, not the person's: take the best plane out of the luminance of the face.
    weight = face_weight()
    x0, y0 = columns - (width - 1) / 2, rows - (height - 1) / 2
    design = np.stack([np.ones_like(x0), x0, y0], axis=-1).reshape(-1, 3)
    gram = design.T * weight.ravel()
    _, slope_x, slope_y = np.linalg.solve(gram @ design, gram @ luma.ravel())
    luma -= slope_x * x0 + slope_y * y0
    small = image.resize((width // CHROMA_STEP, height // CHROMA_STEP), Image.Resampling.BOX)
    chroma = np.asarray(small)[..., 1:].astype(np.float64)
    return np.concatenate([luma.ravel(), chroma[..., 0].ravel(), chroma[..., 1].ravel()]).astype(np.float32)


def exposed(texture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The texture with the mean of the face at `BRIGHTNESS`, and the contrast that is usual: both are the photo's."""
    weight = face_weight().ravel()
    weight /= weight.sum()
    luma = texture[:PIXELS].astype(np.float64)
    mean = luma @ weight
    deviation = np.sqrt((luma - mean) ** 2 @ weight)
    even = (luma - mean) / max(float(deviation), FLATTEST) * USUAL_CONTRAST + BRIGHTNESS
    return np.concatenate([even, texture[PIXELS:]]).astype(np.float32)


def mirror(textures: NDArray[np.float32], offsets: Floats) -> tuple[NDArray[np.float32], Floats]:
    """The same faces seen in a mirror."""
    height, width = TEXTURE_SIZE
    planes, start = [], 0
    for step in (1, CHROMA_STEP, CHROMA_STEP):
        shape = (-1, height // step, width // step)
        size = shape[1] * shape[2]
        planes.append(textures[:, start : start + size].reshape(shape)[:, :, ::-1].reshape(-1, size))
        start += size
    swapped = offsets.reshape(-1, 5, 2)[:, [1, 0, 2, 4, 3]] * [-1, 1]
    return np.concatenate(planes, axis=1), swapped.reshape(-1, 10)


def principal_components(faces: Faces) -> dict[str, NDArray[Any]]:
    """The arrays of the asset; see `facesearch.workshop.sample_people.people` for their meaning."""
    light, colour = faces.textures.copy(), faces.textures[faces.coloured]
    light[:, PIXELS:] = 0
    colour[:, :PIXELS] = 0
    mirrored, mirrored_offsets = mirror(light, faces.offsets)
    mirrored_colour, _ = mirror(colour, faces.offsets[faces.coloured])
    mean: NDArray[np.float32] = (light.mean(axis=0) + mirrored.mean(axis=0)) / np.float32(2)
    tint: NDArray[np.float32] = (colour.mean(axis=0) + mirrored_colour.mean(axis=0)) / np.float32(2)
    # With its mirror images a set of faces has components that are symmetric or antisymmetric, so each half is found
    # by itself. The first half is who someone is, the second is rather how the light fell and the mouth moved.
    even, even_deviations = leading(fade((light + mirrored) / np.float32(2) - mean), LUMA)
    tinted, tint_deviations = leading(fade((colour + mirrored_colour) / np.float32(2) - tint), CHROMA)
    odd, odd_deviations = leading(fade((light - mirrored) / np.float32(2)), ASYMMETRIC)
    components = np.concatenate([even, tinted, odd])
    scale = np.abs(components).max(axis=1) / 127
    shapes = np.concatenate([faces.offsets, mirrored_offsets])
    shape_mean = shapes.mean(axis=0)
    shape_components, shape_deviations = leading(shapes - shape_mean, SHAPE_COMPONENTS)
    return {
        "mean": np.clip(np.rint(mean + tint), 0, 255).astype(np.uint8),
        "components": np.rint(components / scale[:, None]).astype(np.int8),
        "scale": scale.astype(np.float32),
        "deviations": np.concatenate([even_deviations, tint_deviations, odd_deviations]).astype(np.float32),
        "symmetric": np.arange(COMPONENTS) < LUMA + CHROMA,
        "shape_mean": shape_mean.astype(np.float32),
        "shape_components": shape_components.astype(np.float32),
        "shape_deviations": shape_deviations.astype(np.float32),
    }


def fade(differences: NDArray[np.float32]) -> NDArray[np.float32]:
    """Differences from the mean face (n, values), where what is outside of the face gives way to the tone of the skin.

    Hair and background are of no one in particular and would take up most of the components.
    """
    weight = face_weight()
    small = weight.reshape(weight.shape[0] // CHROMA_STEP, CHROMA_STEP, -1, CHROMA_STEP).mean(axis=(1, 3))
    faded, start = np.empty_like(differences), 0
    for plane in (weight.ravel(), small.ravel(), small.ravel()):
        columns = slice(start, start + plane.size)
        own = plane.astype(np.float32)
        tone = differences[:, columns] @ (own / own.sum())  # (n,)
        faded[:, columns] = tone[:, None] + (differences[:, columns] - tone[:, None]) * own
        start += plane.size
    return faded


def leading(rows: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The first principal components (count, values) of centred rows, and standard deviations (count,) along them."""
    if rows.shape[1] > 1000:  # pixels, not landmarks
        # Randomised range finder (Halko, Martinsson, Tropp 2011) with two power iterations, seed fixed.
        probe = np.random.default_rng(1991).standard_normal((rows.shape[1], count + 40)).astype(rows.dtype)
        basis = rows @ probe
        for _ in range(2):
            basis = rows @ (rows.T @ np.linalg.qr(basis)[0])
        basis = np.linalg.qr(basis)[0]
        _, values, right = np.linalg.svd(basis.T @ rows, full_matrices=False)
    else:
        _, values, right = np.linalg.svd(rows, full_matrices=False)
    right = right[:count]
    sign = np.sign(right[np.arange(count), np.abs(right).argmax(axis=1)])
    return right * sign[:, None], values[:count] / np.sqrt(len(rows))


if __name__ == "__main__":
    main()
