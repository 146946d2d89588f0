"""A forgotten identity is never returned again and leaves nothing behind, whatever goes wrong meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from facesearch import Gallery
from facesearch.codecs.plain import find_codec
from facesearch.errors import StoreBusyError, UnknownIdentityError
from facesearch.photos.photo import Photo
from facesearch.store import open_store
from facesearch.store.sql.identities import SqlIdentities

from .doubles import index_files, store_templates, unit_vectors

PEOPLE = [f"person {n}" for n in range(1100)]
GONE = 5
NAME = PEOPLE[GONE]


def _gallery(folder: Path, kind: str = "flat") -> np.ndarray:
    """A gallery of 1,100 people with an index file; returns their templates."""
    vectors = unit_vectors(len(PEOPLE))
    codec = "fp32" if kind == "flat" else "int8"
    store_templates(folder, PEOPLE, vectors, kind=kind, codec=codec)
    with Gallery.open(folder) as gallery:
        gallery.build_index()
    return vectors


def _is_gone(gallery: Gallery, vectors: np.ndarray) -> bool:
    (candidates,) = gallery.search(vectors[GONE : GONE + 1], len(PEOPLE))
    names = {candidate.identity for candidate in candidates}
    return NAME not in names and len(names) == len(PEOPLE) - 1


def _files_with(folder: Path, marker: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and marker in path.read_bytes()]


@pytest.mark.parametrize("kind", ["flat", "sq8", "pq16"])
def test_a_forgotten_identity_is_never_returned_again(kind: str, tmp_path: Path) -> None:
    vectors = _gallery(tmp_path, kind)
    with Gallery.open(tmp_path) as gallery:
        assert gallery.search(vectors[GONE : GONE + 1], 1)[0][0].identity == NAME
        receipt = gallery.forget(NAME)
        assert (receipt.identity, receipt.templates, receipt.images) == (NAME, 1, 1)
        assert receipt.index_rewritten
        assert receipt.wiped
        assert receipt.forgotten_at > 0
        assert _is_gone(gallery, vectors)
        assert gallery.check() == []
    with Gallery.open(tmp_path) as gallery:
        assert gallery.index_info().replayed == 0
        assert gallery.index_info().answering == kind
        assert _is_gone(gallery, vectors)
        gallery.build_index()
        assert _is_gone(gallery, vectors)
        gallery.build_index("flat")
        assert _is_gone(gallery, vectors)
    for file in index_files(tmp_path):
        file.unlink()
    with Gallery.open(tmp_path) as gallery:
        assert _is_gone(gallery, vectors)


@pytest.mark.folder
@pytest.mark.parametrize("kind", ["flat", "sq8"])
def test_the_bytes_of_a_forgotten_template_and_name_are_nowhere_in_the_folder(kind: str, tmp_path: Path) -> None:
    vectors = _gallery(tmp_path, kind)
    codes = {name: find_codec(name).encode(vectors[GONE : GONE + 1])[0] for name in ("fp32", "int8")}
    stored = codes["fp32" if kind == "flat" else "int8"][:64]
    assert _files_with(tmp_path, stored)
    with Gallery.open(tmp_path) as gallery:
        gallery.rename(NAME, "Leavesnotrace")
        gallery.forget("Leavesnotrace")
        for marker in (*(code[:64] for code in codes.values()), b"Leavesnotrace"):
            assert _files_with(tmp_path, marker) == []
    for marker in (*(code[:64] for code in codes.values()), b"Leavesnotrace"):
        assert _files_with(tmp_path, marker) == []
    assert len(index_files(tmp_path)) == 1
    other = find_codec("fp32" if kind == "flat" else "int8").encode(vectors[:1])[0][:64]
    assert "gallery.db" in _files_with(tmp_path, other)


@pytest.mark.folder
def test_the_bytes_of_a_template_that_was_recoded_are_nowhere_in_the_folder(tmp_path: Path) -> None:
    vectors = _gallery(tmp_path)
    original = find_codec("fp32").encode(vectors[GONE : GONE + 1])[0]
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index("sq8")
        assert _files_with(tmp_path, original[:64]) == []


def test_an_index_file_that_cannot_be_written_does_not_keep_the_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk is full: the old file goes, the person is forgotten, the index is built from the store until a build."""
    vectors = _gallery(tmp_path)
    marker = vectors[GONE].tobytes()[:64]

    def full(*what: object) -> None:
        raise OSError(28, "No space left on device")

    with Gallery.open(tmp_path) as gallery:
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "facesearch"):
            patch.setattr("indexes.container.write_atomically", full)
            receipt = gallery.forget(NAME)
        assert not receipt.index_rewritten
        assert receipt.wiped
        assert "No space left on device" in caplog.text
        assert _is_gone(gallery, vectors)
        assert _files_with(tmp_path, marker) == []
        assert gallery.check() == []
    with Gallery.open(tmp_path) as gallery:
        assert _is_gone(gallery, vectors)
        gallery.build_index()
        assert _is_gone(gallery, vectors)
    assert len(index_files(tmp_path)) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_killed_while_it_forgets_leaves_no_index_file_with_the_person(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = _gallery(tmp_path)
    forget = SqlIdentities.forget

    def killed(self: SqlIdentities, names: Sequence[str], *, remember: bool, unknown: Sequence[int]) -> object:
        if moment == "after":
            forget(self, names, remember=remember, unknown=unknown)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqlIdentities, "forget", killed)
        with Gallery.open(tmp_path) as gallery, pytest.raises(KeyboardInterrupt):
            gallery.forget(NAME)
    assert index_files(tmp_path) == []
    with Gallery.open(tmp_path) as gallery:
        assert _is_gone(gallery, vectors) == (moment == "after")
        assert gallery.check() == []


