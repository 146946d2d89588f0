"""From a face to the crop that an encoder was trained on.

Every encoder declares its crop, and gets exactly that one: a crop from another family loses ten points of accuracy
without any error. Alignments map the five landmarks onto a template by the least-squares similarity transform
(Umeyama 1991).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from facesearch.errors import UsageError
from facesearch.faces.face import Face

CropName = Literal["arcface", "mtcnn-margin", "dlib-chip"]
Points = npt.NDArray[np.float64]
RGB = npt.NDArray[np.uint8]

# InsightFace's reference points for 112×112 (Deng et al., ArcFace, 2019)
ARCFACE: Points = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
# Where MTCNN's landmarks lie in dlib's 150×150 chip (padding 0.25): mean and spread over 1,972 faces of UTKFace,
# measured by scripts/fit_dlib_chip.py. dlib aligns by eyes and nose; of the weights tried there, these give the
# templates nearest to those of dlib's own chips (mean cosine 0.9967 on 343 faces of UTKFace).
DLIB_CHIP: Points = np.array([[47.71, 46.11], [102.04, 46.04], [74.57, 76.86], [50.89, 100.49], [98.49, 100.45]])
_DLIB_WEIGHTS: Points = np.array([1.0, 1.0, 0.4, 0.05, 0.05])

_MARGIN = 14  # facenet-pytorch's evaluation on LFW, in pixels of its 160×160 crop


@dataclass(frozen=True, slots=True)
class Crop:
    """A kind of crop: its name, its side in pixels, and how it is cut."""

    name: CropName
    size: int
    cut: Callable[[RGB, Face], RGB]


def similarity(source: Points, target: Points, weights: Points | None = None) -> Points:
    """The similarity transform (2, 3) that maps points `source` (n, 2) onto `target` (n, 2) with least squared error.

    weights: (n,) how much each point counts. Source: Umeyama, PAMI 13(4), 1991, without reflection.
    """
    share = np.full(len(source), 1 / len(source)) if weights is None else weights / weights.sum()
    source_mean, target_mean = share @ source, share @ target
    source_centred, target_centred = source - source_mean, target - target_mean
    covariance = (target_centred * share[:, None]).T @ source_centred  # (2, 2)
    u, spread, vt = np.linalg.svd(covariance)
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    rotation = (u * sign) @ vt
    variance = share @ (source_centred**2).sum(axis=1)
    scale = (spread * sign).sum() / max(variance, 1e-12)
    return np.column_stack([scale * rotation, target_mean - scale * rotation @ source_mean])


def warp(image: RGB, transform: Points, size: int) -> RGB:
    """The crop (size, size, 3) that `transform` (2, 3) from image to crop shows; black outside of the image.

    Bilinear; where the crop is less than half as large as the face, the image is averaged down first, as aliasing
    would otherwise change the template.
    """
    if abs(np.linalg.det(transform[:, :2])) < 1e-12:  # landmarks in one place: no face to show
        return np.zeros((size, size, 3), dtype=np.uint8)
    matrix = np.vstack([transform, [0, 0, 1]])
    inverse = np.linalg.inv(matrix)
    reduction = int(np.hypot(inverse[0, 0], inverse[1, 0]))
    corners = inverse @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    height, width = image.shape[:2]
    # only the part of the image that the crop shows is touched
    left, top = (int(np.clip(np.floor(corners[axis].min()) - 2, 0, side)) for axis, side in ((0, width), (1, height)))
    right, bottom = (
        int(np.clip(np.ceil(corners[axis].max()) + 3, 0, side)) for axis, side in ((0, width), (1, height))
    )
    if right <= left or bottom <= top:
        return np.zeros((size, size, 3), dtype=np.uint8)
    part = Image.fromarray(np.ascontiguousarray(image[top:bottom, left:right]))
    inverse[:2, 2] -= (left, top)
    if reduction > 1:
        part = part.reduce(reduction)
        inverse[:2] /= reduction
    # Pillow samples at pixel centres: x + 0.5; landmarks name pixel centres by whole numbers
    offset = inverse[:2, :2] @ np.array([-0.5, -0.5]) + inverse[:2, 2] + (0.5 / reduction if reduction > 1 else 0.5)
    rows = [*inverse[0, :2], offset[0], *inverse[1, :2], offset[1]]
    return np.asarray(part.transform((size, size), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR))


def _cut_arcface(image: RGB, face: Face) -> RGB:
    return warp(image, similarity(face.landmarks.astype(np.float64), ARCFACE), 112)


def _cut_dlib_chip(image: RGB, face: Face) -> RGB:
    return warp(image, similarity(face.landmarks.astype(np.float64), DLIB_CHIP, _DLIB_WEIGHTS), 150)


def _cut_mtcnn_margin(image: RGB, face: Face) -> RGB:
    """The box grown by the margin, cut to the image and resized without keeping its shape, as facenet-pytorch does."""
    size = 160
    x, y, w, h = face.box
    grow_x, grow_y = (_MARGIN * side / (size - _MARGIN) / 2 for side in (w, h))
    height, width = image.shape[:2]
    left, top = int(max(x - grow_x, 0)), int(max(y - grow_y, 0))
    right, bottom = int(min(x + w + grow_x, width)), int(min(y + h + grow_y, height))
    if right <= left or bottom <= top:
        return np.zeros((size, size, 3), dtype=np.uint8)
    part = Image.fromarray(np.ascontiguousarray(image[top:bottom, left:right]))
    return np.asarray(part.resize((size, size), Image.Resampling.BILINEAR))


CROPS: dict[CropName, Crop] = {
    "arcface": Crop("arcface", 112, _cut_arcface),
    "mtcnn-margin": Crop("mtcnn-margin", 160, _cut_mtcnn_margin),
    "dlib-chip": Crop("dlib-chip", 150, _cut_dlib_chip),
}


def find_crop(name: str) -> Crop:
    """The kind of crop of that name; raises `UsageError` naming those that there are."""
    for crop in CROPS.values():
        if crop.name == name:
            return crop
    raise UsageError(f"no kind of crop is named '{name}'; there are: {', '.join(CROPS)}")
