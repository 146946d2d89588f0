"""The template index: kinds, catching up, damage and repair."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facesearch import Gallery
from facesearch.errors import GalleryNotFoundError, IndexStateError, UsageError
from facesearch.gallery.index_writing import IndexWriter
from facesearch.photos.photo import Photo
from facesearch.store import IndexState, open_store
from facesearch.store.sql.index_state import SqlIndexState
from indexes import Footer, read_footer

from .doubles import ProjectionEncoder, add_templates, index_files, store_templates, unit_vectors
from .doubles import damage as alter_in
from .on_server import Server, copy_gallery

ROOT = Path(__file__).parents[2]
PEOPLE = [f"person {n}" for n in range(1100)]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return unit_vectors(len(PEOPLE))


@pytest.fixture(scope="module")
def large_once(vectors: np.ndarray, tmp_path_factory: pytest.TempPathFactory, server: Server | None) -> Path:
    folder = tmp_path_factory.mktemp("large") / "gallery"
    store_templates(folder, PEOPLE, vectors)
    with Gallery.open(folder) as gallery:
        gallery.build_index()
    return folder


@pytest.fixture
def large(large_once: Path, server: Server | None, tmp_path: Path) -> Path:
    """A gallery of 1,100 people with one template each, and its flat index file."""
    return copy_gallery(large_once, tmp_path / "gallery", server)


def _first(gallery: Gallery, probes: np.ndarray) -> list[str]:
    return [candidates[0].identity for candidates in gallery.search(probes, 1)]


# kinds


def test_all_kinds_name_the_same_person_first(large: Path, vectors: np.ndarray) -> None:
    probes = (vectors[::50] + 0.05 * unit_vectors(22, seed=1)).astype(np.float32)
    with Gallery.open(large) as gallery:
        for kind in ("flat", "sq8", "pq16"):
            gallery.build_index(kind)
            assert gallery.index_info().answering == kind
            assert _first(gallery, probes) == PEOPLE[::50]
            assert gallery.check() == []


@pytest.mark.folder
def test_switching_to_sq8_shrinks_the_whole_gallery_and_back_again_works(large: Path, vectors: np.ndarray) -> None:
    with Gallery.open(large) as gallery:
        before = gallery.info()
        assert (before.index, before.codec) == ("flat", "fp32")
        gallery.build_index("sq8")
        after = gallery.info()
        assert (after.index, after.codec) == ("sq8", "int8")
        assert after.index_bytes < 0.3 * before.index_bytes
        assert after.database_bytes < 0.75 * before.database_bytes
        assert len(index_files(large)) == 1
        gallery.build_index("flat")
        again = gallery.info()
        assert (again.index, again.codec) == ("flat", "fp32")
        assert again.index_bytes == before.index_bytes
        assert _first(gallery, vectors[:20]) == PEOPLE[:20]
        assert gallery.check() == []
    with Gallery.open(large) as gallery:
        assert gallery.info() == again


def test_switching_encodes_nothing(tmp_path: Path, known: list[Photo]) -> None:
    encoder = ProjectionEncoder()
    with Gallery.open(tmp_path, encoder=encoder) as gallery:
        gallery.enroll_photos(known)
        for kind in ("sq8", "flat", "sq8"):
            gallery.build_index(kind)
    assert encoder.encoded == len(known)


def test_the_originals_can_be_kept_beside_a_smaller_index(large: Path, vectors: np.ndarray) -> None:
    with Gallery.open(large) as gallery:
        gallery.build_index("sq8", keep="fp32")
        assert (gallery.info().index, gallery.info().codec) == ("sq8", "fp32")
        gallery.build_index("flat")
        best = gallery.search(vectors[:1], 1)[0][0]
        assert best.similarity == pytest.approx(1, abs=1e-6)
        gallery.build_index(keep="fp16")
        assert (gallery.info().index, gallery.info().codec) == ("flat", "fp16")
    with open_store(large) as store:
        assert {codec for batch in store.templates.batches() for codec in batch.codecs} == {"fp16"}


@pytest.mark.parametrize(
    ("kind", "keep", "complaint"),
    [
        ("kd-tree", None, "unknown index kind 'kd-tree'"),
        ("pq7", None, "pq7 does not fit dimension 192"),
        (None, "int2", "no codec is named 'int2'; there are: fp32, fp16, int8"),
    ],
)
def test_a_kind_or_codec_that_there_is_not_changes_nothing(
    kind: str | None, keep: str | None, complaint: str, enrolled: Path
) -> None:
    with Gallery.open(enrolled) as gallery:
        before = gallery.info()
        with pytest.raises(UsageError, match=complaint):
            gallery.build_index(kind, keep=keep)
        assert gallery.info() == before


def test_progress_of_a_build_is_told(enrolled: Path) -> None:
    told: list[tuple[int, int]] = []
    with Gallery.open(enrolled) as gallery:
        gallery.build_index("sq8", progress=lambda done, total: told.append((done, total)))
        assert told[-1] == (gallery.counts().templates, gallery.counts().templates)


def test_too_few_templates_to_train_are_answered_exactly_until_there_are_enough(
    tmp_path: Path, vectors: np.ndarray
) -> None:
    store_templates(tmp_path, PEOPLE[:100], vectors[:100], kind="pq16", codec="int8")
    with Gallery.open(tmp_path) as gallery:
        assert gallery.search(vectors[:1], 1)[0][0].similarity > 0.9999
        info = gallery.index_info()
        assert (info.answering, info.file_name, gallery.info().index) == ("flat", None, "pq16")
        with pytest.raises(IndexStateError, match="needs at least 256 templates, this gallery has 100"):
            gallery.build_index()
        assert gallery.check() == []
    with open_store(tmp_path) as store:
        add_templates(store, PEOPLE[100:], vectors[100:], "int8")
    with Gallery.open(tmp_path) as gallery:
        assert gallery.index_info().answering == "pq16"
        assert _first(gallery, vectors[:20]) == PEOPLE[:20]


def test_a_build_asked_for_trains_with_fewer_templates(tmp_path: Path, vectors: np.ndarray) -> None:
    store_templates(tmp_path, PEOPLE[:300], vectors[:300])
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index("pq16")
        assert gallery.index_info().answering == "pq16"
    with Gallery.open(tmp_path) as gallery:
        assert gallery.index_info().answering == "pq16"
        assert _first(gallery, vectors[:20]) == PEOPLE[:20]


def test_an_enrolment_that_makes_enough_templates_trains_the_index(
    tmp_path: Path, vectors: np.ndarray, known: list[Photo]
) -> None:
    encoder = ProjectionEncoder("dlib-resnet")
    store_templates(tmp_path, PEOPLE[:1023], vectors[:1023], kind="pq16", codec="int8")
    with Gallery.open(tmp_path, encoder=encoder) as gallery:
        assert gallery.index_info().answering == "flat"
        gallery.enroll_photos(known[:1])
        assert gallery.index_info().answering == "pq16"
        assert gallery.index_info().file_name is not None


# catching up


def test_small_gains_are_replayed_and_large_ones_written(large: Path, known: list[Photo]) -> None:
    encoder = ProjectionEncoder("dlib-resnet")
    with Gallery.open(large, encoder=encoder) as gallery:
        file = gallery.index_info().file_name
        gallery.enroll_photos(known[:2])
        assert gallery.index_info().file_name == file
        assert gallery.index_info().replayed == 2
    with Gallery.open(large, encoder=encoder) as gallery:
        assert gallery.identify(known[0].path).candidates[0].identity == known[0].identity
        gallery.enroll_photos(known)
        assert gallery.index_info().file_name != file
        assert gallery.index_info().replayed == 0
    assert len(index_files(large)) == 1


def test_what_was_committed_before_a_crash_is_replayed_and_then_saved(
    enrolled: Path, known: list[Photo], probes: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: IndexWriter, *, force: bool = False) -> bool:
        raise KeyboardInterrupt

    with Gallery.open(enrolled) as gallery, monkeypatch.context() as patch:
        patch.setattr(IndexWriter, "save", crash)
        with pytest.raises(KeyboardInterrupt):
            gallery.enroll("Newcomer", [probes[0].path])
    with Gallery.open(enrolled) as gallery:
        assert gallery.index_info().replayed == 1
        best = gallery.identify(probes[0].path).candidates[0]
        assert best.identity == "Newcomer"
        assert best.similarity == pytest.approx(1, abs=1e-4)
        assert gallery.check() == []


def test_an_interrupted_first_enrolment_gets_its_index_file_from_the_next_run(
    tmp_path: Path, known: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run finds all photos enrolled, and nothing to add."""
    encoder = ProjectionEncoder()
    with Gallery.open(tmp_path, encoder=encoder) as gallery:
        with monkeypatch.context() as patch:
            patch.setattr(IndexWriter, "save", lambda self, force=False: False)
            gallery.enroll_photos(known[:4])
        assert index_files(tmp_path) == []
        assert gallery.enroll_photos(known[:4]).skipped == 4
        assert len(index_files(tmp_path)) == 1


