"""Clusters of unknown faces: what `grouped` promises."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.clustering import grouped
from facesearch.errors import UsageError

Floats = npt.NDArray[np.float32]


def _faces(*people: int, dimension: int = 64, spread: float = 0.3, seed: int = 0) -> Floats:
    """So many faces of each person, one person after the other."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.standard_normal((len(people), dimension)), people, axis=0)
    faces = centres + spread * generator.standard_normal(centres.shape)
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    return faces.astype(np.float32)


def test_the_faces_of_each_person_are_one_cluster_and_the_largest_comes_first() -> None:
    assert grouped(_faces(2, 5, 1, 3)).tolist() == [2, 2, 0, 0, 0, 0, 0, -1, 1, 1, 1]


def test_no_face_and_one_face_have_no_cluster() -> None:
    assert grouped(np.empty((0, 8), np.float32)).tolist() == []
    assert grouped(_faces(1)).tolist() == [-1]


def test_two_faces_of_one_photo_are_never_together() -> None:
    numbers = grouped(_faces(4), photos=["a", "a", "b", "c"])
    assert numbers[0] != numbers[1]
    assert np.unique(grouped(_faces(4), photos=["a"] * 4)).tolist() == [-1]


def test_what_was_said_holds() -> None:
    faces = _faces(3, 3)
    numbers = grouped(faces, together=[(0, 3)], apart=[(1, 2)])
    assert numbers[0] == numbers[3]
    assert numbers[1] != numbers[2]


@pytest.mark.parametrize(
    ("photos", "together", "apart"),
    [
        (None, [(0, 1)], [(1, 0)]),
        (None, [(0, 1), (1, 2)], [(0, 2)]),
        (["p", "q", "p"], [(0, 2)], []),
        (["p", "q", "p"], [(0, 1), (1, 2)], []),
        (None, [], [(1, 1)]),
        (None, [(0, 3)], []),
        (["p"], [], []),
    ],
)
def test_a_contradiction_is_told_in_one_line(
    photos: list[str] | None, together: list[tuple[int, int]], apart: list[tuple[int, int]]
) -> None:
    with pytest.raises(UsageError) as error:
        grouped(_faces(3), photos=photos, together=together, apart=apart)
    assert "\n" not in str(error.value)
