"""Clusters of unknown faces: what `grouped` promises."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facesearch.clustering import grouped, least_similarity
from facesearch.encoders import DEFAULT_MODEL, find_model
from facesearch.errors import UsageError

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def _faces(*people: int, dimension: int = 64, spread: float = 0.3, seed: int = 0) -> Floats:
    """So many faces of each person, one person after the other."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.standard_normal((len(people), dimension)), people, axis=0)
    return _unit(centres + spread * generator.standard_normal(centres.shape))


def _unit(vectors: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _sets(numbers: Ints) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(numbers == number).tolist()) for number in set(numbers.tolist()) - {-1}}


def test_the_faces_of_each_person_are_one_cluster_and_the_largest_comes_first() -> None:
    numbers = grouped(_faces(2, 5, 1, 3))
    assert numbers.tolist() == [2, 2, 0, 0, 0, 0, 0, -1, 1, 1, 1]
    assert numbers.dtype == np.int64


def test_no_face_and_one_face_have_no_cluster() -> None:
    assert grouped(np.empty((0, 8), np.float32), photos=[]).tolist() == []
    assert grouped(_faces(1), photos=["a"], taken=np.zeros(1)).tolist() == [-1]


@pytest.mark.parametrize("neighbours", [1, 50, 10**9])
def test_equal_faces_are_one_cluster_however_few_neighbours_are_looked_at(neighbours: int) -> None:
    assert set(grouped(np.repeat(_faces(1), 700, axis=0), neighbours=neighbours).tolist()) == {0}


def test_two_faces_of_one_photo_are_never_together() -> None:
    numbers = grouped(_faces(4), photos=["a", "a", "b", "c"])
    assert numbers[0] != numbers[1]
    assert set(grouped(_faces(4), photos=["a"] * 4).tolist()) == {-1}


def test_what_was_said_holds_for_faces_that_have_nothing_in_common() -> None:
    one = _faces(1)
    faces = np.concatenate([one, -one, one])
    numbers = grouped(faces, together=[(0, 1)], apart=[(1, 2)])
    assert numbers.tolist() == [0, 0, -1]


def test_what_is_apart_stays_apart_through_others() -> None:
    numbers = grouped(_faces(6), apart=[(0, 5), (0, 5), (5, 0)])
    assert numbers[0] != numbers[5]
    assert sorted(np.bincount(numbers + 1).tolist()) in ([1, 5], [0, 2, 4], [0, 3, 3])


def test_what_faces_have_in_common_with_other_people_is_taken_off() -> None:
    faces = _faces(3, 3)
    assert grouped(faces, taken=np.array([0.6, 0.6, 0.6, 0, 0, 0])).tolist() == [-1, -1, -1, 0, 0, 0]


def test_loose_clusters_do_not_come_near_to_everything() -> None:
    """A chain of faces in a circle, each like its neighbours: its halves have centres that are alike, but not faces."""
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    numbers = grouped(_unit(circle), least_similarity=0.6)
    assert max(np.bincount(numbers)) < 30


@pytest.mark.parametrize(
    ("photos", "together", "apart"),
    [
        (None, [(0, 1)], [(1, 0)]),
        (None, [(0, 1), (1, 2)], [(0, 2)]),
        (["p", "q", "p"], [(0, 2)], []),
        (["p", "q", "p"], [(0, 1), (1, 2)], []),
        (None, [], [(1, 1)]),
        (None, [(0, 3)], []),
        (None, [], [(-1, 2)]),
        (["p"], [], []),
    ],
)
def test_a_contradiction_is_told_in_one_line(
    photos: list[str] | None, together: list[tuple[int, int]], apart: list[tuple[int, int]]
) -> None:
    with pytest.raises(UsageError) as error:
        grouped(_faces(3), photos=photos, together=together, apart=apart)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0, 3.0])
def test_templates_that_are_none_are_refused(wrong: float) -> None:
    faces = _faces(3)
    faces[1] *= wrong
    with pytest.raises(UsageError, match="template 1"):
        grouped(faces)


@pytest.mark.parametrize(
    "options",
    [
        {"neighbours": 0},
        {"least_similarity": 1.5},
        {"least_similarity": float("nan")},
        {"taken": np.zeros(2)},
        {"taken": np.array([0, np.nan, 0])},
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        grouped(_faces(3), **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="shape"):
        grouped(np.zeros(3, np.float32))


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_faces_changes_numbers_only_and_constraints_hold(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=6))
    faces = _faces(*sizes, dimension=8, spread=0.5, seed=data.draw(st.integers(0, 99)))
    n = len(faces)
    rows = st.integers(0, n - 1)
    photos = data.draw(st.lists(st.integers(0, n), min_size=n, max_size=n))
    apart = (
        data.draw(st.lists(st.tuples(rows, rows).filter(lambda pair: pair[0] != pair[1]), max_size=4)) if n > 1 else []
    )
    together = data.draw(st.lists(st.tuples(rows, rows), max_size=3))
    try:
        numbers = grouped(faces, photos=photos, together=together, apart=apart)
    except UsageError:
        return
    for a, b in together:
        assert a == b or numbers[a] == numbers[b] >= 0
    for a, b in apart:
        assert numbers[a] != numbers[b] or numbers[a] == -1
    for cluster in _sets(numbers):
        assert len({photos[face] for face in cluster}) == len(cluster) > 1
    sizes_found = np.bincount(numbers[numbers >= 0]).tolist()
    assert sizes_found == sorted(sizes_found, reverse=True)
    order = data.draw(st.permutations(range(n)))
    place = {face: position for position, face in enumerate(order)}
    again = grouped(
        faces[order],
        photos=[photos[face] for face in order],
        together=[(place[b], place[a]) for a, b in reversed(together)],
        apart=[(place[b], place[a]) for a, b in reversed(apart)],
    )
    assert _sets(again[[place[face] for face in range(n)]]) == _sets(numbers)


def test_the_more_faces_there_are_the_more_alike_two_have_to_be() -> None:
    model = find_model(DEFAULT_MODEL)
    bars = [least_similarity(model, faces) for faces in (0, 1, 100, 10_000, 1_000_000, 10**30)]
    assert bars[0] == bars[1] == model.threshold
    assert bars == sorted(bars)
    assert bars[2] < bars[3] < bars[4] < bars[5] == 1.0
