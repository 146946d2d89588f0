"""How sure it is that two people are one, by how many templates they have: on arrays of drawn templates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.gallery.likeness import Neighbourhood
from facesearch.gallery.neighbourhood import scale_among
from facesearch.gallery.suspicion import judged

PEOPLE, DIMENSION, NEAR = 150, 64, 32
Labels = npt.NDArray[np.int64]


def _drawn(photos: Labels, apart: float = 0.0) -> tuple[npt.NDArray[np.float32], Labels]:
    """Templates of people with so many photos each, (p,); `apart`: how far the first one's second half lies from the
    first half, as with photos of another year."""
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(len(photos)), photos)
    templates = rng.standard_normal((len(photos), DIMENSION))[people] + 0.75 * rng.standard_normal(
        (len(people), DIMENSION)
    )
    templates[photos[0] // 2 : photos[0]] += apart * rng.standard_normal(DIMENSION)
    return (templates / np.linalg.norm(templates, axis=1, keepdims=True)).astype(np.float32), people


def _sure(templates: npt.NDArray[np.float32], labels: Labels, one: int, other: int) -> float:
    """The confidence that two people are one; 0 where they are not compared at all."""
    alike = templates @ templates.T
    np.fill_diagonal(alike, -2.0)
    near = np.argsort(-alike, axis=1)[:, :NEAR]
    hood = Neighbourhood(
        templates, labels, np.arange(len(labels)), near, np.take_along_axis(alike, near, axis=1).astype(np.float64)
    )
    found = judged(hood, scale_among(templates, labels))
    pair = (np.minimum(found.these, found.those) == one) & (np.maximum(found.these, found.those) == other)
    return float(found.one[pair].max(initial=0.0))


def _split(photos: Labels, first: int, apart: float = 0.0) -> float:
    """How sure it is that person 0, the first photos of whom have a name of their own, is one person."""
    templates, labels = _drawn(photos, apart)
    second = labels.copy()
    second[: photos[0]][first:] = PEOPLE
    return _sure(templates, second, 0, PEOPLE)


@pytest.mark.parametrize("size", [4, 12, 24, 80])
def test_one_person_under_two_names_is_found_however_many_photos_there_are(size: int) -> None:
    photos = np.random.default_rng(0).integers(1, 5, PEOPLE)
    photos[0] = size
    assert _split(photos, size // 2) > 0.8


def test_photos_of_two_times_are_still_one_person_with_many_photos() -> None:
    photos = np.random.default_rng(0).integers(1, 5, PEOPLE)
    photos[0] = 70
    assert _split(photos, 35, apart=0.5) > 0.5


def test_a_single_photo_under_another_name_is_found_beside_several() -> None:
    photos = np.random.default_rng(0).integers(1, 5, PEOPLE)
    photos[0] = 5
    assert _split(photos, 4) > 0.5


def test_different_people_are_not_one() -> None:
    photos = np.random.default_rng(0).integers(1, 5, PEOPLE)
    templates, labels = _drawn(photos)
    assert max(_sure(templates, labels, 0, other) for other in range(1, 6)) < 0.2


def test_two_people_alone_are_not_one() -> None:
    templates, labels = _drawn(np.array([3, 3]))
    assert _sure(templates, labels, 0, 1) < 0.2
