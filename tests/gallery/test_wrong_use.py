"""What a program hands over by mistake is refused before anything is read or changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesearch import Gallery
from facesearch.errors import IndexStateError, UsageError
from facesearch.files.durable import write_atomically
from facesearch.photos.photo import Photo


@pytest.mark.parametrize("wrong", [0, 12, None, ["photo.jpg"], 1.5])
def test_what_is_no_photo_is_refused_in_one_line(everybody: Gallery, wrong: Any) -> None:
    for use in (
        lambda: everybody.identify(wrong),
        lambda: everybody.enroll("Ann", [wrong]),
        lambda: everybody.verify(wrong, wrong),
    ):
        with pytest.raises(
            UsageError, match="a photo is a path, bytes, an open file, a Pillow image or an array, not a"
        ):
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


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1.5, -5, "0.5", True, [0.5]])
def test_a_threshold_is_a_similarity(everybody: Gallery, known: list[Photo], wrong: Any) -> None:
    before = everybody.threshold
    for use in (
        lambda: everybody.set_threshold(wrong),
        lambda: everybody.identify(known[0].path, threshold=wrong),
        lambda: everybody.verify(known[0].path, known[0].path, threshold=wrong),
    ):
        with pytest.raises(UsageError, match="a threshold is a similarity between -1 and 1, not "):
            use()
    assert everybody.threshold == before


@pytest.mark.parametrize("fused", [False, True])
def test_what_is_no_template_is_not_searched_for(everybody: Gallery, known: list[Photo], fused: bool) -> None:
    template = everybody.template(known[0].path)
    wrongs: tuple[Any, ...] = (
        template,
        template[None] / 2,
        template[None] * 0,
        template[None] * np.nan,
        template[None] * np.inf,
        np.ones((1, len(template)), np.int64),
        [[1.0], [1.0, 2.0]],
    )
    for wrong in wrongs:
        with pytest.raises(UsageError, match=r"^template"):
            everybody.search(wrong, 1, fused=fused)
    with pytest.raises(IndexStateError):
        everybody.search(np.eye(3, dtype=np.float32), 1, fused=fused)
    numbers: tuple[Any, ...] = (0, -1, 1.0, None, True, "2")
    for k in numbers:
        with pytest.raises(UsageError, match=r"^k is "):
            everybody.search(template[None], k, fused=fused)
    assert everybody.search(template[None][:0], 1, fused=fused) == []


@pytest.mark.parametrize("workers", [0, -1, float("nan"), "2"])
def test_photos_are_enrolled_by_a_whole_number_of_workers(everybody: Gallery, known: list[Photo], workers: Any) -> None:
    with pytest.raises(UsageError, match=r"^workers is "):
        everybody.enroll_photos(known, workers=workers)


def test_each_source_belongs_to_a_template(everybody: Gallery, known: list[Photo]) -> None:
    template = everybody.template(known[0].path)[None]
    with pytest.raises(UsageError, match="1 templates and 2 sources"):
        everybody.enroll_templates(["Ann"], template, sources=["a", "b"])


@pytest.mark.folder
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_only_an_ordinary_file_is_replaced(everybody: Gallery, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is no ordinary file"):
        everybody.backup(tmp_path / "pipe", overwrite=True)
    with pytest.raises(OSError, match="is no ordinary file"):
        write_atomically(tmp_path / "pipe", lambda file: file.write(b""))
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.folder
def test_a_gallery_in_a_folder_is_not_searched_in_the_database(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "gallery") as gallery, pytest.raises(UsageError, match="only a gallery on a server"):
        gallery.build_index(search="database")
    with pytest.raises(UsageError, match="only a gallery on a server"):
        Gallery.open(tmp_path / "new", search="database")
    assert not (tmp_path / "new").exists()
    with pytest.raises(UsageError, match="search is 'nowhere': there are projection, database"):
        Gallery.open(tmp_path / "gallery", search="nowhere")
