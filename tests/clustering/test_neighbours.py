"""The graph of nearest neighbours is exact, in blocks and from shadows too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.clustering import neighbours as module
from facesearch.clustering.neighbours import nearest_pairs

Floats = npt.NDArray[np.float32]


def _templates(n: int, d: int, rank: int) -> Floats:
    generator = np.random.default_rng(n)
    vectors = generator.standard_normal((n, rank)) @ generator.standard_normal((rank, d))
    vectors += 0.05 * generator.standard_normal((n, d))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _expected(templates: Floats, neighbours: int, least: float) -> set[tuple[int, int]]:
    similarity = templates.astype(np.float64) @ templates.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :neighbours]
    return {
        (min(one, other), max(one, other))
        for one, others in enumerate(nearest.tolist())
        for other in others
        if similarity[one, other] >= least
    }


@pytest.mark.parametrize("rank", [6, 48])
@pytest.mark.parametrize("least", [0.3, -1.0])
def test_the_pairs_are_the_nearest_of_either(monkeypatch: pytest.MonkeyPatch, rank: int, least: float) -> None:
    monkeypatch.setattr(module, "_ROWS", 16)
    monkeypatch.setattr(module, "_COLUMNS", 64)
    monkeypatch.setattr(module, "_FEWEST_KEPT", 100)  # so that bars are raised on the way
    templates = _templates(300, 48, rank)
    found = nearest_pairs(templates, 5, least)
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == _expected(templates, 5, least)
    np.testing.assert_array_equal(found.similarity, np.vecdot(templates[found.first], templates[found.second]))


def test_of_equal_templates_the_first_rows_are_the_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 16)
    monkeypatch.setattr(module, "_COLUMNS", 32)
    monkeypatch.setattr(module, "_FEWEST_KEPT", 100)
    found = nearest_pairs(np.repeat(_templates(1, 8, 2), 200, axis=0), 3, 0.5)
    assert len(found.first) == 3 * 2 + 3 * 196 - 3 + 3
    assert found.first.max() <= 3


def test_shadows_are_shorter_and_never_promise_too_little() -> None:
    templates = _templates(500, 64, 6)
    shadows = module._shadows(templates)
    assert shadows.shape[1] < 16
    assert (shadows @ shadows.T >= templates @ templates.T - 1e-5).all()
