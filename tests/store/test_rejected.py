"""Rejections are remembered by keyed hashes: what need not be looked at again, and what was only told."""

from __future__ import annotations

from facesearch.store import GalleryStore, Marked

from .samples import content

ONE, OTHER = content("1"), content("2")


def test_a_rejection_is_told_once_for_each_photo_and_reason(store: GalleryStore) -> None:
    told = [(ONE, "the same image is enrolled as Ann"), (OTHER, "none of its faces")]
    assert store.corrections.told_before(told, remember=False) == set()
    assert store.corrections.told_before(told[:1], remember=True) == set()
    assert store.corrections.told_before(told, remember=True) == {told[0]}
    assert store.corrections.told_before(told, remember=True) == set(told)
    assert store.corrections.told_before([(ONE, "the same image is enrolled as Zoe")], remember=False) == set()
    assert store.corrections.told_before([(OTHER, told[0][1])], remember=False) == set()
    assert store.corrections.told_before([], remember=True) == set()


def test_what_was_told_is_looked_at_again(store: GalleryStore) -> None:
    store.corrections.told_before([(ONE, "2 faces of similar size")], remember=True)
    assert store.corrections.rejected([ONE], "pipeline") == {}
    store.corrections.remember_rejected({ONE: "no face found"}, "pipeline")
    assert store.corrections.rejected([ONE, OTHER], "pipeline") == {ONE: "no face found"}
    assert store.corrections.marked([ONE]) == Marked({}, {})


def test_more_than_a_statement_takes_and_odd_reasons(store: GalleryStore) -> None:
    many = [(content(str(number)), f"reason {number % 7} \udcff \N{SNOWMAN}") for number in range(2500)]
    assert store.corrections.told_before(many, remember=True) == set()
    assert store.corrections.told_before(many, remember=False) == set(many)
