"""People who had been forgotten, as part of somebody else or not, are named when a backup brings them back."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from facesearch import Gallery
from facesearch.codecs.plain import find_codec
from facesearch.store import NewTemplate

Vectors = npt.NDArray[np.float32]

EYE = np.eye(6, 192, dtype=np.float32)


def enrolled(folder: Path) -> Gallery:
    gallery = Gallery.open(folder)
    gallery.enroll_templates(["A", "B", "C", "Other"], EYE[:4])
    return gallery


def test_who_was_forgotten_as_part_of_another_comes_back_by_name(tmp_path: Path) -> None:
    archive, folder = tmp_path / "b.zip", tmp_path / "g"
    with enrolled(folder) as gallery:
        gallery.backup(archive)
        gallery.merge("A", into="B")
        gallery.merge("B", into="C")
        gallery.forget("C")
    report = Gallery.restore(archive, folder, replace=True)
    assert report.returned == ("A", "B", "C")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_receipts_after_a_restore_name_the_archive(tmp_path: Path, elsewhere: bool) -> None:
    archive, folder = tmp_path / "b.zip", tmp_path / "g"
    before = int(time.time())
    with enrolled(folder) as gallery:
        gallery.backup(archive)
        (first,) = gallery.forget("A").backups
    target = tmp_path / "other" if elsewhere else folder
    Gallery.restore(archive, target, replace=not elsewhere)
    with Gallery.open(target) as gallery:
        (again,) = gallery.forget("A").backups
        assert before <= again <= first
        gallery.enroll_templates(["New"], EYE[5:6])
        assert gallery.check() == []


def unknown(gallery: Gallery, photo: str, vector: Vectors, left: float = 0.0) -> None:
    """Put a face of a photo into the inbox."""
    encoder, settings = gallery.parts.store.settings.encoder(), gallery.parts.settings()
    assert encoder
    (code,) = find_codec(settings.codec).encode(vector[None])
    content = hashlib.sha256(photo.encode()).digest()
    new = NewTemplate("", content, f"/p/{photo}", 99, 99, code, 0.9, (left, 0.0, 40.0, 40.0))
    assert gallery.parts.store.unknown.add([new], [content], encoder, settings.codec) != [None]


def test_unknown_faces_of_somebody_forgotten_are_named_by_number(tmp_path: Path) -> None:
    archive, folder = tmp_path / "b.zip", tmp_path / "g"
    with enrolled(folder) as gallery:
        unknown(gallery, "party", EYE[4])  # f1: named, then forgotten
        unknown(gallery, "party", EYE[5], left=50.0)  # f2: of the same photo, stays unknown
        unknown(gallery, "street", EYE[4])  # f3: of another photo, and like f1
        unknown(gallery, "beach", EYE[5])  # f4: named, and stays
        gallery.backup(archive)
        gallery.unknown.name("f1", "Mia")
        gallery.unknown.name("f4", "Eve")
        assert gallery.forget("Mia").out_of_inbox == 1
    report = Gallery.restore(archive, folder, replace=True)
    assert (report.returned, report.returned_faces, report.knows_forgotten) == ((), (1, 3), True)
    assert report.document()["returned_faces"] == ["f1", "f3"]
    with Gallery.open(folder) as gallery:
        gallery.unknown.discard(["f1", "f3"])
        assert len(gallery.unknown) == 2


def test_another_person_of_a_photo_is_not_taken_for_somebody_forgotten(tmp_path: Path) -> None:
    archive, folder = tmp_path / "b.zip", tmp_path / "g"
    with enrolled(folder) as gallery:
        unknown(gallery, "party", EYE[4])
        unknown(gallery, "party", EYE[5], left=50.0)
        gallery.backup(archive)
        gallery.unknown.name("f1", "Mia")
        gallery.unknown.name("f2", "Eve")
        gallery.forget("Mia")
    assert Gallery.restore(archive, folder, replace=True).returned_faces == (1,)


@pytest.mark.parametrize("where", ["a new folder", "another gallery", "a damaged gallery"])
def test_who_was_forgotten_cannot_be_known_without_the_gallery_they_were_forgotten_in(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, folder, now = tmp_path / "b.zip", tmp_path / "g", time.time()
    with enrolled(folder) as gallery:
        gallery.backup(archive)
        gallery.forget("A")
    if where == "a damaged gallery":
        (folder / "gallery.db").write_bytes(b"no database")
    elif where == "another gallery":
        monkeypatch.setattr(time, "time", lambda: now + 9)
        enrolled(folder := tmp_path / "other").close()
    else:
        folder = tmp_path / "new"
    report = Gallery.restore(archive, folder, replace=True)
    assert (report.returned, report.knows_forgotten) == ((), False)
