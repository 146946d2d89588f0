"""People who had been forgotten, as part of somebody else or not, are named when a backup brings them back."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from facesearch import Gallery

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
