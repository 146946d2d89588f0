"""Searches among some of the ids: every kind against exact search, where they are few and where they are many."""

from __future__ import annotations

import numpy as np
import pytest
from index_samples import DIMENSION, KINDS, Floats, Ints, directions, exact_search, filled_index, ready_index

from indexes import InvalidInputError, VectorIndex, among, create_index, join_indexes

SIZE = 900
PRECISE = ("flat", "fp16", "sq8", "sq6", "sq4", "pca8,sq8")  # look at all vectors as they are stored


def _filled(kind: str) -> tuple[VectorIndex, Ints, Floats]:
    index = ready_index(kind)
    ids = np.random.default_rng(5).permutation(SIZE * 3)[:SIZE].astype(np.int64)  # neither dense nor in order
    index.add(ids, directions(SIZE, seed=2))
    return index, ids, np.asarray(index.reconstruct(ids))


def _some(ids: Ints, count: int) -> Ints:
    return np.random.default_rng(6).choice(ids, count, replace=False)


def _is_exact(found: tuple[Floats, Ints], allowed: Ints, ids: Ints, stored: Floats, q: Floats, k: int) -> None:
    inside = np.isin(ids, allowed)
    scores, expected = exact_search(ids[inside], stored[inside], q, k)
    np.testing.assert_allclose(found[0][:, : scores.shape[1]], scores, atol=2e-6)
    own = np.take_along_axis(_products(ids, stored, q), np.searchsorted(np.sort(ids), found[1]), 1)
    np.testing.assert_allclose(own, found[0], atol=2e-6)  # equally good ones may stand in another order
    assert np.isin(found[1], allowed).all()
    assert found[1].shape == expected.shape


def _products(ids: Ints, stored: Floats, q: Floats) -> Floats:
    return q @ stored[np.argsort(ids)].T


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [5, 60])
def test_among_few_ids_every_kind_is_exact(kind: str, count: int) -> None:
    index, ids, stored = _filled(kind)
    q, allowed = directions(7, seed=3), _some(ids, count)
    _is_exact(index.search(q, 5, allowed=allowed), allowed, ids, stored, q, 5)
    np.testing.assert_equal(
        index.search(q[2:3], 5, allowed=allowed), [part[2:3] for part in index.search(q, 5, allowed=allowed)]
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [100, 300, 800])
def test_among_many_ids_nothing_else_is_found_and_nothing_is_lost(
    kind: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(among, "_FEW", 16)
    index, ids, stored = _filled(kind)
    q, allowed = directions(7, seed=3), _some(ids, count)
    found = index.search(q, 5, allowed=allowed)
    assert np.isin(found[1], allowed).all()
    assert (np.diff(found[0], axis=1) <= 0).all()
    inside = np.isin(ids, allowed)
    np.testing.assert_allclose(
        np.vecdot(index.reconstruct(found[1].ravel()).reshape(7, 5, -1), q[:, None]), found[0], atol=3e-6
    )
    if kind in PRECISE:
        _is_exact(found, allowed, ids, stored, q, 5)
    else:  # as good as a search of an index of these alone, or better
        alone = ready_index(kind)
        alone.add(ids[inside], directions(SIZE, seed=2)[inside])
        exact = exact_search(ids[inside], stored[inside], q, 5)[1]
        hits, alone_hits = (
            (part[1][:, :, None] == exact[:, None]).any(1).mean() for part in (found, alone.search(q, 5))
        )
        assert hits >= alone_hits - 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_far_from_the_query_is_found_all_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that an index proposes first is not allowed."""
    monkeypatch.setattr(among, "_FEW", 8)
    index, ids, stored = _filled(kind)
    q = directions(1, seed=3)
    allowed = ids[np.argsort(directions(SIZE, seed=2) @ q[0])[:250]]
    scores, found = index.search(q, 5, allowed=allowed)
    assert (found >= 0).all()
    assert np.isin(found, allowed).all()
    if kind in PRECISE:
        _is_exact((scores, found), allowed, ids, stored, q, 5)


@pytest.mark.parametrize("few", [1, 2048])
@pytest.mark.parametrize("kind", KINDS)
def test_removed_and_excluded_ids_are_not_found_though_they_are_allowed(
    kind: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(among, "_FEW", few)
    index, ids, _ = _filled(kind)
    allowed = _some(ids, 300)
    index.remove(allowed[:20])
    found = index.search(directions(3, seed=3), 280, excluded=allowed[20:150], allowed=allowed)[1]
    assert set(found[found >= 0].tolist()) == set(allowed[150:].tolist())
    assert ((found >= 0).sum(axis=1) == 150).all()


@pytest.mark.parametrize("kind", KINDS)
def test_joined_parts_answer_as_one_index_does(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = directions(SIZE, seed=2)
    parts = [ready_index(kind) for _ in range(3)]
    for number, part in enumerate(parts):
        part.add(np.arange(number * 300, number * 300 + 300), x[number * 300 : number * 300 + 300])
    joined = join_indexes(parts)
    whole = np.concatenate([part.reconstruct(part.ids) for part in parts])
    allowed = np.array([3, 5, 299, 300, 310, 20_000], np.int64)  # one part holds none of them, and one is not there
    q = directions(4, seed=3)
    allowed.setflags(write=False)
    for _ in range(2):  # the second one knows the rows
        _is_exact(joined.search(q, 3, allowed=allowed), allowed[:-1], np.arange(SIZE), whole, q, 3)
    monkeypatch.setattr(among, "_FEW", 1)
    many = np.arange(100, 500)
    assert np.isin(joined.search(q, 30, allowed=many)[1], many).all()


def test_nobody_allowed_is_nobody_found() -> None:
    index = filled_index("flat")
    for allowed in (np.empty(0, np.int64), np.array([1_000_000])):
        scores, ids = index.search(directions(2), 3, allowed=allowed)
        assert (ids == -1).all()
        assert np.isneginf(scores).all()
    assert (create_index("flat", DIMENSION).search(directions(2), 3, allowed=[1])[1] == -1).all()


def test_equal_vectors_are_ranked_by_the_lowest_id_whatever_the_order_of_rows_or_of_what_is_allowed() -> None:
    index = create_index("flat", DIMENSION)
    index.add([9, 2, 7, 4], np.repeat(directions(1), 4, axis=0))
    assert index.search(directions(1), 3, allowed=[7, 9, 4, 7])[1].tolist() == [[4, 7, 9]]


def test_ids_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="whole numbers"):
        filled_index("flat").search(directions(1), 1, allowed=["a"])
