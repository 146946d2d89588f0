"""Labels beside marks, placed so that none covers another, a mark or the edge. Pure; no drawing."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

FONT = 12.0  # px, of all text in charts


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def within(self, other: Box) -> bool:
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """A label wanted beside the point (x, y) of a mark with this radius."""

    text: str
    x: float
    y: float
    radius: float = 6.0


def text_width(text: str, size: float = FONT) -> float:
    """Pixels that text takes at most in the fonts of the page, near enough to keep labels apart."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return size * (0.62 * (len(text) - wide) + 1.05 * wide)


def place(wishes: Sequence[Wish], taken: Sequence[Box], area: Box) -> list[Box | None]:
    """A box for each label, or None where no place beside its mark is free. Earlier wishes choose first.

    taken: boxes that no label may meet (marks, whiskers); area: where all labels have to stay.
    """
    occupied = list(taken)
    placed: list[Box | None] = []
    for wish in wishes:
        free = (box for box in _places(wish) if box.within(area) and not any(box.meets(other) for other in occupied))
        box = next(free, None)
        placed.append(box)
        if box is not None:
            occupied.append(box)
    return placed


def _places(wish: Wish) -> list[Box]:
    """Right, left, above, below, then the corners."""
    width, height = text_width(wish.text), FONT * 1.2
    away, middle = wish.radius + 3, height / 2
    lefts_and_tops = [
        (wish.x + away, wish.y - middle),
        (wish.x - away - width, wish.y - middle),
        (wish.x - width / 2, wish.y - away - height),
        (wish.x - width / 2, wish.y + away),
        (wish.x + away - 2, wish.y - away - height + 4),
        (wish.x + away - 2, wish.y + away - 4),
        (wish.x - away + 2 - width, wish.y - away - height + 4),
        (wish.x - away + 2 - width, wish.y + away - 4),
    ]
    return [Box(left, top, left + width, top + height) for left, top in lefts_and_tops]
