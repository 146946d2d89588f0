"""Tags, notes and ignored people from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command


@pytest.fixture
def probe(people: list[Path], ada_and_zoe: Path) -> Path:
    """A photo of Ada, who is enrolled with another one, as Zoe is."""
    return sorted(people[0].iterdir())[1]


def test_tags_are_set_shown_and_searched_among(facesearch: Command, probe: Path) -> None:
    done = facesearch("identities", "set", "Zoe", "--tag", "staff", "--tag", "crew", "--note", "to June")
    assert done.out == "Zoe: tags crew, staff; note: to June\n"
    assert facesearch("identities", "set", "Zoe", "--untag", "crew", "--json").json == {
        "name": "Zoe",
        "tags": ["staff"],
        "note": "to June",
        "ignored": False,
    }
    people = facesearch("identities", "list", "--json").json["identities"]
    assert [(each["name"], each["tags"]) for each in people] == [("Ada", []), ("Zoe", ["staff"])]
    assert "staff" in facesearch("identities", "list").out
    assert "note: to June" in facesearch("identities", "show", "Zoe").out
    assert facesearch("identities", "show", "Zoe", "--json").json["tags"] == ["staff"]
    (face,) = facesearch("query", probe, "--only-tag", "staff", "--json").json["probes"][0]["faces"]
    assert [each["identity"] for each in face["candidates"]] == ["Zoe"]
    facesearch("identities", "set", "Ada", "--tag", "other")
    union = facesearch("query", probe, "--only-tag", "staff", "--only-tag", "other", "--json")
    assert len(union.json["probes"][0]["faces"][0]["candidates"]) == 2


def test_what_nobody_has_or_nothing_to_set_is_one_line_and_status_2(facesearch: Command, probe: Path) -> None:
    for words in (
        ("query", probe, "--only-tag", "stuff"),
        ("identities", "set", "Ada"),
        ("identities", "set", "Adda", "--tag", "a"),
        ("identities", "set", "Ada", "--untag", "a"),
        ("identities", "set", "Ada", "--tag", " "),
        ("identities", "ignore", "Adda"),
    ):
        done = facesearch(*words)
        assert done.status == 2, words
        assert "Traceback" not in done.err


def test_who_is_ignored_is_never_named(facesearch: Command, probe: Path) -> None:
    assert facesearch("query", probe, "--json").json["probes"][0]["faces"][0]["decision"] == "match"
    assert facesearch("identities", "ignore", "Ada").out == "Ada is ignored from now on\n"
    for options in ((), ("--all-faces",), ("--fused",)):
        asked = facesearch("query", probe, *options, "--json")
        assert "Ada" not in str([face["candidates"] for face in asked.json["probes"][0]["faces"]])
        (face,) = asked.json["probes"][0]["faces"]
        assert (face["decision"], face["ignored"], face["candidates"]) == ("unknown", True, [])
        assert ": ignored  (" in facesearch("query", probe, *options).out
    assert "(ignored)" in facesearch("identities", "list").out
    assert facesearch("identities", "ignore", "Ada", "--off", "--json").json == {"name": "Ada", "ignored": False}
    assert facesearch("query", probe, "--json").json["probes"][0]["faces"][0]["decision"] == "match"
