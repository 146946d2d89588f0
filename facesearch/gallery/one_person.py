"""Which faces are one person's, by templates of an encoder: its likeness, and what is taken off similarities."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from facesearch.clustering import grouped, least_similarity
from facesearch.encoders import find_model
from facesearch.errors import UnknownEncoderError
from facesearch.gallery.scoring import Rule


def joining(model: str, threshold: float, faces: int) -> float:
    """The similarity that joins two of so many faces; threshold: of the encoder, for one that is not known here."""
    try:
        return least_similarity(find_model(model), faces)
    except UnknownEncoderError:  # it was handed in
        return min(max(threshold, 0.0), 1.0)


def groups_of(
    templates: npt.NDArray[np.float32],
    model: str,
    threshold: float,
    *,
    photos: Sequence[Hashable],
    together: Sequence[tuple[int, int]] = (),
    apart: Sequence[tuple[int, int]] = (),
    score: str | None = None,
    least: float | None = None,
) -> list[list[int]]:
    """Rows of templates (n, d), those of one person together, the largest group first; none that is alone.

    threshold: of the encoder, for one that is not known here. score: what the gallery decides by; least: the
    similarity that joins two faces, by default `joining`. See `facesearch.clustering.grouped`.
    """
    rows = grouped(
        templates,
        photos=photos,
        together=together,
        apart=apart,
        least_similarity=joining(model, threshold, len(templates)) if least is None else least,
        taken=Rule.asked(model, score).by_cohorts(templates),
    )
    groups: dict[int, list[int]] = {}
    for row, group in enumerate(rows.tolist()):
        if group >= 0:
            groups.setdefault(group, []).append(row)
    return [groups[group] for group in sorted(groups)]
