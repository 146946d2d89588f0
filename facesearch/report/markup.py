"""HTML and SVG as text in which every name is escaped, unless it is markup already."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_VOID = frozenset({"br", "hr", "img", "input", "meta", "link", "wbr"})
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


class Markup(str):
    """Text that is markup: it is put in as it is. Only `tag`, `joined` and constants of the code make it."""

    __slots__ = ()


def escaped(text: object) -> Markup:
    """Any text as text: markup characters as entities, bytes that are not UTF-8 as numbers, no control characters."""
    if isinstance(text, Markup):
        return text
    known = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    return Markup(html.escape(_UNSEEN.sub("\ufffd", known), quote=True))


def joined(parts: Iterable[object], between: str = "") -> Markup:
    """All parts, escaped, one after the other."""
    return Markup(between.join(escaped(part) for part in parts))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element. Attributes: `class_` for class, `_` for `-`; None and False leave one out, True needs no value."""
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        words.append(key if value is True else f'{key}="{escaped(_number(value))}"')
    start = f"<{' '.join(words)}>"
    return Markup(start if name in _VOID else f"{start}{joined(children)}</{name}>")


def _number(value: object) -> object:
    """Coordinates to a hundredth of a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def unbroken(text: str) -> str:
    """A sentence whose figures stay on the line of their unit, and intervals in one piece."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%").replace("…", "\N{WORD JOINER}…\N{WORD JOINER}")


def name_text(name: str) -> Markup:
    """A name of a person or a file: its direction of writing does not turn what stands beside it."""
    return tag("bdi", name)
