"""Every kind against exact search, on vectors like templates: people in clusters, near-duplicates, look-alikes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from index_samples import Floats, Ints, exact_search, unit

from indexes import create_index

# Kinds, and the least part of the probes whose person has to be found where exact search finds it.
KINDS = {
    "flat": 1.0,
    "fp16": 1.0,
    "sq8": 0.99,
    "sq6": 0.98,
    "sq4": 0.96,
    "pca64,sq8": 0.95,
    "pq32": 0.91,
    "opq32": 0.93,
    "fs32": 0.92,
    "rabitq": 0.86,
    "tcq32": 0.95,
    "rabitq+sq8": 0.99,
    "fs32+sq8": 0.99,
    "pca64,fs16+pca96,sq6": 0.95,
    "pca128,fs32+sq8": 0.99,
    "ivf8,flat": 0.78,
    "ivf8,sq8": 0.78,
    "ivf8,fs32+sq8": 0.78,
    "hnsw16": 0.99,
    "hnsw16,sq8": 0.99,
}


@cache
def gallery(people: int = 500, dimension: int = 128) -> tuple[Floats, Ints, Floats, Ints]:
    """Templates, their people, probes, theirs: four photos each, a near-duplicate of one, half of the people alike."""
    rng = np.random.default_rng(17)
    spectrum = np.exp(-np.arange(dimension) / (0.2 * dimension))
    centres = rng.standard_normal((people, dimension)) * np.sqrt(spectrum / spectrum.sum())
    centres[people // 2 :] = 0.8 * centres[: people - people // 2] + 0.6 * centres[people // 2 :]
    noise = rng.standard_normal((people, 5, dimension)) * (1.0 / dimension**0.5)
    photos = unit((centres[:, None] + noise).reshape(-1, dimension)).reshape(people, 5, dimension)
    copies = unit(photos[:, 0] + rng.standard_normal((people, dimension)) * 1e-3)[:, None]
    enrolled = np.concatenate([photos[:, :4], copies], axis=1).reshape(-1, dimension)
    return enrolled, np.repeat(np.arange(people), 5), photos[:, 4], np.arange(people)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_kind_finds_the_people_that_exact_search_finds(kind: str) -> None:
    x, people, probes, probed = gallery()
    ids = np.arange(len(x)) * 7 + 3
    index = create_index(kind, x.shape[1])
    index.train(x)
    index.add(ids, x)
    scores, found = index.search(probes, 3)
    _, exact = exact_search(ids, x, probes, 1)
    right = people[(exact[:, 0] - 3) // 7] == probed
    assert 0.85 < right.mean() < 1.0  # not trivially right
    assert (people[(found[right, 0] - 3) // 7] == probed[right]).mean() >= KINDS[kind]
    assert (np.diff(scores, axis=1) <= 0).all()
    assert (found >= 0).all()
    own = np.vecdot(index.reconstruct(found[:, 0]), probes)
    np.testing.assert_allclose(own, scores[:, 0], atol=2e-6)
    np.testing.assert_equal(index.search(probes, 3), (scores, found))
