"""Tables fit a terminal, and no word is broken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from facesearch.text.tables import table_lines, wrapped

COLUMNS = ("encoder", "index", "top-1 %", "bytes per template", "note")
ROWS = (
    ("mobilefacenet:fp32@onnx", "flat", "99.10", "768", "exact, and large"),
    ("mobilefacenet:fp32@onnx", "sq8", "98.90", "192", "nearly exact, a quarter of the size"),
)
RIGHT = ("top-1 %", "bytes per template")


def _lines(width: int | None) -> list[str]:
    return [line for part in table_lines(COLUMNS, ROWS, RIGHT, width=width) for line in part]


def test_a_table_is_as_wide_as_it_has_to_be() -> None:
    assert _lines(None) == [
        "encoder                  index  top-1 %  bytes per template  note",
        "mobilefacenet:fp32@onnx  flat     99.10                 768  exact, and large",
        "mobilefacenet:fp32@onnx  sq8      98.90                 192  nearly exact, a quarter of the size",
    ]


def test_cells_wrap_between_words() -> None:
    assert _lines(80) == [
        "encoder                  index  top-1 %  bytes per template  note",
        "mobilefacenet:fp32@onnx  flat     99.10                 768  exact, and large",
        "mobilefacenet:fp32@onnx  sq8      98.90                 192  nearly exact, a",
        "                                                             quarter of the size",
    ]


def test_the_last_column_goes_below_where_it_has_no_room() -> None:
    rows = [("20261128T100328Z-b6f38659", "1", "facesearch evaluate ../somebody/photos/of/all/people --index sq8")]
    assert table_lines(("run", "rows", "command"), rows, ("rows",), width=60) == [
        ["run                        rows", "    command"],
        [
            "20261128T100328Z-b6f38659     1",
            "    facesearch evaluate ../somebody/photos/of/all/people",
            "    --index sq8",
        ],
    ]


def test_a_wide_table_comes_in_parts_that_repeat_what_tells_rows_apart() -> None:
    columns = ("encoder", "index", *(f"figure{number}" for number in range(6)))
    rows = [("mobilefacenet", kind, *("0.123456",) * 6) for kind in ("flat", "sq8")]
    parts = table_lines(columns, rows, columns[2:], width=42)
    assert [header[0].split() for header in parts[::2]] == [
        ["encoder", "index", "figure0", "figure1"],
        ["encoder", "index", "figure2", "figure3"],
        ["encoder", "index", "figure4", "figure5"],
    ]
    assert all(line.startswith(("mobilefacenet  flat", "mobilefacenet  sq8")) for body in parts[1::2] for line in body)


_WORD = st.text("abcdefgh:@-", min_size=1, max_size=14)
_CELL = st.lists(_WORD, max_size=4).map(" ".join)


@given(st.data())
def test_no_word_is_broken_or_lost_at_any_width(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 7))
    columns = [f"{place}{data.draw(_CELL)}" for place in range(count)]
    rows = data.draw(st.lists(st.lists(_CELL, min_size=count, max_size=count), max_size=4))
    right = [column for column in columns if data.draw(st.booleans())]
    width = data.draw(st.integers(10, 90))
    lines = [line for part in table_lines(columns, rows, right, width=width) for line in part]
    shown = set(" ".join(lines).split())
    assert shown == {word for row in [columns, *rows] for cell in row for word in cell.split()}
    longest = max((len(cell) for row in [columns, *rows] for cell in row), default=0)
    assert all(len(line) <= max(width, 2 * longest + 4) for line in lines)


@given(_CELL, st.integers(1, 40))
def test_wrapped_text_keeps_its_words(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert " ".join(lines).split() == text.split()
    assert all(len(line) <= width or " " not in line for line in lines)
