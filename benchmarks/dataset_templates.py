"""Templates of the photos of a data set that show a face, and whose they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facesearch.encoders import EncoderSpec
from facesearch.evaluation.datasets import Dataset
from facesearch.evaluation.extraction import templates

Floats = npt.NDArray[np.float32]


def found_templates(dataset: Dataset, spec: EncoderSpec) -> tuple[Floats, npt.NDArray[np.str_]]:
    """Templates (n, d) of all photos with a face, and the names (n,) of the people."""
    held = templates(dataset, [spec])[spec]
    return held.values[held.found], np.array([sample.identity for sample in dataset.samples])[held.found]
