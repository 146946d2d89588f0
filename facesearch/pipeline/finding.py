"""The faces of a photo, or of a crop that came aligned, and why there is none to be used."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from facesearch.errors import FacesearchError, NoFaceError, RejectedImageError, TinyFaceError, UnreadableImageError
from facesearch.faces import Face, FaceDetector, most_prominent
from facesearch.faces.turned import turned_alone
from facesearch.photos.decoding import decode, read_bytes, sha256
from facesearch.photos.limits import check_size

RGB = npt.NDArray[np.uint8]

_TINY = 16  # pixels; a face this small is still found, to say that it is too small
_LEAST_SHARE = 1 / 310  # of the mean side of a large photo; likewise
# what runtimes of models say in place of raising MemoryError
_NO_MEMORY = ("bad_alloc", "bad allocation", "allocate", "not enough memory", "out of memory")


@contextmanager
def within_memory() -> Iterator[None]:
    """What runs out of memory costs the one photo it was done for: that raises `UnreadableImageError`."""
    try:
        yield
    except FacesearchError:
        raise
    except Exception as error:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _NO_MEMORY):
            raise UnreadableImageError("not enough memory for this photo") from error
        raise


def find_faces(detector: FaceDetector, image: RGB) -> list[Face]:
    """The faces of at least the detector's smallest size in pixels (h, w, 3), largest first; empty if there is none.

    Raises `TinyFaceError` where there are smaller ones only, `UnreadableImageError` for what are no pixels.
    """
    check_pixels(image)
    with within_memory():
        return _find(detector, image)


def _find(detector: FaceDetector, image: RGB) -> list[Face]:
    least = detector.min_face
    found = detector.detect(image)
    faces = [face for face in found if face.size >= least]  # the detector also finds some half as large
    if faces:
        return faces
    # a search for smaller faces has other scales, and may find a large one that was passed over
    tiny = max(_TINY, math.ceil(_LEAST_SHARE * math.sqrt(image.shape[0] * image.shape[1])))
    found = found or (detector.detect(image, tiny) if least > tiny else [])
    faces = [face for face in found if face.size >= least]
    if found and not faces:
        raise TinyFaceError(
            f"the face is only {int(found[0].size)} pixels wide, at least {least} are needed (--min-face) "
            "(SMALL_BOUNDING_BOX)"
        )
    return faces


def check_way_up(detector: FaceDetector, image: RGB) -> None:
    """Raises `NoFaceError` for pixels (h, w, 3) that show no face large enough as they are, but do so turned."""
    with within_memory():
        way = turned_alone(detector, image)
    if way is not None:
        raise NoFaceError(f"no upright face found, but one that {way}: turn the photo (EXTREME_POSE)")


def prominent_face(detector: FaceDetector, path: Path) -> tuple[Face, bytes]:
    """The most prominent face of the photo in a file and the SHA-256 of its content; raises `RejectedImageError`."""
    data = read_bytes(path)
    image = decode(data, os.fspath(path))
    return most_prominent(find_faces(detector, image), *image.shape[:2]), sha256(data)


def aligned_crop(image: RGB, size: int) -> RGB:
    """An image that is an aligned crop already as (size, size, 3); raises `RejectedImageError` if it is not square."""
    check_pixels(image)
    if image.shape[0] != image.shape[1]:
        raise RejectedImageError(f"an aligned crop is square, this image is {image.shape[1]}×{image.shape[0]}")
    if image.shape[0] == size:
        return image
    with within_memory():
        return np.asarray(PillowImage.fromarray(image).resize((size, size), PillowImage.Resampling.BILINEAR))


def check_pixels(image: RGB) -> None:
    """Raise `UnreadableImageError` for what are no pixels (h, w, 3) uint8, or too few or too many."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise UnreadableImageError(f"pixels are (h, w, 3) uint8, not {image.shape} {image.dtype}")
    check_size(image.shape[1], image.shape[0])
