"""Those templates of a person stay that stand for the others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.gallery import representatives as module
from facesearch.gallery.representatives import representatives

Vectors = npt.NDArray[np.float32]


def looks(*sizes: int, seed: int = 0, apart: float = 0.3) -> Vectors:
    """Templates of one person in several looks, one after the other: unit length, (sum of sizes, 64)."""
    rng = np.random.default_rng(seed)
    person = rng.normal(size=64)
    centres = [person + 1.5 * rng.normal(size=64) for _ in sizes]
    rows = [
        centre + apart * rng.normal(size=64) for centre, size in zip(centres, sizes, strict=True) for _ in range(size)
    ]
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_each_look_of_a_person_keeps_a_template() -> None:
    found = representatives(looks(20, 6, 3), np.ones(29), 3)
    assert [int(np.searchsorted([20, 26], row, side="right")) for row in found] == [0, 1, 2]


def test_a_template_like_none_of_the_others_goes_first() -> None:
    stranger = looks(1, seed=9)
    found = representatives(np.concatenate([looks(8, 8), stranger]), np.ones(17), 6)
    assert 16 not in found


def test_two_photos_of_a_rare_look_are_worth_one_that_stays() -> None:
    assert {18, 19} & set(representatives(looks(18, 2), np.ones(20), 2).tolist())


def test_poor_templates_go_while_enough_good_ones_are_there() -> None:
    templates, qualities = looks(10, 10), np.full(20, 0.9)
    qualities[:5] = 0.3
    assert not set(range(5)) & set(representatives(templates, qualities, 12).tolist())
    assert len(representatives(templates, qualities, 17)) == 17


def test_the_better_of_two_that_say_the_same_stays_where_the_other_is_poor() -> None:
    templates = looks(6, 6)
    templates[0] = templates[1]
    qualities = np.full(12, 0.8)
    qualities[0] = 0.1
    assert 0 not in representatives(templates, qualities, 11)


@pytest.mark.parametrize("quality", [0.0, 1e-9, 1.0, 250.0])
def test_equal_qualities_of_any_scale_count_the_same(quality: float) -> None:
    templates = looks(9, 5, 4)
    assert (
        representatives(templates, np.full(18, quality), 4).tolist()
        == representatives(templates, np.ones(18), 4).tolist()
    )


def test_identical_templates_leave_as_many_as_asked_for_each_once() -> None:
    same = np.repeat(looks(1), 7, axis=0)
    assert representatives(same, np.ones(7), 3).tolist() == [0, 1, 2]


def test_opposite_templates_are_no_obstacle() -> None:
    one = looks(1)
    found = representatives(np.concatenate([one, -one, one, -one]), np.ones(4), 2)
    assert {int(row) % 2 for row in found} == {0, 1}


@pytest.mark.parametrize(("keep", "stay"), [(5, 5), (6, 5), (1, 1)])
def test_no_more_stay_than_there_are(keep: int, stay: int) -> None:
    found = representatives(looks(3, 2), np.ones(5), keep)
    assert len(found) == len(set(found.tolist())) == stay
    assert sorted(found.tolist()) == found.tolist()


def test_the_choice_does_not_depend_on_how_many_are_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    templates, qualities = looks(30, 20, 11), np.random.default_rng(1).uniform(0.2, 1, 61)
    whole = representatives(templates, qualities, 9)
    monkeypatch.setattr(module, "_BLOCK", 7)
    assert representatives(templates, qualities, 9).tolist() == whole.tolist()


def test_qualities_as_the_store_gives_them_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    qualities = np.array([0.5, 0.999, 0.7, 0.2], np.float64)
    assert representatives(looks(4), qualities, 1).dtype == np.int64
