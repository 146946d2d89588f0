from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from index_samples import DIMENSION, directions

from indexes import (
    DuplicateIdError,
    InvalidInputError,
    TrainingError,
    UnsuitableKindError,
    code_of,
    create_index,
    learn_coder,
    load_coder,
    load_index,
)

PORTABLE = (
    "flat",
    "fp16",
    "sq8",
    "sq6",
    "sq4",
    "pq4",
    "opq4",
    "rabitq",
    "pca8,sq4",
    "tcq4",
    "pca8,tcq3",
    "rabitq+tcq6",
)


@pytest.mark.parametrize("kind", PORTABLE)
def test_an_index_filled_with_codes_is_the_one_filled_with_the_vectors(kind: str, tmp_path: Path) -> None:
    x, q = directions(300, seed=1), directions(7, seed=2)
    coder = load_coder(learn_coder(kind, DIMENSION, x).to_bytes())
    codes = coder.encode(x[:40])
    assert codes.shape == (40, coder.code_size)
    indexes = [create_index(kind, DIMENSION, coder=coder) for _ in range(2)]
    for index in indexes:
        if not index.is_trained:
            index.train(x)
    ids = np.arange(40) * 3
    indexes[0].add_codes(ids, codes)
    indexes[1].add(ids, x[:40])
    assert np.allclose(indexes[0].reconstruct(ids), coder.decode(codes), atol=1e-6)
    saved = [index.save(tmp_path / str(number)) for number, index in enumerate(indexes)]
    if "+" not in kind:  # a first stage sees what the second one stores
        assert saved[0].sha256 == saved[1].sha256
    for left, right in zip(indexes[0].search(q, 5), indexes[1].search(q, 5), strict=True):
        np.testing.assert_array_equal(left, right)
    again = load_index(tmp_path / "0")
    again.add_codes(np.array([1]), codes[:1])
    assert np.allclose(again.reconstruct(np.array([1])), again.reconstruct(np.array([0])))


@pytest.mark.parametrize("kind", PORTABLE)
def test_the_same_vectors_teach_the_same_coder_and_give_the_same_codes(kind: str) -> None:
    x = directions(300, seed=1)
    first, second = (learn_coder(kind, DIMENSION, x) for _ in range(2))
    assert first.to_bytes() == second.to_bytes()
    assert first.sha256 == second.sha256
    np.testing.assert_array_equal(first.encode(x[:50]), second.encode(x[:50]))


def test_the_codes_of_a_kind_are_those_of_its_last_stage_without_lists() -> None:
    assert code_of("tcq64") == "tcq64"
    assert code_of("rabitq+pca8,sq4") == "pca8,sq4"
    assert code_of("pca8,fs4") is None
    with pytest.raises(UnsuitableKindError, match="cannot be kept outside an index"):
        learn_coder("fs4", DIMENSION, directions(300))


def test_too_few_vectors_teach_no_codebook_and_none_are_needed_where_nothing_is_learnt() -> None:
    with pytest.raises(TrainingError, match="tcq4 need 256 vectors to train, got 9"):
        learn_coder("tcq4", DIMENSION, directions(9))
    coder = learn_coder("sq4", DIMENSION, directions(0))
    assert coder.encode(directions(3)).shape == (3, 8)


def test_codes_of_another_shape_and_taken_ids_are_refused() -> None:
    coder = learn_coder("tcq4", DIMENSION, directions(300))
    index = create_index("tcq4", DIMENSION, coder=coder)
    codes = coder.encode(directions(2))
    wrongs: list[Any] = [codes[:, :3], codes[0], codes.astype(np.int64)]
    for wrong in wrongs:
        with pytest.raises(InvalidInputError, match=r"codes must be uint8 \(n, 4\)"):
            index.add_codes(np.arange(2), wrong)
        with pytest.raises(InvalidInputError):
            coder.decode(wrong)
    index.add_codes(np.arange(2), codes)
    with pytest.raises(DuplicateIdError):
        index.add_codes(np.array([1]), codes[:1])
    assert len(index) == 2
    with pytest.raises(InvalidInputError, match="takes vectors, not codes"):
        create_index("fs4", DIMENSION).add_codes(np.arange(2), codes)


@pytest.mark.parametrize("kind", ["tcq4", "rabitq+tcq6"])
def test_an_emptied_index_keeps_the_given_codebook_when_it_is_trained_anew(kind: str) -> None:
    coder = learn_coder(kind, DIMENSION, directions(300, seed=1))
    emptied = create_index(kind, DIMENSION, coder=coder).emptied()
    emptied.train(directions(300, seed=2))
    codes = coder.encode(directions(5))
    emptied.add_codes(np.arange(5), codes)
    np.testing.assert_allclose(emptied.reconstruct(np.arange(5)), coder.decode(codes), atol=1e-6)
