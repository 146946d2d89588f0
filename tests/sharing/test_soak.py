"""A gallery under use, for a short while: the long form is `python -m benchmarks.soak`."""

from __future__ import annotations

import pytest

from benchmarks.sharing.history import Change, People, Question, wrong_answers
from benchmarks.sharing.people import photo
from benchmarks.soak import KINDS, problems, soak


@pytest.mark.slow
def test_every_answer_is_right_for_some_moment_while_others_change_the_gallery() -> None:
    assert problems(soak(12, 100, KINDS)) == []


def _history() -> list[Change]:
    ann, zoe = ((1, 0), (1, 1)), ((2, 0),)
    return [
        Change("enroll", ("Ann",), ann, 10, 20),
        Change("enroll", ("Zoe",), zoe, 30, 40),
        Change("forget", ("Ann",), (), 50, 60),
    ]


def _answer(*names: str, start: int, end: int) -> Question:
    best = {"Ann": max(float(photo(1, n) @ photo(1, 0)) for n in (0, 1)), "Zoe": float(photo(2, 0) @ photo(1, 0))}
    return Question((1, 0), 5, tuple((name, best[name], 1) for name in names), start, end)


@pytest.mark.parametrize(
    ("names", "start", "end", "right"),
    [
        ((), 5, 6, True),
        ((), 5, 15, True),  # asked while Ann was being enrolled: before or after
        (("Ann",), 5, 15, True),
        (("Ann",), 5, 6, False),
        (("Ann",), 42, 45, False),  # Zoe was there by then
        (("Ann", "Zoe"), 42, 45, True),
        (("Ann", "Zoe"), 55, 58, True),
        (("Zoe",), 55, 58, True),
        (("Ann", "Zoe"), 61, 70, False),  # Ann was gone by then
        (("Ann",), 35, 58, True),  # from before Zoe came
        ((), 35, 58, False),  # half of one change and half of another
    ],
)
def test_the_model_knows_which_answers_a_question_may_have(
    names: tuple[str, ...], start: int, end: int, right: bool
) -> None:
    assert (wrong_answers(_history(), [_answer(*names, start=start, end=end)]) == []) == right


def test_the_model_follows_merging_and_renaming() -> None:
    people = People()
    for change in (*_history()[:2], Change("merge", ("Ann", "Zoe"), (), 41, 42)):
        people = people.after(change)
    assert set(people.owners.values()) == {"Zoe"}
    assert set(people.after(Change("rename", ("Zoe", "Zoë"), (), 43, 44)).owners.values()) == {"Zoë"}
