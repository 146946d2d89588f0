"""A gallery is thinned: templates go for good, people and answers stay, and photos are known when they come back."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from facesearch import Gallery, Photo
from facesearch.errors import GalleryNotFoundError, StoreError, UnknownIdentityError, UsageError
from facesearch.gallery import thinning
from facesearch.gallery.folder_truth import Folders
from facesearch.gallery.suspect import Suspect
from facesearch.photos.sources import from_paths
from facesearch.store import Thinning

from .doubles import DIMENSION, damage, store_templates, unit_vectors
from .on_server import Server

PEOPLE, EACH = 6, 8


def templates() -> tuple[list[str], np.ndarray]:
    """Eight templates each of six people, and one of a seventh: names, and the templates."""
    rng = np.random.default_rng(3)
    rows = np.repeat(unit_vectors(PEOPLE), EACH, axis=0) + 0.06 * rng.normal(size=(PEOPLE * EACH, DIMENSION))
    rows = np.concatenate([rows, unit_vectors(1, seed=8)])
    names = [f"person {row // EACH}" for row in range(len(rows))]
    return names, np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def made(folder: Path, kind: str = "flat", codec: str = "fp32") -> np.ndarray:
    names, vectors = templates()
    store_templates(folder, names, vectors, kind=kind, codec=codec)
    with Gallery.open(folder) as gallery:
        gallery.build_index()
    return vectors


@pytest.mark.parametrize(("kind", "codec"), [("flat", "fp32"), ("sq8", "int8"), ("hnsw32", "fp32"), ("tcq64", "int8")])
def test_everybody_is_still_found_with_the_templates_that_stay(
    kind: str, codec: str, server: Server | None, tmp_path: Path
) -> None:
    vectors = made(tmp_path, kind, codec)
    with Gallery.open(tmp_path) as gallery, Gallery.open(tmp_path) as other:
        other.search(vectors[:1], 1)
        report = gallery.thin(3)
        assert len(report.removed) == PEOPLE * (EACH - 3)
        for each in (gallery, other):
            assert each.counts()[:2] == (PEOPLE + 1, PEOPLE * 3 + 1)
            assert each.check() == []
            found = each.search(vectors, 1)
            assert [candidates[0].identity for candidates in found] == templates()[0]
            assert not {candidates[0].template_id for candidates in found} & set(report.removed)
        assert report.wiped
        assert server or report.before_bytes > report.after_bytes  # whose tables come in whole pages


def test_a_dry_run_says_the_same_and_changes_nothing(tmp_path: Path) -> None:
    made(tmp_path)
    with Gallery.open(tmp_path) as gallery:
        before = gallery.templates()
        planned = gallery.thin(2, dry_run=True)
        assert gallery.templates() == before
        done = gallery.thin(2)
        assert (planned.people, planned.removed) == (done.people, done.removed)
        assert planned.dry_run
        assert planned.before_bytes > planned.after_bytes > 0
        assert gallery.thin(2).people == ()  # done already


def test_what_is_deleted_is_in_no_file(tmp_path: Path) -> None:
    vectors = made(tmp_path)
    with Gallery.open(tmp_path) as gallery:
        report = gallery.thin(1)
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for number in report.removed:
        assert vectors[number - 1].tobytes() not in content
        assert hashlib.sha256(f"0 {number - 1}".encode()).digest() not in content  # of its image


@pytest.mark.parametrize("keep", [0, -1, 2.5, True, "3"])
def test_a_number_that_keeps_nobody_is_refused(keep: object, tmp_path: Path) -> None:
    made(tmp_path)
    with Gallery.open(tmp_path) as gallery:
        with pytest.raises(UsageError, match=r"keep is .*: a whole number from 1 on"):
            gallery.thin(keep)  # type: ignore[arg-type]
        assert gallery.counts().templates == PEOPLE * EACH + 1


def test_an_empty_gallery_cannot_be_thinned(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g") as gallery, pytest.raises(GalleryNotFoundError, match="is empty"):
        gallery.thin()


def test_what_is_set_aside_neither_counts_nor_goes(tmp_path: Path) -> None:
    made(tmp_path)
    with Gallery.open(tmp_path) as gallery:
        gallery.remove_templates([1, 2])
        assert len(gallery.thin(6).removed) == (PEOPLE - 1) * 2
        assert sorted(gallery.restore_templates([1, 2])) == [1, 2]


def test_whoever_changes_meanwhile_stays_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path)
    with Gallery.open(tmp_path) as gallery, Gallery.open(tmp_path) as other:
        thin = gallery.parts.store.thinning.thin

        def overtaken(plans: Sequence[Thinning]) -> list[int]:
            other.move_templates([3], "person 6")
            other.forget("person 1")
            other.rename("person 0", "Ada")
            other.rename("person 2", "Bea")
            return thin(plans)

        monkeypatch.setattr(gallery.parts.store.thinning, "thin", overtaken)
        report = gallery.thin(4)
        assert report.overtaken == ("Ada",)
        assert [person.identity for person in report.people] == ["Bea", "person 3", "person 4", "person 5"]
        assert len(gallery.templates("Ada")) == EACH - 1
        assert gallery.check() == []


def test_whoever_is_being_changed_while_plans_are_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path)
    with Gallery.open(tmp_path) as gallery, Gallery.open(tmp_path) as other:

        def suspects(*_: object, **__: object) -> list[Suspect]:
            other.remove_templates([1])
            return []

        monkeypatch.setattr(thinning, "suspects", suspects)
        report = gallery.thin(4)
        assert report.overtaken == ("person 0",)
        assert [person.identity for person in report.people] == [f"person {number}" for number in range(1, 6)]
        assert len(gallery.thin(4).people) == 1


@pytest.mark.folder
def test_nothing_is_freed_rather_than_less_while_somebody_reads(tmp_path: Path) -> None:
    made(tmp_path)
    with Gallery.open(tmp_path) as gallery, closing(sqlite3.connect(tmp_path / "gallery.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM templates").fetchall()
        report = gallery.thin(4)
        assert report.after_bytes > report.before_bytes
        assert (report.wiped, report.freed_bytes, report.document()["freed_bytes"]) == (False, 0, 0)


@pytest.mark.folder
@pytest.mark.parametrize(("kind", "codec"), [("flat", "fp32"), ("sq8", "int8")])
def test_a_dry_run_tells_about_what_is_freed(kind: str, codec: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    noisy = np.repeat(unit_vectors(30), 20, axis=0) + 0.06 * rng.normal(size=(600, DIMENSION))
    vectors = np.asarray(noisy / np.linalg.norm(noisy, axis=1, keepdims=True), np.float32)
    store_templates(tmp_path, [f"person {row // 20}" for row in range(600)], vectors, kind=kind, codec=codec)
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index()
        planned, done = gallery.thin(5, dry_run=True), gallery.thin(5)
    assert planned.freed_bytes == pytest.approx(done.freed_bytes, rel=0.15)


@pytest.mark.folder
def test_backups_that_hold_what_is_deleted_are_named(tmp_path: Path) -> None:
    made(tmp_path / "g")
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.backup(tmp_path / "b.zip")
        report = gallery.thin(4)
        assert len(report.backups) == 1
        assert report.exports == ()


# photos


@pytest.fixture
def folders(people_photos: Path, tmp_path: Path) -> Path:
    """Folders of two people with three photos each."""
    for name, person in zip(("Ada", "Zoe"), sorted(people_photos.iterdir()), strict=False):
        shutil.copytree(person, tmp_path / "people" / name)
    return tmp_path / "people"


@pytest.fixture
def thinned(folders: Path, tmp_path: Path) -> Path:
    """A gallery of them with a template each."""
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.enroll_photos(from_paths([folders]).photos).templates == 6
        gallery.thin(1)
    return tmp_path / "g"


def scanned(gallery: Gallery, folders: Path, again: bool = False) -> tuple[int, int, int, int]:
    """What enrolling the folders as the truth does: templates new, photos skipped, thinned out among them, templates
    gone."""
    report = gallery.enroll_photos(
        from_paths([folders]).photos, folders=Folders((folders,), sync=True, confirmed=True), again=again
    )
    return report.templates, report.skipped, report.thinned, report.taken_out


def test_folders_that_are_scanned_again_bring_nothing_back(thinned: Path, folders: Path) -> None:
    with Gallery.open(thinned) as gallery:
        assert scanned(gallery, folders) == (0, 6, 4, 0)
        gallery.compact()
        gallery.rename("Ada", "Ada Lovelace")
        assert scanned(gallery, folders) == (0, 6, 4, 0)
        assert gallery.thinned("Ada Lovelace") == 2
        survey = gallery.survey(from_paths([folders]).photos, Folders((folders,)))
        assert (survey.templates, survey.thinned) == (0, 4)


def test_they_come_back_where_that_is_asked_for(thinned: Path, folders: Path) -> None:
    with Gallery.open(thinned) as gallery:
        assert scanned(gallery, folders, again=True) == (4, 2, 0, 0)
        assert gallery.thinned("Ada") == 0
        assert scanned(gallery, folders) == (0, 6, 0, 0)


def test_they_stay_known_when_the_photo_that_stays_is_gone(thinned: Path, folders: Path) -> None:
    with Gallery.open(thinned) as gallery:
        (kept,) = gallery.templates("Ada")
        Path(kept.path).unlink()
        planned = gallery.survey(from_paths([folders]).photos, Folders((folders,), sync=True))
        assert planned.without == {"Ada": 2}
        assert gallery.survey(from_paths([folders]).photos, Folders((folders,))).without == {}
        assert scanned(gallery, folders) == (0, 5, 4, 1)
        assert scanned(gallery, folders) == (0, 5, 4, 0)
        report = gallery.enroll_photos(from_paths([folders]).photos, folders=Folders((folders,)))
        assert report.without == {"Ada": 2}
        assert report.document()["without_templates"] == [{"identity": "Ada", "thinned": 2}]
        assert scanned(gallery, folders, again=True)[0] == 4
        report = gallery.enroll_photos(from_paths([folders]).photos, folders=Folders((folders,)))
        assert report.without == {}


def test_a_photo_thinned_out_of_one_person_does_not_become_anothers_unnoticed(thinned: Path, folders: Path) -> None:
    with Gallery.open(thinned) as gallery:
        kept = {info.path for info in gallery.templates()}
        path = next(path for path in sorted((folders / "Ada").iterdir()) if str(path) not in kept)
        report = gallery.enroll_photos([Photo("Zoe", path)])
        assert report.templates == 0
        assert [item.reason for item in report.rejected] == [
            "the same image was enrolled as Ada and thinned out; --again enrols it"
        ]
        assert gallery.enroll("Zoe", path).templates == 1  # whoever is named is meant


def test_photos_thinned_out_of_somebody_forgotten_are_theirs(thinned: Path, folders: Path) -> None:
    with Gallery.open(thinned) as gallery:
        gallery.forget("Ada")
        gallery.forget("Zoe", remember=False)
        report = gallery.enroll_photos(from_paths([folders]).photos)
        assert report.templates == 3  # Zoe's
        assert [item.path.split("/")[-2] for item in report.rejected] == ["Ada"] * 3
        assert all("it shows somebody who was forgotten" in item.reason for item in report.rejected)


def test_merging_takes_what_was_thinned_out_along(thinned: Path, folders: Path) -> None:
    with Gallery.open(thinned) as gallery:
        gallery.merge("Ada", into="Zoe")
        assert gallery.thinned("Zoe") == 4
        gallery.thin(1)
        assert gallery.thinned("Zoe") == 5
        assert scanned(gallery, folders) == (0, 6, 5, 0)  # the folder Ada is Zoe's, with no template from it left
        with pytest.raises(UnknownIdentityError):
            gallery.thinned("Ada")


def test_an_export_made_before_brings_nothing_back(folders: Path, tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.enroll_photos(from_paths([folders]).photos)
        gallery.export(tmp_path / "all.npz")
        gallery.thin(1)
        report = gallery.import_templates(tmp_path / "all.npz")
        assert (report.templates, report.skipped, report.thinned) == (0, 6, 4)
        assert gallery.import_templates(tmp_path / "all.npz", again=True).templates == 4


@pytest.mark.folder
def test_a_backup_keeps_what_is_known(thinned: Path, folders: Path, tmp_path: Path) -> None:
    with Gallery.open(thinned) as gallery:
        gallery.backup(tmp_path / "b.zip")
    Gallery.restore(tmp_path / "b.zip", tmp_path / "r")
    with Gallery.open(tmp_path / "r") as gallery:
        assert scanned(gallery, folders)[:3] == (0, 6, 4)


@pytest.mark.parametrize("keep", [2, 3, 7])
def test_a_photo_of_somebody_else_goes_first(keep: int, tmp_path: Path) -> None:
    names, vectors = templates()
    names[EACH] = "person 0"  # one of person 1's
    store_templates(tmp_path, names, vectors)
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index()
        wrong = gallery.identity("person 0")[1][-1].id
        assert [each.template_id for each in gallery.suspects(least=0.5)] == [wrong]
        removed = gallery.thin(keep).removed
        assert wrong in removed


@pytest.mark.parametrize("reason", ["thinned out of identity 3x", "thinned out of identity 1", ""])
def test_a_damaged_row_is_told_in_one_line(reason: str, thinned: Path, folders: Path) -> None:
    damage(thinned, f"UPDATE rejected_photos SET reason = '{reason}'")
    with Gallery.open(thinned) as gallery, pytest.raises(StoreError, match="of rejected_photos is damaged"):
        gallery.enroll_photos(from_paths([folders]).photos)
