"""Tables and lines of text that fit the width of a terminal, broken between words only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_GAP = "  "
_INDENT = "    "
_TALLEST = 4  # lines of a cell; a table with taller ones is harder to read than one in two parts

Measure = Callable[[str], int]


def table_lines(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[str],
    *,
    width: int | None = None,
    measure: Measure = len,
) -> list[list[str]]:
    """A table as lines of text, in one part or several: each begins with the lines of its header, a list of its own.

    columns, rows: titles and cells without line ends. right: titles of the columns aligned to the right, whose cells
    are never broken. width: of the terminal; None for as wide as it gets. measure: places that a text takes there.

    Too wide a table has its cells wrapped between words; else its last column, if it is text, on lines of its own; else
    it comes in parts that repeat the columns by which rows are told apart. What is longer than the terminal without a
    space is left as it is.
    The lists are: header, body, header, body, …
    """
    table = _Table(columns, rows, frozenset(right), measure)
    every = list(range(len(columns)))
    widths = table.natural(every)
    if width is None or table.total(widths) <= width:
        return table.lines(every, widths)
    if (fitted := table.wrapped_widths(every, width)) is not None:
        return table.lines(every, fitted)
    *rest, last = every
    if len(rest) > 1 and columns[last] not in right and (fitted := table.wrapped_widths(rest, width)) is not None:
        return table.lines(rest, fitted, below=last, width=width)
    found: list[list[str]] = []
    for part in table.parts(every, width):
        found += table.lines(part, table.wrapped_widths(part, width) or table.natural(part))
    return found


def wrapped(text: str, width: int, *, first: str = "", more: str = "", measure: Measure = len) -> list[str]:
    """Text in lines of at most `width` places, broken at spaces; a longer word stands whole on a line of its own.

    first, more: what the first line and the others begin with.
    """
    lines, line, filled = [], first, False
    for word in text.split(" "):
        joined = f"{line} {word}" if filled else line + word
        if filled and word and measure(joined) > width:
            lines.append(line.rstrip())
            joined = more + word
        line, filled = joined, True
    lines.append(line.rstrip())
    return lines


class _Table:
    """Columns and rows, and how wide they are. Columns are named by their number."""

    def __init__(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str], measure: Measure
    ) -> None:
        self._columns, self._rows, self._measure = columns, rows, measure
        self._right = [title in right for title in columns]

    def natural(self, numbers: Sequence[int]) -> list[int]:
        """The widths at which nothing is wrapped."""
        return [max(map(self._measure, self._column(number))) for number in numbers]

    def total(self, widths: Sequence[int]) -> int:
        return sum(widths) + len(_GAP) * (len(widths) - 1)

    def wrapped_widths(self, numbers: Sequence[int], width: int) -> list[int] | None:
        """Widths that fit together with cells wrapped between words; None where that makes cells too tall."""
        least = [self._longest_word(number) for number in numbers]
        widths = self.natural(numbers)
        excess = self.total(widths) - width
        while excess > 0:
            place = max(range(len(widths)), key=lambda each: (widths[each] > least[each], widths[each]))
            if widths[place] <= least[place]:
                return None
            widths[place] -= 1
            excess -= 1
        tallest = max(
            len(self._wrapped(cell, number, wide))
            for number, wide in zip(numbers, widths, strict=True)
            for cell in self._column(number)
        )
        return widths if tallest <= _TALLEST else None

    def parts(self, numbers: Sequence[int], width: int) -> list[list[int]]:
        """The columns in groups that fit, each with the first columns before it, by which rows are told apart."""
        keys = self._keys(numbers, width)
        groups = [list(keys)]
        for number in numbers[len(keys) :]:
            if len(groups[-1]) > len(keys) and self.wrapped_widths([*groups[-1], number], width) is None:
                groups.append(list(keys))
            groups[-1].append(number)
        return groups

    def _keys(self, numbers: Sequence[int], width: int) -> Sequence[int]:
        """The fewest first columns of text that differ in every row, if there are such in half the width."""
        for count in range(1, len(numbers)):
            keys = numbers[:count]
            if any(self._right[number] for number in keys) or self.total(self.natural(keys)) > width // 2:
                break
            if len({tuple(row[number] for number in keys) for row in self._rows}) == len(self._rows):
                return keys
        return numbers[:1]

    def lines(
        self, numbers: Sequence[int], widths: Sequence[int], *, below: int | None = None, width: int = 0
    ) -> list[list[str]]:
        """Header and body; `below`: the column whose cells stand under the others."""
        header = self._row_lines(self._columns, numbers, widths)
        if below is not None:
            header.append(_INDENT + self._columns[below])
        body = []
        for row in self._rows:
            body += self._row_lines(row, numbers, widths)
            if below is not None:
                body += wrapped(row[below], width, first=_INDENT, more=_INDENT, measure=self._measure)
        return [header, body]

    def _row_lines(self, row: Sequence[str], numbers: Sequence[int], widths: Sequence[int]) -> list[str]:
        cells = [self._wrapped(row[number], number, wide) for number, wide in zip(numbers, widths, strict=True)]
        lines = []
        for place in range(max(map(len, cells))):
            shown = []
            for number, cell, wide in zip(numbers, cells, widths, strict=True):
                text = cell[place] if place < len(cell) else ""
                room = " " * (wide - self._measure(text))
                shown.append(room + text if self._right[number] else text + room)
            lines.append(_GAP.join(shown).rstrip())
        return lines

    def _wrapped(self, cell: str, number: int, width: int) -> list[str]:
        if self._measure(cell) <= width:
            return [cell]
        return wrapped(cell, width, measure=self._measure)

    def _longest_word(self, number: int) -> int:
        title, *cells = self._column(number)
        words = title.split(" ") + (cells if self._right[number] else [word for cell in cells for word in cell.split()])
        return max(map(self._measure, words), default=0)

    def _column(self, number: int) -> list[str]:
        return [self._columns[number], *(row[number] for row in self._rows)]
