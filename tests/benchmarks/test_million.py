from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.grown_templates import PHOTOS, drawn_population, fitted, grown
from benchmarks.million import COMPACT, RERANKED, drawn_templates, run
from indexes import LARGE_GALLERY_KIND


@pytest.mark.slow
def test_the_million_benchmark_runs_on_a_small_gallery_and_finds_the_right_people(tmp_path: Path) -> None:
    found = run(drawn_templates(people=300), tmp_path, (1_200,), [RERANKED])
    assert [row["kind"] for row in found["rows"]] == ["flat", RERANKED]
    flat, reranked = found["rows"]
    assert flat["top1"] == flat["top1_flat"] == reranked["top1_flat"] > 0.7
    assert abs(reranked["top1"] - flat["top1"]) < 0.01
    assert reranked["bytes_per_template"] == 544
    assert reranked["query_ms"] > 0
    assert reranked["open_ms"] > 0
    assert not list(tmp_path.glob("*.index"))


def test_the_kinds_of_the_benchmark_are_those_of_the_product() -> None:
    assert RERANKED == LARGE_GALLERY_KIND
    assert "+" in COMPACT


def test_drawn_people_are_as_the_population_they_were_learnt_from() -> None:
    population = drawn_population(64)
    templates, _ = next(grown(population, 2000, seed=3))
    again = fitted(templates, np.repeat(np.arange(2000), PHOTOS))
    mated = [
        np.vecdot(photos[::PHOTOS], photos[1::PHOTOS]) for photos in (templates, next(grown(again, 2000, seed=4))[0])
    ]
    assert np.allclose(np.quantile(mated[0], (0.05, 0.5)), np.quantile(mated[1], (0.05, 0.5)), atol=0.08)
    assert np.allclose(np.linalg.norm(templates, axis=1), 1, atol=1e-5)
