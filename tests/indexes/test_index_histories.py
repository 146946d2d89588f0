"""An index after any history of changes answers as one built anew from the vectors that are left."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from index_samples import KINDS, directions, exact_search, filled_index, ready_index

from indexes import DuplicateIdError, load_index

POOL = directions(24, seed=11)  # few, so that equal vectors under several ids are common
IDS = st.lists(st.integers(0, 30), unique=True, max_size=12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_removed_vector_is_gone_and_its_id_is_free_again(kind: str) -> None:
    index = filled_index(kind)
    vector = directions(40, seed=2)[5:6]
    assert index.search(vector, 1)[1].item() == 15
    assert index.remove([15, 15, 1, -1, 10**12]) == 1
    assert index.remove([15]) == 0
    assert 15 not in index.search(vector, 40)[1]
    index.add([15], vector)
    assert index.search(vector, 1)[1].item() == 15


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_emptied_by_removal_works_on(kind: str) -> None:
    index = filled_index(kind)
    assert index.remove(index.ids) == 40
    assert len(index) == 0
    assert index.remove([]) == 0
    assert (index.search(directions(1), 2)[1] == -1).all()
    index.add([8], directions(1))
    assert index.search(directions(1), 2)[1].tolist() == [[8, -1]]


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_added_after_a_removal_are_coded_as_ever(kind: str) -> None:
    x, rng = directions(300, seed=3), np.random.default_rng(5)
    index, held = ready_index(kind), np.empty(0, np.int64)
    for _ in range(6):
        new = np.setdiff1d(rng.integers(0, 300, 45), held)
        index.add(new, x[new])
        held = np.concatenate([held, new])
        gone = rng.choice(held, rng.integers(1, held.size), replace=False)
        index.remove(gone)
        held = np.setdiff1d(held, gone)
    again = ready_index(kind)
    again.add(held, x[held])
    np.testing.assert_equal(index.search(x, 300), again.search(x, 300))


class History(RuleBasedStateMachine):
    blank: ClassVar[Path]  # an empty index, trained once for all histories

    @initialize()
    def start(self) -> None:
        self.index = load_index(self.blank)
        self.held: dict[int, int] = {}  # id -> row of POOL

    @rule(ids=IDS, seed=st.integers(0, 1000))
    def add(self, ids: list[int], seed: int) -> None:
        chosen = np.random.default_rng(seed).integers(0, len(POOL), len(ids))
        if self.held.keys() & set(ids):
            with pytest.raises(DuplicateIdError):
                self.index.add(ids, POOL[chosen])
            return
        self.index.add(ids, POOL[chosen])
        self.held.update(zip(ids, chosen.tolist(), strict=True))

    @rule(ids=IDS)
    def remove(self, ids: list[int]) -> None:
        gone = self.held.keys() & set(ids)
        assert self.index.remove(ids) == len(gone)
        for one in gone:
            del self.held[one]

    @rule()
    def save_and_load(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.index.save(Path(folder, "index"))
            self.index = load_index(Path(folder, "index"))

    @rule(k=st.integers(1, 40), m=st.integers(0, 3), seed=st.integers(0, 1000))
    def search(self, k: int, m: int, seed: int) -> None:
        queries = directions(m, seed=seed)
        scores, found = self.index.search(queries, k)
        ids = np.array(sorted(self.held), dtype=np.int64)
        vectors = POOL[[self.held[one] for one in ids.tolist()]] if ids.size else POOL[:0]
        anew = load_index(self.blank)
        anew.add(ids, vectors)
        np.testing.assert_equal((scores, found), anew.search(queries, k))
        places = min(k, len(self.held))
        assert (found[:, places:] == -1).all()
        tolerance = {"flat": 1e-6, "fp16": 1e-3, "sq8": 0.03, "sq6": 0.1}.get(self.index.kind, 0.9)
        np.testing.assert_allclose(scores[:, :places], exact_search(ids, vectors, queries, k)[0], atol=tolerance)

    @invariant()
    def ids_are_those_held(self) -> None:
        assert self.index.ids.tolist() == sorted(self.held)
        assert len(self.index) == len(self.held)


@pytest.mark.parametrize("kind", KINDS)
def test_any_history_of_changes_leaves_what_a_new_index_would_hold(kind: str, tmp_path: Path) -> None:
    class HistoryOfKind(History):
        blank = ready_index(kind).save(tmp_path / kind).path

    few = settings(max_examples=25, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(HistoryOfKind, settings=few)
