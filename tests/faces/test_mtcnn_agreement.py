"""The detector finds what facenet-pytorch's MTCNN finds, on real photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.faces import FaceDetector
from facesearch.faces.mtcnn import Mtcnn
from facesearch.photos.decoding import load_image

torch = pytest.importorskip("torch")

from facesearch.encoders.networks.torchvision_ops import ensure_torchvision  # noqa: E402

pytestmark = pytest.mark.slow

Found = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]  # boxes (n, 4) with right, bottom; landmarks (n, 5, 2)
Detect = Callable[[npt.NDArray[np.uint8]], Found]


@pytest.fixture
def reference() -> Iterator[Callable[[int], Detect]]:
    """facenet-pytorch's detector for a smallest face."""
    try:
        ensure_torchvision()
    except ImportError as error:
        pytest.skip(str(error))
    mtcnn: Any = pytest.importorskip("facenet_pytorch").MTCNN

    def detector(min_face: int) -> Detect:
        model = mtcnn(keep_all=True, min_face_size=min_face)

        def detect(image: npt.NDArray[np.uint8]) -> Found:
            boxes, _, points = model.detect(image, landmarks=True)
            if boxes is None:
                return np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)
            return np.array(boxes, dtype=np.float32), np.array(points, dtype=np.float32)

        return detect

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # its threads wait for each other wherever another program takes a core
    yield detector
    torch.set_num_threads(threads)


def distance(one: npt.NDArray[np.float32], others: npt.NDArray[np.float32]) -> float:
    """The largest difference of a coordinate, in pixels, to the nearest of the others; infinite if there is none."""
    differences = np.abs(others - one).reshape(len(others), -1)
    return float(differences.max(axis=1).min()) if len(others) else np.inf


@pytest.mark.parametrize("min_face", [20, 40])
def test_faces_boxes_and_landmarks_are_those_of_facenet_pytorch(
    deepface_pairs: Path, reference: Callable[[int], Detect], min_face: int
) -> None:
    expected_of, mtcnn, detector = reference(min_face), Mtcnn(threads=1), FaceDetector(min_face, threads=1)
    boxes_off, landmarks_off, framed_off = [], [], []
    counts: list[tuple[int, int]] = []
    for path in sorted((deepface_pairs / "images").iterdir()):
        image = load_image(path)
        boxes, landmarks = expected_of(image)
        found = mtcnn.search(image, min_face)
        faces = [[x, y, x + w, y + h] for x, y, w, h in (face.box for face in detector.detect(image))]
        counts.append((len(boxes), len(found.boxes)))
        for box, points in zip(boxes, landmarks, strict=True):
            boxes_off.append(distance(box, found.boxes))
            landmarks_off.append(distance(points, found.landmarks))
            framed_off.append(distance(box, np.array(faces, dtype=np.float32).reshape(-1, 4)))
    assert len(boxes_off) >= len(counts)
    assert sum(one == other for one, other in counts) >= 0.99 * len(counts)
    assert np.mean(np.array(boxes_off) <= 2) >= 0.99
    assert np.mean(np.array(landmarks_off) <= 2) >= 0.99
    assert np.mean(np.array(framed_off) <= 2) >= 0.99
