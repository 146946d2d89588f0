"""Whatever a name holds, it stays a name."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesearch.report.markup import Markup, escaped, joined, name_text, tag, unbroken

any_text = st.text(st.characters(), max_size=50)


class Reader(HTMLParser):
    """What a browser would see."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@given(any_text)
def test_no_text_becomes_markup_anywhere(text: str) -> None:
    read = Reader(tag("p", text, title=text))
    assert read.tags == ["p"]
    assert [name for name, _ in read.attributes] == ["title"]
    escaped(text).encode("utf-8")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=50))
def test_text_is_read_back_as_it_was(text: str) -> None:
    assert Reader(tag("p", text)).text == text


@pytest.mark.parametrize("text", ["\udcff", "\x00", "\x1b[31m", "\ufffe"])
def test_what_no_page_may_hold_is_shown_otherwise(text: str) -> None:
    shown = escaped(text)
    assert text not in shown
    shown.encode("utf-8")


def test_markup_is_put_in_as_it_is_and_attributes_are_spelled_as_html_does() -> None:
    assert tag("g", Markup("<a></a>"), class_="x", text_anchor="end", hidden=True, title=None) == (
        '<g class="x" text-anchor="end" hidden><a></a></g>'
    )
    assert tag("br") == "<br>"
    assert tag("line", x1=1.5, y1=2.0, y2=1 / 3) == '<line x1="1.5" y1="2" y2="0.33"></line>'
    assert joined(["<", tag("b", "x")], ", ") == "&lt;, <b>x</b>"


def test_a_name_written_backwards_turns_nothing_beside_it() -> None:
    assert name_text("\u202eabc") == "<bdi>\u202eabc</bdi>"


def test_figures_stay_with_their_unit() -> None:
    assert unbroken("95 % 1…2") == "95\u00a0% 1\u2060…\u20602"
