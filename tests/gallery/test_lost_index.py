"""An index whose files are lost: the same kind answers, with the same scores, or nothing does."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from facesearch import Gallery
from facesearch.errors import IndexStateError

from .doubles import damage, index_files, store_templates, unit_vectors

PEOPLE = [f"person {n}" for n in range(600)]  # enough to train pq on, too few for that to be done unasked
VECTORS = unit_vectors(len(PEOPLE))
NEAR = VECTORS[::20] + 0.3 * unit_vectors(30, seed=1)
PROBES = (NEAR / np.linalg.norm(NEAR, axis=1, keepdims=True)).astype(np.float32)
LEARNT = ("pq16", "opq16", "fs32", "pq8+sq8", "ivf4,sq8")


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("facesearch").setLevel(logging.CRITICAL)


def _made(folder: Path, kind: str) -> list[list[tuple[int, float]]]:
    """A gallery whose templates stay int8 beside an index of that kind; what it answers."""
    store_templates(folder, PEOPLE, VECTORS, kind=kind, codec="int8")
    with Gallery.open(folder) as gallery:
        assert gallery.index_info().answering in ("flat", kind)
        gallery.build_index()
        assert (gallery.index_info().answering, gallery.info().codec) == (kind, "int8")
        return _answers(gallery)


def _answers(gallery: Gallery) -> list[list[tuple[int, float]]]:
    return [[(each.template_id, each.similarity) for each in found] for found in gallery.search(PROBES, 5)]


def _lose(folder: Path, how: str) -> None:
    for file in index_files(folder):
        if how == "missing":
            file.unlink()
        elif how == "cut":
            file.write_bytes(file.read_bytes()[:500])
        else:
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 1
            file.write_bytes(content)


@pytest.mark.parametrize("how", ["missing", "cut", "flipped"])
@pytest.mark.parametrize("kind", LEARNT)
def test_a_lost_index_of_a_learnt_kind_comes_back_as_the_same_kind(kind: str, how: str, tmp_path: Path) -> None:
    wanted = _made(tmp_path, kind)
    _lose(tmp_path, how)
    with Gallery.open(tmp_path) as gallery:
        assert _answers(gallery) == wanted
        assert gallery.index_info().answering == kind
        gallery.build_index()
        assert _answers(gallery) == wanted
        assert gallery.check() == []
    with Gallery.open(tmp_path) as gallery:
        assert _answers(gallery) == wanted


@pytest.mark.parametrize("kind", ["pq16", "tcq32"])
def test_codes_that_are_stored_come_back_with_their_own_codebook(kind: str, tmp_path: Path) -> None:
    """Also after others came, from whom another one would be learnt."""
    _made(tmp_path, "sq8")
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index(kind)
        assert gallery.info().codec.startswith(f"{kind}@")
        gallery.enroll_templates([f"new {n}" for n in range(100)], unit_vectors(100, seed=5))
        wanted = _answers(gallery)
    _lose(tmp_path, "missing")
    with Gallery.open(tmp_path) as gallery:
        assert _answers(gallery) == wanted
        gallery.build_index()
        assert _answers(gallery) == wanted


def test_a_damaged_record_of_the_index_brings_no_other_kind(tmp_path: Path) -> None:
    wanted = _made(tmp_path, "pq16")
    damage(tmp_path, "UPDATE index_state SET checksum = checksum + 1")
    with Gallery.open(tmp_path) as gallery:
        assert gallery.index_info().answering == "pq16"
        assert _answers(gallery) == wanted


def test_a_damaged_record_of_files_is_written_anew_by_the_next_change_and_nobody_else_is_said_to_be_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store_templates(tmp_path, ["Ada", "Zoe"], VECTORS[:2])
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index()
    damage(tmp_path, "UPDATE index_segments SET rows = 9")
    caplog.set_level(logging.WARNING, logger="facesearch")
    with Gallery.open(tmp_path) as gallery:
        gallery.enroll_templates(["Mia"], VECTORS[2:3])
        assert [record.getMessage() for record in caplog.records] == [
            "the record of the index files was damaged: they were written anew"
        ]
        assert gallery.check() == []
        assert gallery.index_info().replayed == 0
        assert gallery.search(VECTORS[2:3], 1)[0][0].identity == "Mia"
    assert len(index_files(tmp_path)) == 1


@pytest.mark.folder
def test_a_backup_without_index_is_restored_as_the_same_kind(tmp_path: Path) -> None:
    wanted = _made(tmp_path / "gallery", "pq16")
    _lose(tmp_path / "gallery", "cut")
    with Gallery.open(tmp_path / "gallery") as gallery:
        assert not gallery.backup(tmp_path / "b.zip").has_index
    assert not Gallery.restore(tmp_path / "b.zip", tmp_path / "restored").has_index
    with Gallery.open(tmp_path / "restored") as gallery:
        assert gallery.index_info().answering == "pq16"
        assert _answers(gallery) == wanted
        gallery.build_index()
        assert gallery.check() == []


def test_too_few_left_to_train_it_anew_is_said_and_nobody_is_kept_from_being_forgotten(tmp_path: Path) -> None:
    _made(tmp_path, "pq16")
    with Gallery.open(tmp_path) as gallery:
        gallery.forget_all(PEOPLE[:400])
        assert gallery.index_info().answering == "pq16"
        wanted = _answers(gallery)
    with Gallery.open(tmp_path) as gallery:
        assert _answers(gallery) == wanted
    _lose(tmp_path, "missing")
    with Gallery.open(tmp_path) as gallery:
        for ask in (lambda: gallery.search(PROBES, 1), gallery.index_info, gallery.build_index):
            with pytest.raises(IndexStateError, match="pq16"):
                ask()
        assert len(gallery.check()) == 1
        gallery.forget(PEOPLE[-1])
        gallery.build_index("flat")
        assert gallery.check() == []
        assert gallery.search(VECTORS[450:451], 1)[0][0].identity == PEOPLE[450]


def test_a_gallery_that_was_never_built_answers_exactly_until_it_is(tmp_path: Path) -> None:
    store_templates(tmp_path, PEOPLE, VECTORS, kind="pq16", codec="int8")
    with Gallery.open(tmp_path) as gallery:
        assert gallery.index_info().answering == "flat"
        gallery.build_index()
        assert gallery.index_info().answering == "pq16"
