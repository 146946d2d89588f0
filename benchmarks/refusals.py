"""Whose photos are refused for poor quality: by age, sex and origin, when enrolled and as probes.

    python -m benchmarks.refusals UTKFACE_FOLDER

UTKFace's file names say age, sex and origin as its authors estimated them; who the people are is not told, and every
photo counts as another person. Photos as they are, and every second one made worse, all of them alike: blurred, and
dark (`WAYS`), so much that enrolment refuses some and not all. Of each group, and of its adults alone, as age, sex and
origin go together in this set:

- faceless: photos without a usable face (none, several, too small, turned and not found as they are);
- refused: of the others, that enrolment by the usual profile finds too blurred, too poor or turned;
- not named: of the same, whose most prominent face is below the bar for probes.

Intervals are Wilson's, 95 %. The bars were chosen on these photos as a whole. Writes benchmarks/results/refusals.json.
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import measured
from benchmarks.photos import PRODUCT
from facesearch import load_encoder
from facesearch.errors import PoorFaceError, RejectedImageError
from facesearch.evaluation.degradations import Degradation
from facesearch.evaluation.groups import Group, from_file_names
from facesearch.faces import FaceDetector, most_prominent
from facesearch.photos.decoding import load_image
from facesearch.pipeline.pipeline import Pipeline

WAYS: dict[str, Degradation | None] = {
    "as they are": None,
    "blurred": Degradation("blur", 0.057),  # distances between the eyes
    "dark": Degradation("dark", 0.175),  # of the light
}
ADULT = 18
NORMAL = 1.959964  # 95 % of a normal distribution are nearer to its mean, in deviations

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Seen:
    """What becomes of a photo: whether it has a usable face, and that is refused, or not named."""

    usable: bool = False
    refused: bool = False
    not_named: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("utkface", type=Path)
    photos = sorted(parser.parse_args().utkface.glob("*.jpg"))
    encoder = load_encoder(threads=1)
    pipeline, detector = Pipeline(encoder, threads=1), FaceDetector(threads=1)
    result: dict[str, Any] = {"encoder": str(encoder.spec), "quality": pipeline.spec.quality, "ways": {}}
    with ThreadPoolExecutor(2) as pool:
        for way, worse in WAYS.items():
            some = photos if worse is None else photos[::2]
            seen = list(pool.map(partial(_seen, pipeline, detector, worse), some))
            result["ways"][way] = _by_group(some, seen)
            print(way, result["ways"][way][0], flush=True)
    measured("refusals", result, "python -m benchmarks.refusals utkface/unlabelled", PRODUCT)


def _seen(pipeline: Pipeline, detector: FaceDetector, worse: Degradation | None, path: Path) -> Seen:
    image = load_image(path)
    try:
        if worse is not None:
            face = most_prominent(detector.detect(image), *image.shape[:2])
            image = worse(image, face, np.random.default_rng(zlib.crc32(path.name.encode())))
        try:
            return Seen(usable=True, not_named=pipeline.photo(image, b"").face.poor)
        except PoorFaceError:
            return Seen(usable=True, refused=True, not_named=pipeline.prominent(image).poor)
    except RejectedImageError:
        return Seen()


def _by_group(photos: Sequence[Path], seen: Sequence[Seen]) -> list[dict[str, Any]]:
    everyone = Group("all", "", np.ones(len(photos), np.bool_))
    adult = np.array([int(path.name.partition("_")[0]) >= ADULT for path in photos])
    rows = []
    for group in (everyone, *from_file_names([path.name for path in photos])):
        row: dict[str, Any] = {"label": group.label, "value": group.value, **_counts(seen, group.members)}
        if group.label != "age":
            row["adults"] = _counts(seen, group.members & adult)
        rows.append(row)
    return rows


def _counts(seen: Sequence[Seen], members: Bools) -> dict[str, Any]:
    inside = [one for one, is_member in zip(seen, members, strict=True) if is_member]
    usable = [one for one in inside if one.usable]
    return {
        "photos": len(inside),
        "faceless": _share(len(inside) - len(usable), len(inside)),
        "refused": _share(sum(one.refused for one in usable), len(usable)),
        "not named": _share(sum(one.not_named for one in usable), len(usable)),
    }


def _share(count: int, of: int) -> dict[str, Any]:
    return {"count": count, "of": of, "interval": [round(end, 5) for end in wilson(count, of)]}


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share of independent trials (Wilson, JASA 1927); also where none or all are counted."""
    if not of:
        return 0.0, 1.0
    share, square = count / of, NORMAL**2 / of
    middle = (share + square / 2) / (1 + square)
    half = NORMAL * math.sqrt(share * (1 - share) / of + square / (4 * of)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


if __name__ == "__main__":
    main()
