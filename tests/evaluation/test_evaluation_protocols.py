from __future__ import annotations

import numpy as np
import pytest

from facesearch.errors import UsageError
from facesearch.evaluation.protocols import plan

NAMES = ["a", "a", "a", "b", "c", "c", "d"]


def test_leave_one_out_searches_for_those_who_have_another_image_and_enrols_all() -> None:
    found = plan("leave-one-out", NAMES)
    assert found.gallery.tolist() == list(range(7))
    assert found.mated.tolist() == [0, 1, 2, 4, 5]
    assert found.leave_out
    assert found.ceiling == 1.0


def test_the_ceiling_of_searching_for_people_with_one_image_is_stated() -> None:
    found = plan("leave-one-out", NAMES, min_images=1)
    assert len(found.mated) == 7
    assert found.ceiling == pytest.approx(5 / 7)
    assert plan("leave-one-out", NAMES, min_images=3).mated.tolist() == [0, 1, 2]


def test_gallery_probe_enrols_the_first_image_of_each_and_searches_with_the_rest() -> None:
    found = plan("gallery-probe", NAMES)
    assert found.gallery.tolist() == [0, 3, 4, 6]
    assert found.mated.tolist() == [1, 2, 5]
    assert not found.leave_out


def test_open_set_never_enrols_half_of_the_people() -> None:
    names = [f"{person:03d}" for person in range(100) for _ in range(3)]
    found = plan("open-set", names)
    enrolled, strangers = set(found.identity[found.gallery]), set(found.identity[found.non_mated])
    assert len(enrolled) == len(strangers) == 50
    assert not enrolled & strangers
    assert set(found.identity[found.mated]) == enrolled
    assert len(found.non_mated) == 150
    again = plan("open-set", names)
    np.testing.assert_array_equal(found.gallery, again.gallery)
    assert set(plan("open-set", names, seed=1).gallery) != set(found.gallery)


@pytest.mark.parametrize("protocol", ["leave-one-out", "gallery-probe", "open-set"])
def test_a_data_set_in_which_nobody_can_be_searched_for_is_told(protocol: str) -> None:
    with pytest.raises(UsageError, match="several images per person"):
        plan(protocol, ["a", "b", "c"])


def test_open_set_needs_somebody_who_is_not_enrolled() -> None:
    with pytest.raises(UsageError, match="only one person"):
        plan("open-set", ["a", "a"])


def test_an_unknown_protocol_is_told_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="leave-one-out, gallery-probe"):
        plan("best", NAMES)
