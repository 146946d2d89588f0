"""Photos -> templates with the product's own parts, on all cores; what several benchmarks share."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.encoders import load_encoder
from facesearch.errors import RejectedImageError, SeveralFacesError
from facesearch.photos.decoding import load_image
from facesearch.pipeline.pipeline import Pipeline

PRODUCT = ("facesearch", "numpy", "pillow", "onnxruntime", "faiss-cpu", "sqlalchemy")  # what shapes the results

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """What a photo gives: the template (d,) of its most prominent face, and why it could not be enrolled, if so."""

    template: Vector | None
    rejection: str | None


def encode_photos(paths: Sequence[Path]) -> list[Encoded]:
    """The photos in their order, as a probe sees them (`template`) and as enrolment judges them (`rejection`)."""
    pipeline = Pipeline(load_encoder(threads=1), threads=1)
    encoded: list[Encoded] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for one in pool.map(lambda path: _encode(pipeline, path), paths):
            encoded.append(one)
            if len(encoded) % 1000 == 0:
                print(f"{len(encoded)} of {len(paths)} photos", file=sys.stderr, flush=True)
    return encoded


def _encode(pipeline: Pipeline, path: Path) -> Encoded:
    try:
        image = load_image(path)
        try:
            # the clear subject of a photo is its most prominent face
            return Encoded(pipeline.photo(image, b"").face.template, None)
        except SeveralFacesError as error:
            return Encoded(pipeline.prominent(image).template, reason(str(error)))
    except RejectedImageError as error:
        return Encoded(None, reason(str(error)))


def reason(text: str) -> str:
    """The reason of a rejection without numbers and names, so that equal ones can be counted."""
    if text.startswith("the same image is enrolled as"):
        return "the same image is enrolled as somebody else"
    return re.sub(r"\d+", "N", text)


def counted(reasons: Iterable[str]) -> dict[str, int]:
    """How often each reason occurs, the most frequent first."""
    return dict(Counter(reasons).most_common())
