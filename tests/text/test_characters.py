"""What cannot be seen is written out where text is shown, and is no part of a name."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesearch.text.characters import escaped, shown_as_code_point, unseen_in_name, without_unseen


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, Zoë 李 🙂 a\\b", "plain text, Zoë 李 🙂 a\\b"),
        ("a\x1b[2Jb\nc\rd\te", r"a\x1b[2Jb\nc\rd\te"),
        ("\x9b31m \x7f \0", r"\x9b31m \x7f \x00"),
        ("one\u2028two\u2029three\x85four", r"one\u2028two\u2029three\x85four"),
        ("photo\u202egpj.exe \u2066x\u2069 \u200b\ufeff", r"photo\u202egpj.exe \u2066x\u2069 \u200b\ufeff"),
        ("caf\udce9", r"caf\udce9"),
        ("علی\u200cرضا 👩\u200d🚒", "علی\u200cرضا 👩\u200d🚒"),
    ],
)
def test_what_moves_turns_or_hides_is_written_out(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(st.text(st.characters()))
def test_escaped_text_is_one_line_without_control_characters(text: str) -> None:
    shown = escaped(text)
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert escaped(shown) == shown


@pytest.mark.parametrize(
    ("name", "unseen"),
    [
        ("Ada Lovelace", None),
        ("Zoë  李", None),
        ("علی\u200cرضا", None),
        ("👩\u200d🚒", None),
        (" Ada", "U+0020 SPACE"),
        ("Ada\u00a0", "U+00A0 NO-BREAK SPACE"),
        ("Ada\u200b", "U+200B ZERO WIDTH SPACE"),
        ("A\u200cda", "U+200C ZERO WIDTH NON-JOINER"),
        ("Ada\u200d", "U+200D ZERO WIDTH JOINER"),
        ("\u202eadA", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u2066Ada\u2069", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("A\u00adda", "U+00AD SOFT HYPHEN"),
        ("Ada\u3164", "U+3164 HANGUL FILLER"),
        ("A\x1bda", "U+001B"),
        ("A\nda", "U+000A"),
    ],
)
def test_the_first_character_that_nobody_sees_is_named(name: str, unseen: str | None) -> None:
    found = unseen_in_name(name)
    assert (found and shown_as_code_point(found)) == unseen


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12))
def test_a_cleaned_name_is_clean(name: str) -> None:
    assert unseen_in_name(without_unseen(name)) in (None, "\u200c", "\u200d")
