"""Numbers as people read them."""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"
ELLIPSIS = "…"


def bytes_in_words(count: float) -> str:
    """1536 -> "1.5 KB" (powers of 1024)."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GB"


def time_in_words(seconds: float) -> str:
    """0.42 -> "0.4 s", 75 -> "75 s", 5400 -> "1.5 h"."""
    for limit, unit, length in ((10, "s", 1), (120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / length:.{1 if limit == 10 else 0}f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """1 photo, 1,200 photos."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def them(number: int) -> str:
    """it, or them: as said of so many."""
    return "it" if number == 1 else "them"


def percent(share: float, decimals: int = 2) -> str:
    """0.9912 -> "99.12"; the unit stands in the heading."""
    return fixed(100 * share, decimals)


def fixed(value: float, decimals: int) -> str:
    """A number with thousands separated and a real minus sign; what rounds to zero has none."""
    text = f"{value:,.{decimals}f}"
    if not text.startswith("-"):
        return text
    return MINUS + text[1:] if any(letter in "123456789" for letter in text) else text[1:]


def floored(value: float, decimals: int = 2) -> str:
    """0.2996 -> "0.29": what is below a bound of so many decimals is not shown as having reached it."""
    return f"{math.floor(value * 10**decimals + 1e-9) / 10**decimals:.{decimals}f}"


def signed(value: float, decimals: int) -> str:
    """As `fixed`, with a plus sign before what is above zero."""
    text = fixed(value, decimals)
    return f"+{text}" if value > 0 and any(letter in "123456789" for letter in text) else text


def interval(low: float, high: float, decimals: int = 2) -> str:
    """Shares as percent: (0.988, 0.993) -> "98.80…99.30"."""
    return f"{percent(low, decimals)}{ELLIPSIS}{percent(high, decimals)}"


def milliseconds(value: float) -> str:
    """Three significant digits: 0.0123, 1.23, 12.3, 123."""
    for limit, decimals in ((0.1, 4), (1.0, 3), (10.0, 2), (100.0, 1)):
        if value < limit:
            return f"{value:.{decimals}f}"
    return f"{value:,.0f}"


def size(count: float) -> str:
    """Bytes of a template: whole where they are, else to a tenth."""
    return f"{count:,.0f}" if abs(count - round(count)) < 0.05 else f"{count:,.1f}"


def place(box: tuple[float, float, float, float] | None) -> str:
    """Where a face is in a photo, and how large, in pixels: "134×164 at 99,82"; None is a crop that came aligned."""
    if box is None:
        return "the whole crop"
    x, y, w, h = box
    return f"{w:.0f}×{h:.0f} at {x:.0f},{y:.0f}"
