"""Photos that do not show a person, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command

from facesearch import Gallery


@pytest.fixture
def photos(people: list[Path], ada_and_zoe: Path) -> list[Path]:
    """Two photos of somebody who is not enrolled; Ada and Zoe are, with one each."""
    return sorted(people[2].iterdir())[:2]


def _first(facesearch: Command, photo: Path) -> dict[str, object]:
    asked = facesearch("query", photo, "--threshold", "-1", "--json")
    first: dict[str, object] = asked.json["probes"][0]["faces"][0]["candidates"][0]
    return first


def test_a_stranger_is_not_given_the_name_again(facesearch: Command, photos: list[Path]) -> None:
    before = str(_first(facesearch, photos[1])["identity"])
    other = {"Ada": "Zoe", "Zoe": "Ada"}[before]
    done = facesearch("identities", "negative", before, photos[0])
    assert done.out == f"1 negative of {before} added, 0 known before\n"
    assert _first(facesearch, photos[1])["identity"] == other
    told = facesearch("identities", "negative", before, photos[0], "--json").json
    assert (told["added"], told["skipped"], told["rejected"], told["removed"]) == ([], 1, [], [])
    assert [each["path"] for each in told["negatives"]] == [str(photos[0])]
    assert "1 negative of" in facesearch("identities", "negative", before).out
    assert facesearch("identities", "negative", before, "1", "--off", "--json").json["removed"] == [1]
    assert _first(facesearch, photos[1])["identity"] == before


def test_her_own_photo_and_what_shows_nobody_are_rejected(
    facesearch: Command, photos: list[Path], tmp_path: Path
) -> None:
    done = facesearch("identities", "negative", "Ada", tmp_path / "p/Ada/1.jpg", tmp_path / "none.jpg", photos[0])
    assert done.status == 3
    assert "enrolled as Ada" in done.out + done.err and "none.jpg" in done.out + done.err
    with Gallery.open(tmp_path / "gallery") as gallery:
        assert [Path(each.path) for each in gallery.negatives("Ada")] == [photos[0]]


def test_a_photo_of_somebody_forgotten_is_not_stored_again_unasked(
    facesearch: Command, photos: list[Path], tmp_path: Path
) -> None:
    assert facesearch("identities", "negative", "Ada", tmp_path / "p/Zoe/1.jpg").status == 0
    assert facesearch("identities", "forget", "Zoe", "--yes").status == 0
    assert facesearch("identities", "negative", "Ada", "--json").json["negatives"] == []
    refused = facesearch("identities", "negative", "Ada", tmp_path / "p/Zoe/1.jpg")
    assert refused.status == 3
    assert "who was forgotten on " in refused.out and "; --again takes it as a negative\n" in refused.out
    assert facesearch("identities", "negative", "Ada", tmp_path / "p/Zoe/1.jpg", "--again").status == 0


def test_what_cannot_be_meant_is_one_line_and_status_2(facesearch: Command, photos: list[Path]) -> None:
    for words in (
        ("identities", "negative", "Adda", photos[0]),
        ("identities", "negative", "Ada", "--off"),
        ("identities", "negative", "Ada", "7", "--off"),
        ("identities", "negative", "Ada", "7" * 5000, "--off"),
        ("identities", "negative", "Ada", "7", "--off", "--again"),
        ("identities", "negative", "Ada", photos[0], "--face", "x"),
        ("identities", "negative", "Ada", photos[0], "--face", "1", "--aligned", "arcface"),
    ):
        done = facesearch(*words)
        assert done.status == 2, words
        assert "Traceback" not in done.err
