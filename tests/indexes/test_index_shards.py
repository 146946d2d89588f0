from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from index_samples import directions

from indexes import VectorIndex, create_index, load_index, shards
from indexes.threads import threads


def saved(kind: str, folder: Path, n: int = 1_000) -> VectorIndex:
    x = directions(n, 64, seed=4)
    index = create_index(kind, 64)
    index.train(x)
    index.add(np.arange(n) * 2, x)
    index.save(folder / "index")
    return index


@pytest.mark.parametrize("kind", ["fs16", "pca32,fs8+sq8"])
def test_a_large_index_opened_in_parts_answers_as_the_whole(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, q = saved(kind, tmp_path), directions(9, 64, seed=6)
    monkeypatch.setattr(shards, "_LEAST_ROWS", 100)
    for count in (1, 2, 3, 7):
        with threads(count):
            index = load_index(tmp_path / "index")
            assert len(index) == 1_000
            for k in (1, 40, 1_000, 1_200):
                np.testing.assert_equal(index.search(q, k), whole.search(q, k))
            with threads(1):
                np.testing.assert_equal(index.search(q[:1], 5), whole.search(q[:1], 5))
            ids = np.array([0, 660, 1998, 2])
            np.testing.assert_equal(index.reconstruct(ids), whole.reconstruct(ids))
            assert index.save(tmp_path / "again").sha256 == load_index(tmp_path / "again").save(tmp_path / "b").sha256


def test_a_change_makes_the_parts_one_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, q = saved("fs16", tmp_path), directions(9, 64, seed=6)
    monkeypatch.setattr(shards, "_LEAST_ROWS", 100)
    with threads(3):
        index = load_index(tmp_path / "index")
        for one in (index, whole):
            assert one.remove([0, 700, 1998]) == 3
            one.add([5, 700], directions(2, 64, seed=9))
        np.testing.assert_equal(index.search(q, 60), whole.search(q, 60))
