"""Faces -> clusters: what `grouped` promises, around the algorithm."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from facesearch.clustering.agglomeration import Agglomeration
from facesearch.clustering.constraints import Constraints, RowPairs
from facesearch.clustering.likeness import least_similarity as usual_similarity
from facesearch.clustering.neighbours import nearest_pairs
from facesearch.encoders import DEFAULT_MODEL, find_model
from facesearch.errors import UsageError

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

DEFAULT_NEIGHBOURS = 50
_UNIT = 0.01  # how far the length of a template may be from 1


def grouped(
    templates: Floats,
    *,
    photos: Sequence[Hashable] | None = None,
    together: RowPairs = (),
    apart: RowPairs = (),
    least_similarity: float | None = None,
    taken: npt.NDArray[np.floating] | None = None,
    neighbours: int = DEFAULT_NEIGHBOURS,
) -> Ints:
    """The number of the cluster of each face, (n,): from 0, the largest cluster first; −1 for a face that is alone.

    templates: (n, d) of unit length. photos: of each face the photo that it is in; two faces of one photo are never
    in one cluster. together, apart: pairs of rows that always, or never, are in one cluster. least_similarity: the
    cosine that joins two faces; None: `likeness.least_similarity` of so many faces and the default encoder. taken: (n,)
    what is taken off similarities to each face, for what it has in common with other people; 0 or more
    (`gallery.scoring.Rule.by_cohorts`). neighbours: how many of the most alike faces of each one are looked at, at
    least 1.

    The same faces give the same clusters, in whatever order they come; clusters of one size are numbered in the order
    of their first faces. Raises `UsageError` for templates that are none, and for a contradiction.
    """
    _check(templates, least_similarity, taken, neighbours)
    n = len(templates)
    constraints = Constraints(n, photos, together, apart)  # tells of contradictions by the numbers that were given
    if n < 2:
        return np.full(n, -1, np.int64)
    order = _canonical(templates, photos)
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    ordered = np.ascontiguousarray(templates[order], np.float32)
    constraints = Constraints(
        n,
        None if photos is None else [photos[row] for row in order],
        sorted((min(place[a], place[b]).item(), max(place[a], place[b]).item()) for a, b in together),
        [(place[a].item(), place[b].item()) for a, b in apart],
    )
    if least_similarity is None:
        least_similarity = usual_similarity(find_model(DEFAULT_MODEL), n)
    pairs = nearest_pairs(ordered, min(neighbours, n - 1), least_similarity)
    off = np.zeros(n) if taken is None else np.asarray(taken, np.float64)[order]
    Agglomeration(ordered, pairs, constraints, least_similarity, off).run()
    return _numbered(np.array(constraints.clusters, np.int64)[place])


def _check(
    templates: Floats, least_similarity: float | None, taken: npt.NDArray[np.floating] | None, neighbours: int
) -> None:
    if templates.ndim != 2:
        raise UsageError(f"templates have shape (faces, dimension), not {templates.shape}")
    if neighbours < 1:
        raise UsageError(f"faces cannot be grouped by {neighbours} neighbours: at least 1 is needed")
    if least_similarity is not None and not 0 <= least_similarity <= 1:
        raise UsageError(f"faces are joined by a similarity between 0 and 1, not by {least_similarity}")
    if taken is not None and (np.shape(taken) != templates.shape[:1] or not (np.asarray(taken) >= 0).all()):
        raise UsageError(f"what is taken off has to be a number, 0 or more, for each of {len(templates)} faces")
    lengths = np.linalg.norm(templates, axis=1)
    wrong = ~(np.abs(lengths - 1) <= _UNIT)
    if wrong.any():
        row = int(wrong.argmax())
        raise UsageError(f"template {row} is {lengths[row]:.4g} long: divide each by its length")


def _canonical(templates: Floats, photos: Sequence[Hashable] | None) -> Ints:
    """The rows in an order that does not depend on the one they came in."""
    rows = np.ascontiguousarray(templates, np.float32)
    _, ranks = np.unique(rows.view(np.dtype((np.void, rows.shape[1] * 4))).ravel(), return_inverse=True)
    if photos is None:
        return np.argsort(ranks, kind="stable")
    beside: dict[Hashable, list[int]] = {}
    for photo, rank in zip(photos, ranks.tolist(), strict=True):
        beside.setdefault(photo, []).append(rank)
    kinds = {photo: tuple(sorted(of_photo)) for photo, of_photo in beside.items()}
    # Of equal faces, those come first that are in photos with such other faces.
    return np.array(sorted(range(len(rows)), key=lambda row: (ranks[row], kinds[photos[row]])), np.int64)


def _numbered(clusters: Ints) -> Ints:
    """Clusters (n,), any numbers, numbered by size; −1 for those of one face."""
    _, first, inverse, counts = np.unique(clusters, return_index=True, return_inverse=True, return_counts=True)
    ranking = np.lexsort((first, -counts))
    numbers = np.empty(len(counts), np.int64)
    numbers[ranking] = np.arange(len(counts))
    numbers[counts == 1] = -1
    return numbers[inverse]