def test_a_file_left_by_an_interrupted_writer_goes_with_the_person(tmp_path: Path) -> None:
    vectors = _gallery(tmp_path)
    (file,) = index_files(tmp_path)
    (tmp_path / "index-0123456789abcdef.faiss").write_bytes(file.read_bytes())
    (tmp_path / f".{file.name}.0123.tmp").write_bytes(file.read_bytes())
    with Gallery.open(tmp_path) as gallery:
        gallery.forget(NAME)
    assert len(index_files(tmp_path)) == 1
    assert _files_with(tmp_path, vectors[GONE].tobytes()[:64]) == []


def test_the_receipt_says_so_where_there_is_no_index_file_to_write(tmp_path: Path) -> None:
    """Too few templates to train the kind: an index in memory answers."""
    store_templates(tmp_path, PEOPLE[:10], unit_vectors(10), kind="pq16", codec="int8")
    with Gallery.open(tmp_path) as gallery:
        receipt = gallery.forget(NAME)
        assert not receipt.index_rewritten
        assert gallery.counts().templates == 9
        assert index_files(tmp_path) == []


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Galleries wait for others a moment only: half a minute of it would be the test's."""
    monkeypatch.setattr("facesearch.gallery.place.open_store", partial(open_store, busy_seconds=0.05))


@pytest.mark.folder
@pytest.mark.usefixtures("impatient")
def test_the_receipt_says_so_where_a_reader_keeps_old_pages_alive_and_a_build_wipes_them_later(tmp_path: Path) -> None:
    vectors = _gallery(tmp_path)
    marker = vectors[GONE].tobytes()[:64]
    with open_store(tmp_path) as reader, Gallery.open(tmp_path) as gallery:
        with reader.transactions.reading() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM templates").scalar_one()
            assert not gallery.forget(NAME).wiped
            assert _is_gone(gallery, vectors)
        gallery.build_index()
        assert _files_with(tmp_path, marker) == []


def test_forgetting_somebody_who_is_not_there_touches_nothing(enrolled: Path, known: list[Photo]) -> None:
    before = index_files(enrolled)
    with Gallery.open(enrolled) as gallery:
        with pytest.raises(UnknownIdentityError, match="did you mean"):
            gallery.forget(known[0].identity.lower())
        assert index_files(enrolled) == before


@pytest.mark.folder
@pytest.mark.usefixtures("impatient")
def test_a_gallery_held_by_another_writer_forgets_nobody_and_says_so(tmp_path: Path) -> None:
    vectors = _gallery(tmp_path)
    before = index_files(tmp_path)
    with open_store(tmp_path) as writer, Gallery.open(tmp_path) as gallery:
        gallery.search(vectors[:1])
        with writer.transactions.writing(), pytest.raises(StoreBusyError):
            gallery.forget(NAME)
        assert gallery.search(vectors[GONE : GONE + 1], 1)[0][0].identity == NAME
        assert index_files(tmp_path) == before


def test_a_merged_identity_is_forgotten_with_all_it_was_given(everybody: Gallery, probes: list[Photo]) -> None:
    everybody.merge(probes[0].identity, probes[1].identity)
    assert everybody.forget(probes[1].identity).templates == 4
    names = {candidate.identity for candidate in everybody.identify(probes[0].path, k=20).candidates}
    assert names == {probe.identity for probe in probes[2:]}


def test_a_forgotten_person_can_be_enrolled_again(everybody: Gallery, known: list[Photo]) -> None:
    photos = [photo for photo in known if photo.identity == known[0].identity]
    everybody.forget(known[0].identity)
    refused = everybody.enroll_photos(photos)
    assert (refused.templates, len(refused.rejected)) == (0, len(photos))
    assert "somebody who was forgotten on" in refused.rejected[0].reason
    report = everybody.enroll_photos(photos, again=True)
    assert (report.templates, report.skipped) == (len(photos), 0)
    assert everybody.identify(photos[0].path).candidates[0].identity == known[0].identity


@pytest.mark.parametrize("kind", ["flat", "sq8", "tcq64", "pq16", "pca64,fs16+sq8"])
def test_the_receipt_says_that_nothing_was_learnt_from_people(kind: str, tmp_path: Path) -> None:
    _gallery(tmp_path)
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index(kind)
        receipt = gallery.forget(PEOPLE[7])
        assert receipt.learnt_from_people is receipt.document()["learnt_from_people"] is False
