"""Builds the eigenface model that draws synthetic people.

    pip install 'facesearch[torch]' && python -m scripts.build_people FOLDER_OF_UTKFACE_IMAGES

Writes facesearch/assets/people.npz and people.json beside it. The model is that of Turk and Pentland, "Eigenfaces for
Recognition" (1991), on faces whose five landmarks were brought to one place first: the mean, the principal components
and their standard deviations. These are statistics of some thousand people; no photograph is in them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesearch.encoders.networks.torchvision_ops import ensure_torchvision
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
ADULT = 18  # years; the model draws adults only
SYMMETRIC, ASYMMETRIC = 240, 40  # components of faces alike on both sides, and of what differs between the sides
COMPONENTS = SYMMETRIC + ASYMMETRIC
SHAPE_COMPONENTS = 6  # ten coordinates less the four that the similarity transform has used up
SOFTEST_EDGE = 4.0  # grey levels: a face whose luminance changes less than that from pixel to pixel is out of focus
FARTHEST_NOSE = 4.5  # pixels of the texture from the middle, sideways: beyond it the head is turned
FARTHEST_LANDMARK = 12.0  # pixels of the texture: beyond it the detector or the photo is odd
BORDER = 100  # pixels added around a photo, so that the transform never reads outside
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the eigenface model of synthetic people.")
    parser.add_argument("folder", type=Path, help="UTKFace images, named age_gender_race_time.jpg")
    parser.add_argument("--output", type=Path, default=ASSET)
    arguments = parser.parse_args()

    photos = read_adults(arguments.folder)
    landmarks, found = find_landmarks(photos)
    textures, shapes = normalise(photos[found], landmarks[found])
    print(f"{len(photos)} adult photos, {int(found.sum())} with one face, {len(textures)} frontal and sharp")
    arrays = principal_components(textures, shapes)
    # numpy dates every member of the archive 1980-01-01, so the same arrays give the same bytes.
    np.savez_compressed(arguments.output, allow_pickle=False, **arrays)
    digest = hashlib.sha256(arguments.output.read_bytes()).hexdigest()
    manifest = {
        "file": arguments.output.name,
        "sha256": digest,
        "bytes": arguments.output.stat().st_size,
        "built_by": "scripts/build_people.py",
        "images": len(textures),
        "components": COMPONENTS,
        "contains": "Statistics only: mean, principal components and standard deviations of aligned faces of adults, "
        "over all images and their mirror images. No photograph is contained.",
        "origin": "UTKFace (Zhang, Song, Qi: Age Progression/Regression by Conditional Adversarial Autoencoder, "
        "CVPR 2017), aligned and cropped faces, part 1",
        "licence": "The publishers of UTKFace make it available for non-commercial research only; the photographs "
        "belong to their owners. Use this file under the same terms.",
        "method": "Turk and Pentland: Eigenfaces for Recognition, Journal of Cognitive Neuroscience 3(1), 1991",
    }
    arguments.output.with_suffix(".json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    print(f"{arguments.output}  {arguments.output.stat().st_size} bytes  SHA-256 {digest}")


def read_adults(folder: Path) -> Pixels:
    """RGB photos (n, 200, 200, 3) of people of 18 years and more, in order of file name, without exact duplicates."""
    photos: list[Pixels] = []
    seen: set[bytes] = set()
    for path in sorted(folder.glob("*.jpg")):
        age = path.name.split("_", 1)[0]
        if not age.isdigit() or int(age) < ADULT:
            continue
        with Image.open(path) as image:
            photo = np.asarray(image.convert("RGB"))
        digest = hashlib.sha256(photo.tobytes()).digest()
        if photo.shape == (200, 200, 3) and digest not in seen:
            seen.add(digest)
            photos.append(photo)
    if len(photos) <= COMPONENTS:
        raise SystemExit(f"{folder}: {len(photos)} photos of adults, need more than {COMPONENTS}; is this UTKFace?")
    return np.stack(photos)


def find_landmarks(photos: Pixels) -> tuple[Floats, NDArray[np.bool_]]:
    """Five landmarks (n, 5, 2) as x, y in pixels, and whether (n,) exactly one sure face was found."""
    ensure_torchvision()
    from facenet_pytorch import MTCNN

    detector: Any = MTCNN(keep_all=True, min_face_size=70, device="cpu")
    landmarks = np.zeros((len(photos), 5, 2))
    found = np.zeros(len(photos), dtype=np.bool_)
    for start in range(0, len(photos), BATCH):
        _, scores, points = detector.detect(photos[start : start + BATCH], landmarks=True)
        for row, (score, point) in enumerate(zip(scores, points, strict=True), start):
            if point is not None and len(point) == 1 and score[0] > 0.99:
                landmarks[row], found[row] = point[0], True
    return landmarks, found


def normalise(photos: Pixels, landmarks: Floats) -> tuple[NDArray[np.float32], Floats]:
    """Textures (m, values) in the model's layout and landmark offsets (m, 10) in pixels, of the usable photos."""
    basis = displacement_basis()  # (5, h, w)
    textures: list[NDArray[np.float32]] = []
    offsets: list[Floats] = []
    for photo, points in zip(photos, landmarks, strict=True):
        matrix = similarity(TEMPLATE, points)  # template -> photo
        linear, shift = matrix[:, :2], matrix[:, 2]
        offset = (points - shift) @ np.linalg.inv(linear).T - TEMPLATE  # (5, 2)
        if abs(offset[2, 0]) > FARTHEST_NOSE or np.linalg.norm(offset, axis=1).max() > FARTHEST_LANDMARK:
            continue
        texture = sample(photo, linear, shift, np.tensordot(offset.T, basis, axes=1))
        luma = texture[: TEXTURE_SIZE[0] * TEXTURE_SIZE[1]].reshape(TEXTURE_SIZE)
        if np.abs(np.diff(luma[24:108, 16:96], axis=0)).mean() < SOFTEST_EDGE:
            continue
        textures.append(texture)
        offsets.append(offset.ravel())
    return np.stack(textures), np.stack(offsets)


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


def principal_components(textures: NDArray[np.float32], offsets: Floats) -> dict[str, NDArray[Any]]:
    """The arrays of the asset; see `facesearch.workshop.sample_people.people` for their meaning."""
    mirrored, mirrored_offsets = mirror(textures, offsets)
    mean: NDArray[np.float32] = (textures.mean(axis=0) + mirrored.mean(axis=0)) / np.float32(2)
    # With its mirror images a set of faces has components that are symmetric or antisymmetric, so each half is found
    # by itself. The first half is who someone is, the second is rather how the light fell and the mouth moved.
    even, even_deviations = leading(fade((textures + mirrored) / np.float32(2) - mean), SYMMETRIC)
    odd, odd_deviations = leading(fade((textures - mirrored) / np.float32(2)), ASYMMETRIC)
    components = np.concatenate([even, odd])
    scale = np.abs(components).max(axis=1) / 127
    shapes = np.concatenate([offsets, mirrored_offsets])
    shape_mean = shapes.mean(axis=0)
    shape_components, shape_deviations = leading(shapes - shape_mean, SHAPE_COMPONENTS)
    return {
        "mean": np.clip(np.rint(mean), 0, 255).astype(np.uint8),
        "components": np.rint(components / scale[:, None]).astype(np.int8),
        "scale": scale.astype(np.float32),
        "deviations": np.concatenate([even_deviations, odd_deviations]).astype(np.float32),
        "symmetric": np.arange(COMPONENTS) < SYMMETRIC,
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