def test_what_another_process_enrols_forgets_or_rebuilds_is_noticed_at_the_next_question(
    large: Path, vectors: np.ndarray
) -> None:
    probe = unit_vectors(1, seed=7)
    with Gallery.open(large) as here:
        assert _first(here, vectors[:3]) == PEOPLE[:3]
        with open_store(large) as store:
            add_templates(store, ["Newcomer"], probe)
        assert _first(here, probe) == ["Newcomer"]
        with Gallery.open(large) as there:
            there.forget("person 1")
            assert _first(here, vectors[1:2]) != ["person 1"]
            there.build_index("sq8")
            assert here.index_info().answering == "sq8"
            assert _first(here, vectors[2:4]) == PEOPLE[2:4]
            there.build_index("sq8", keep="fp32")
            there.build_index("flat")
        assert here.info().index == "flat"
        assert _first(here, vectors[2:4]) == PEOPLE[2:4]
        assert here.check() == []


def test_an_index_replaced_while_it_is_being_opened_is_read_again(
    large: Path, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def replaced_first(path: Path) -> Footer:
        monkeypatch.setattr("facesearch.gallery.index_files.read_footer", read_footer)
        with Gallery.open(large) as other:
            other.forget("person 5")
        return read_footer(path)

    with Gallery.open(large) as gallery:
        monkeypatch.setattr("facesearch.gallery.index_files.read_footer", replaced_first)
        assert "person 5" not in _first(gallery, vectors[5:6])
    assert caplog.records == []


@pytest.mark.parametrize("times", [1, 4, 15])
def test_a_file_that_another_process_clears_away_unfinished_is_written_again_or_left_to_that_process(
    times: int, enrolled: Path, probes: list[Photo], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever forgets somebody deletes every index file that is not the valid one, also one being written just now."""
    replace, left = Path.replace, [times]

    def cleared_away(self: Path, target: Path) -> Path:
        if self.suffix == ".tmp" and left[0]:
            left[0] -= 1
            with Gallery.open(enrolled) as other:
                other.parts.writer.remove_strays()
        return replace(self, target)

    with Gallery.open(enrolled) as gallery:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", cleared_away)
            gallery.enroll("Newcomer", [probes[0].path])
        assert left == [0]
        assert gallery.check() == []
        assert gallery.index_info().replayed == (times == 15)
        assert gallery.identify(probes[0].path).candidates[0].identity == "Newcomer"
    assert len(caplog.records) == (times == 15)
    assert len(index_files(enrolled)) == 1


def test_a_file_that_another_process_clears_away_unrecorded_is_written_again(
    enrolled: Path, probes: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = SqlIndexState.replace

    def cleared_away(self: SqlIndexState, old: IndexState | None, new: IndexState) -> bool:
        with Gallery.open(enrolled) as other:
            other.parts.writer.remove_strays()
        return record(self, old, new)

    with Gallery.open(enrolled) as gallery:
        with monkeypatch.context() as patch:
            patch.setattr(SqlIndexState, "replace", cleared_away)
            gallery.enroll("Newcomer", [probes[0].path])
        assert gallery.check() == []


@pytest.mark.parametrize("kind", ["sq8", "pq16", "pca32,fs16+sq8", "ivf4,sq8"])
def test_who_comes_after_the_files_were_written_is_coded_as_the_files_are(
    kind: str, large: Path, vectors: np.ndarray
) -> None:
    """What a kind has learnt stands in its files: answers do not change when the newcomers are written into them."""
    new = unit_vectors(5, seed=11)
    with Gallery.open(large) as gallery:
        gallery.build_index(kind)
    with Gallery.open(large) as gallery:
        assert gallery.index_info().answering == kind
        gallery.enroll_templates([f"newcomer {number}" for number in range(5)], new)
        assert gallery.index_info().replayed == 5
        before = gallery.search(new, 4)
        assert gallery.check() == []
        gallery.compact()
        assert gallery.index_info().replayed == 0
        assert gallery.search(new, 4) == before
    with Gallery.open(large) as gallery:
        assert gallery.search(new, 4) == before
        assert gallery.check() == []


# damage


def _delete(file: Path, other: Path) -> None:
    file.unlink()


def _flip(file: Path, other: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)


def _truncate(file: Path, other: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _empty(file: Path, other: Path) -> None:
    os.truncate(file, 0)


def _swap(file: Path, other: Path) -> None:
    shutil.copyfile(other, file)


def _become_folder(file: Path, other: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.fixture(scope="module")
def foreign_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sound index file of another gallery with as many templates."""
    folder = tmp_path_factory.mktemp("foreign")
    store_templates(folder, PEOPLE, unit_vectors(len(PEOPLE), seed=99))
    with Gallery.open(folder) as gallery:
        gallery.build_index()
    return index_files(folder)[0]


@pytest.mark.parametrize("damage", [_delete, _flip, _truncate, _empty, _swap])
def test_damage_is_answered_around_warned_of_reported_and_repaired(
    damage: Callable[[Path, Path], None],
    large: Path,
    foreign_index: Path,
    vectors: np.ndarray,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (file,) = index_files(large)
    damage(file, foreign_index)
    with Gallery.open(large) as gallery:
        with caplog.at_level(logging.WARNING, "facesearch"):
            assert _first(gallery, vectors[:20]) == PEOPLE[:20]
        (warning,) = caplog.records
        assert warning.levelno == logging.WARNING
        assert "rebuilt from the stored templates" in warning.getMessage()
        assert "\n" not in warning.getMessage()
        (problem,) = gallery.check()
        assert "facesearch index build" in problem
        gallery.build_index()
        assert gallery.check() == []
    caplog.clear()
    with Gallery.open(large) as gallery:
        assert _first(gallery, vectors[:20]) == PEOPLE[:20]
        assert gallery.check() == []
    assert caplog.records == []
    assert len(index_files(large)) == 1


@pytest.mark.parametrize("file", ["kept", "deleted"])
def test_a_damaged_template_in_the_database_is_reported_and_can_be_forgotten(
    file: str, large: Path, vectors: np.ndarray
) -> None:
    if file == "deleted":
        index_files(large)[0].unlink()
    alter_in(large, "UPDATE templates SET code = x'00' WHERE id = 3")
    with Gallery.open(large) as gallery:
        assert gallery.check() == ["1 row of templates damaged (id 3): wrong checksum; restore a backup"]
        gallery.forget("person 2")
        assert gallery.check() == []
        assert _first(gallery, vectors[:2]) == PEOPLE[:2]


def test_an_index_that_lacks_a_template_is_reported(large: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As after a database was put back from a backup that is older than it claims."""
    with open_store(large) as store, store.transactions.writing() as connection:
        connection.exec_driver_sql("DELETE FROM templates WHERE id = 3")
    with Gallery.open(large) as gallery:
        assert gallery.check() == ["index and store differ in 1 templates; run: facesearch index build"]
        gallery.build_index()
        assert gallery.check() == []


def test_leftovers_of_interrupted_writers_are_cleared_away_by_a_build(large: Path) -> None:
    (large / "index-0123456789abcdef.faiss").write_bytes(b"old")
    (large / ".index-0123456789abcdef.faiss.0123.tmp").write_bytes(b"half")
    with Gallery.open(large) as gallery:
        assert len(index_files(large)) == 3
        gallery.build_index()
    assert len(index_files(large)) == 1


def test_a_build_that_cannot_write_leaves_the_old_file_in_place(
    large: Path, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = index_files(large)

    def full(*what: object) -> None:
        raise OSError(28, "No space left on device")

    with Gallery.open(large) as gallery:
        with monkeypatch.context() as patch:
            patch.setattr("indexes.container.write_atomically", full)
            with pytest.raises(IndexStateError, match="cannot be written: No space left on device"):
                gallery.build_index()
        assert index_files(large) == before
        assert gallery.check() == []
        assert _first(gallery, vectors[:3]) == PEOPLE[:3]


def test_a_gallery_without_settings_has_no_index(tmp_path: Path) -> None:
    with Gallery.open(tmp_path) as gallery:
        for ask in (gallery.index_info, gallery.check, gallery.build_index, gallery.info):
            with pytest.raises(GalleryNotFoundError, match="empty: enrol somebody first"):
                ask()


# a folder that may only be read

READ_ONLY = """
import os, sys
import faiss
import numpy as np
import indexes.factory, indexes.joined, indexes.rows
from facesearch import Gallery, FacesearchError
if os.geteuid() == 0:
    os.setuid(65534)
with Gallery.open(sys.argv[1], create=False) as gallery:
    print(gallery.search(np.load(sys.argv[2]), 1)[0][0].identity)
    print(gallery.check(), gallery.info().templates)
    try:
        gallery.forget("person 0")
    except FacesearchError as error:
        print("refused", error)
"""


@pytest.mark.folder
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no POSIX permissions here")
@pytest.mark.parametrize("damaged", [False, True])
def test_a_gallery_in_a_read_only_folder_can_be_asked(damaged: bool, large_once: Path, vectors: np.ndarray) -> None:
    """In a process of its own: the superuser, who may write everywhere, becomes nobody first."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(shutil.copytree(large_once, Path(made) / "gallery"))
        np.save(Path(made) / "probe.npy", vectors[7:8])
        if damaged:
            _truncate(index_files(folder)[0], folder)
        Path(made).chmod(0o755)
        for path in folder.iterdir():
            path.chmod(0o444)
        folder.chmod(0o555)
        try:
            arguments = [sys.executable, "-c", READ_ONLY, str(folder), str(Path(made) / "probe.npy")]
            environment = {**os.environ, "FACESEARCH_HOME": str(Path(made) / "home")}
            done = subprocess.run(arguments, check=True, cwd=ROOT, capture_output=True, text=True, env=environment)
        finally:
            folder.chmod(0o755)
    first, second, third = done.stdout.splitlines()
    assert first == "person 7"
    assert second.startswith("['index file" if damaged else "[] 1100")
    assert third.startswith("refused")
    assert ("rebuilt from the stored templates" in done.stderr) == damaged
