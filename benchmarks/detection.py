"""How long finding faces takes, against facenet-pytorch's MTCNN, and whether the same faces are found.

    pip install 'facesearch[torch]' && python -m benchmarks.detection FOLDER

FOLDER has photos in `images`, as the data set of deepface's unit tests. Both detectors look at every photo above one
megapixel in one process, in turns; the median per photo counts. With one thread it is the processor's time that is
measured, to be trusted on a busy machine too; with more it is time by the clock, and torch's threads wait for each
other where another program takes a core. Where torchvision's compiled operators do not load, its
suppression is replaced by a slower one: the time that the reference spends in it is measured and given apart, and
`ratio_without_suppression` is the ratio if it took none.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import alternating, measured
from facesearch.encoders.networks.torchvision_ops import ensure_torchvision
from facesearch.faces import FaceDetector
from facesearch.faces.mtcnn import Mtcnn
from facesearch.photos.decoding import load_image

LEAST_PIXELS = 1_000_000
NEAR = 2.0  # pixels

RGB = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class Stopwatch:
    """Adds up the time spent in a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.milliseconds = 0.0
        self.clock = time.perf_counter

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        started = self.clock()
        try:
            return self._function(*arguments, **named)
        finally:
            self.milliseconds += (self.clock() - started) * 1000


class Reference:
    """facenet-pytorch's MTCNN."""

    def __init__(self, min_face: int, threads: int) -> None:
        ensure_torchvision()
        import torch
        from facenet_pytorch import MTCNN
        from facenet_pytorch.models.utils import detect_face

        torch.set_num_threads(threads)
        self._mtcnn = MTCNN(keep_all=True, min_face_size=min_face)
        if not isinstance(detect_face.batched_nms, Stopwatch):
            detect_face.batched_nms = Stopwatch(detect_face.batched_nms)
        self.suppression: Stopwatch = detect_face.batched_nms
        self.last: tuple[Floats, Floats] = np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)

    def detect(self, image: RGB) -> None:
        """Sets `last`: boxes (n, 4) left, top, right, bottom and landmarks (n, 5, 2)."""
        boxes, _, landmarks = self._mtcnn.detect(image, landmarks=True)
        count = 0 if boxes is None else len(boxes)
        self.last = (
            np.array(boxes if count else [], dtype=np.float32).reshape(count, 4),
            np.array(landmarks if count else [], dtype=np.float32).reshape(count, 5, 2),
        )


def near(expected: Floats, found: Floats) -> int:
    """How many of the expected (n, …) have one of the found (m, …) within `NEAR` pixels in every coordinate."""
    if not len(found):
        return 0
    return sum(bool((np.abs(found - one).reshape(len(found), -1).max(axis=1) <= NEAR).any()) for one in expected)


def compare(images: list[RGB], min_face: int, threads: int, runs: int) -> dict[str, Any]:
    clock = time.process_time if threads == 1 else time.perf_counter
    ours, cascade = FaceDetector(min_face, threads=threads), Mtcnn(threads=threads)
    reference = Reference(min_face, threads)
    reference.suppression.clock = clock
    ours.detect(images[0])
    reference.detect(images[0])
    our_times, their_times, suppression = [], [], []
    counts = dict.fromkeys(("faces_reference", "faces_facesearch", "boxes_agree", "landmarks_agree"), 0)
    for image in images:
        reference.suppression.milliseconds = 0.0
        detectors: dict[str, Callable[[], object]] = {
            "facesearch": partial(ours.detect, image),
            "reference": partial(reference.detect, image),
        }
        medians = alternating(detectors, runs, clock)
        our_times.append(medians["facesearch"])
        their_times.append(medians["reference"])
        suppression.append(reference.suppression.milliseconds / runs)
        boxes, landmarks = reference.last
        faces = [(x, y, x + w, y + h) for x, y, w, h in (face.box for face in ours.detect(image))]
        counts["faces_reference"] += len(boxes)
        counts["faces_facesearch"] += len(faces)
        counts["boxes_agree"] += near(boxes, np.array(faces, dtype=np.float32).reshape(-1, 4))
        counts["landmarks_agree"] += near(landmarks, cascade.search(image, min_face).landmarks)
    without = [their - spent for their, spent in zip(their_times, suppression, strict=True)]
    return {
        "min_face": min_face,
        "photos": len(images),
        "megapixels": round(sum(image.size for image in images) / 3e6, 1),
        "runs_per_photo": runs,
        "threads": threads,
        "clock": "processor" if threads == 1 else "wall",
        **counts,
        "facesearch_ms": round(sum(our_times), 1),
        "reference_ms": round(sum(their_times), 1),
        "reference_suppression_ms": round(sum(suppression), 1),
        "ratio": round(sum(their_times) / sum(our_times), 2),
        "median_ratio": round(_median_ratio(their_times, our_times), 2),
        "ratio_without_suppression": round(sum(without) / sum(our_times), 2),
        "median_ratio_without_suppression": round(_median_ratio(without, our_times), 2),
    }


def _median_ratio(theirs: list[float], ours: list[float]) -> float:
    return statistics.median(their / our for their, our in zip(theirs, ours, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    images = [load_image(path) for path in sorted((arguments.folder / "images").iterdir())]
    images = [image for image in images if image.shape[0] * image.shape[1] > LEAST_PIXELS]
    rows = []
    for threads in arguments.threads:
        for min_face in (20, 40):
            rows.append(compare(images, min_face, threads, arguments.runs))
            print(rows[-1], flush=True)
    options = f"--runs {arguments.runs} --threads {' '.join(map(str, arguments.threads))}"
    path = measured("detection", rows, f"python -m benchmarks.detection {arguments.folder.name} {options}")
    print(path.relative_to(Path.cwd()))


if __name__ == "__main__":
    main()
