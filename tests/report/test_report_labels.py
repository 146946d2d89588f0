"""Labels never cover one another, a mark, or the edge; points that nothing beats are found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from facesearch.report.labels import Box, Wish, place, text_width
from facesearch.report.scatter import unbeaten

AREA = Box(0, 0, 300, 200)
wishes = st.lists(
    st.builds(Wish, st.sampled_from(["flat", "sq8", "a long name of a kind"]), st.floats(0, 300), st.floats(0, 200)),
    max_size=25,
)


@given(wishes)
def test_labels_cover_neither_each_other_nor_marks_nor_the_edge(wished: list[Wish]) -> None:
    marks = [Box(wish.x - 6, wish.y - 6, wish.x + 6, wish.y + 6) for wish in wished]
    boxes = [box for box in place(wished, marks, AREA) if box is not None]
    for number, box in enumerate(boxes):
        assert box.within(AREA)
        assert not any(box.meets(other) for other in boxes[:number])
        assert not any(box.meets(mark) for mark in marks)


def test_a_label_that_has_room_is_placed_beside_its_mark() -> None:
    (box,) = place([Wish("flat", 100.0, 100.0)], [], AREA)
    assert box is not None
    assert box.left > 100.0
    assert box.top < 100.0 < box.bottom


def test_letters_of_east_asia_take_more_room() -> None:
    assert text_width("漢字") > text_width("ab")


points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1)


@given(points)
def test_unbeaten_points_are_those_of_the_definition(values: list[tuple[int, int]]) -> None:
    def beaten(x: int, y: int) -> bool:
        return any((a <= x and b > y) or (a < x and b >= y) for a, b in values)

    found = unbeaten([(float(x), float(y)) for x, y in values])
    assert {values[number] for number in found} == {point for point in values if not beaten(*point)}
