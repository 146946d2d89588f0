"""Characters that cannot be seen: escaped where text is shown, not allowed in names of people."""

from __future__ import annotations

import unicodedata

# control characters, halves of surrogate pairs, line and paragraph separators
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # Persian and Indic words and compound emoji need them
_FIRST_JOINED = "\u0590"  # the first scripts with letters that join stand behind it
_SEEN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Format characters (category Cf) that have a glyph: Arabic, Syriac and Kaithi number signs."""
_BLANK = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that look like nothing: the grapheme joiner, Hangul fillers, blank Braille."""


def escaped(text: str) -> str:
    r"""Text in which control characters, line ends and what turns or hides text are written out: ESC is `\x1b`.

    What is left can be shown on a terminal: it moves no cursor, starts no line and reverses no other text.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_written(each) if _unprintable(each) or _hidden(each) else each for each in text)


def shown_as_code_point(character: str) -> str:
    """'\u202e' -> "U+202E RIGHT-TO-LEFT OVERRIDE"."""
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def unseen_in_name(name: str) -> str | None:
    """The first character of a name that nobody would see or expect in it; None where there is none.

    That is a control character, a mark of direction, one of zero width, or a space at either end. Joiners between
    letters of scripts that need them are part of the name.
    """
    for place, each in enumerate(name):
        if _unprintable(each) or _invisible(name, place):
            return each
    if name != name.strip():
        return name[0] if name[0].isspace() else name[-1]
    return None


def without_unseen(name: str) -> str:
    """A name without characters of zero width, marks of direction and spaces at either end; control characters stay."""
    return "".join(each for place, each in enumerate(name) if not _invisible(name, place)).strip()


def _unprintable(character: str) -> bool:
    return unicodedata.category(character) in _UNPRINTABLE


def _hidden(character: str) -> bool:
    """Whether it has no glyph and no part in a word either."""
    if character in _JOINERS or character in _SEEN:
        return False
    return character in _BLANK or unicodedata.category(character) == "Cf"


def _invisible(name: str, place: int) -> bool:
    character = name[place]
    if character in _JOINERS:
        around = name[place - 1 : place] + name[place + 1 : place + 2]
        return len(around) < 2 or min(around) < _FIRST_JOINED
    return _hidden(character)


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
