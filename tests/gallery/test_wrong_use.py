"""What a program hands over by mistake is refused before anything is read or changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from facesearch import Gallery
from facesearch.errors import UsageError
from facesearch.photos.photo import Photo


@pytest.mark.parametrize("wrong", [0, 12, b"photo.jpg", None, ["photo.jpg"], 1.5])
def test_what_is_no_photo_is_refused_in_one_line(everybody: Gallery, wrong: Any) -> None:
    for use in (
        lambda: everybody.identify(wrong),
        lambda: everybody.enroll("Ann", [wrong]),
        lambda: everybody.verify(wrong, wrong),
    ):
        with pytest.raises(UsageError, match="a photo is a path, or pixels"):
            use()


def test_a_file_descriptor_is_left_alone(everybody: Gallery, known: list[Photo]) -> None:
    descriptor = os.open(known[0].path, os.O_RDONLY)
    try:
        with pytest.raises(UsageError):
            everybody.identify(descriptor)  # type: ignore[arg-type]
        os.fstat(descriptor)
    finally:
        os.close(descriptor)


def test_names_are_text_and_several_people_a_list(everybody: Gallery, known: list[Photo]) -> None:
    name, wrong = known[0].identity, None
    people = everybody.counts()
    for use, message in (
        (lambda: everybody.enroll(wrong, [known[0].path]), "a name is text, not NoneType"),  # type: ignore[arg-type]
        (lambda: everybody.forget_all(name), "takes a list of names"),
        (lambda: everybody.merge(name), "name two people at least"),
        (lambda: everybody.merge(into=name), "name two people at least"),
    ):
        with pytest.raises(UsageError, match=message):
            use()
    assert everybody.counts() == people


def test_a_closed_gallery_says_so(enrolled: Path, known: list[Photo]) -> None:
    gallery = Gallery.open(enrolled)
    gallery.close()
    gallery.close()
    for use in (
        lambda: gallery.identify(known[0].path),
        lambda: gallery.rename(known[0].identity, "Ann"),
        gallery.identities,
        gallery.counts,
        lambda: gallery.threshold,
    ):
        with pytest.raises(UsageError, match="this gallery is closed"):
            use()
