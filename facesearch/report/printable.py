"""What commands print: tables as text, and a result in every form that a user can ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextTable:
    """Cells as text under a heading ("" for none); the columns named in `right` are aligned to the right."""

    heading: str
    columns: Sequence[str]
    right: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Printable:
    """A result in every form; each is made only where it is asked for. tables: True asks for all columns."""

    tables: Callable[[bool], Sequence[TextTable]]
    document: Callable[[], object]
    csv: Callable[[], str]
    markdown: Callable[[], str]
